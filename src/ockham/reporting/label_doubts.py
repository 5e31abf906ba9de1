"""The rows whose label is in doubt: the first of them in the page, all of them to be saved as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records import LabelIssue, RunResult
from ockham.reporting.formatting import clean, count, percent, shorten
from ockham.reporting.formatting import rows as rows_of
from ockham.reporting.html import Child, Html, embed_json, note, section, table, tag, user
from ockham.reporting.row_numbers import row_note, row_number

_SHOWN = 100
_OPEN = 20
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
    heads = ("Row", "Text", "Given label", "Suggested", "Doubt")
    return section(
        "doubts",
        "Labels in doubt",
        note(
            f"{rows_of(len(ordered))}, most doubtful first: cross-validated small models confidently give another "
            f"answer. Nothing was changed; check them yourself. {row_note(run_result.ingest)}"
        ),
        tag("p", tag("button", "Save as CSV", type="button", id="save-doubts", hidden=True), class_="saving"),
        tag("div", table(heads, body[:_OPEN], label="Labels in doubt", numbers=(4,)), class_="first"),
        _fold(heads, body[_OPEN:], len(ordered) - len(body)),
        note(f"Printed: the first {_OPEN}. The page itself can save all of them.", class_="printed")
        if len(body) > _OPEN
        else None,
        tag("script", Html(embed_json([heads, *saved])), type="application/json", id="doubted"),
    )


def _fold(heads: Sequence[str], body: Sequence[Sequence[Child]], more: int) -> Html | None:
    if not body:
        return None
    listed = table(heads, body, label="Further labels in doubt", numbers=(4,))
    rest = note(f"{count(more)} more: save them as CSV.") if more else None
    return tag("details", tag("summary", f"The next {count(len(body))}"), listed, rest)


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
