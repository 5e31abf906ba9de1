"""The rows whose label is in doubt: the first of them in the page, all of them to be saved as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records import LabelIssue, RunResult
from ockham.reporting.formatting import clean, count, percent, shorten
from ockham.reporting.formatting import rows as rows_of
from ockham.reporting.html import Child, Html, embed_json, note, section, table, tag, user
from ockham.reporting.row_numbers import row_note, row_number

_SHOWN = 100
_CHARACTERS = 2000


def doubts(run_result: RunResult) -> Html | None:
    """List the rows whose label the cheap rungs doubt, worst first."""
    if not run_result.label_issues:
        return None
    ordered = _worst_first(run_result)
    body: list[Sequence[Child]] = []
    for doubt in ordered[:_SHOWN]:
        example, number = run_result.examples.get(doubt.id), row_number(run_result.ingest, doubt.id)
        shown = user(shorten(example.input, 600), class_="said") if example else tag("span", "not kept", class_="none")
        body.append(
            (user(number), shown, user(doubt.given_label), user(doubt.suggested_label), percent(doubt.doubt, 0))
        )
    saved = [[shorten(cell, _CHARACTERS) for cell in cells] for cells in doubt_rows(run_result)]
    more = len(ordered) - len(body)
    heads = ("Row", "Text", "Given label", "Suggested", "Doubt")
    return section(
        "doubts",
        "Labels in doubt",
        note(
            f"{rows_of(len(ordered))}, worst first. Cheap rungs, cross-validated, answer these rows confidently and "
            f"differently. Nothing was changed; a person decides. {row_note(run_result.ingest)}"
        ),
        tag("p", tag("button", "Save as CSV", type="button", id="save-doubts", hidden=True)),
        tag("div", table(heads, body, label="Labels in doubt", numbers=(4,)), class_="first"),
        note(f"{count(more)} more: save them as CSV.") if more > 0 else None,
        tag("script", Html(embed_json([heads, *saved])), type="application/json", id="doubted"),
    )


def doubt_rows(run_result: RunResult) -> list[list[str]]:
    """Return the cells of each row whose label is in doubt: its number, text, given label, suggested one, doubt."""
    lines = []
    for doubt in _worst_first(run_result):
        example = run_result.examples.get(doubt.id)
        number, text = row_number(run_result.ingest, doubt.id), example.input if example else ""
        lines.append(
            [clean(cell) for cell in (number, text, doubt.given_label, doubt.suggested_label, f"{doubt.doubt:.2f}")]
        )
    return lines


def _worst_first(run_result: RunResult) -> list[LabelIssue]:
    return sorted(run_result.label_issues, key=lambda issue: (-issue.doubt, issue.id))
