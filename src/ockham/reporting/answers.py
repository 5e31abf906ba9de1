"""Every wrong answer: a table that stands on its own, and all rows as data for the script that filters them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ockham.records import JudgeSummary, RunResult, Score
from ockham.reporting.candidate_view import CandidateView, focus, is_right, measured_views
from ockham.reporting.field_marks import marked_text, spans, values_list, wrong_fields
from ockham.reporting.formatting import amount, clean, count, dollars, interval, percent, rows, shorten
from ockham.reporting.html import Child, Html, embed_json, note, section, table, tag, user
from ockham.reporting.row_numbers import row_note, row_number

_STATIC = 100
_CHARACTERS = 6_000_000
_MARKS = "Marked, unless all words differ: words that the right answer does not have, and words of it that A lacks."
_MODES = (
    ("wrong", "A is wrong"),
    ("ab", "A is right, B is wrong"),
    ("ba", "A is wrong, B is right"),
    ("both", "both are wrong"),
    ("differ", "A and B differ"),
    ("all", "all rows"),
)


def explorer(run_result: RunResult) -> Html | None:
    """Write the section of wrong answers; without a script the first hundred of them stand in the page."""
    views = [line for line in measured_views(run_result) if line.scores]
    line = focus(run_result)
    if not views or line is None or not line.scores:
        return None
    wrong = [s for s in line.scores if is_right(s) is False]
    unjudged = sum(1 for s in line.scores if is_right(s) is None)
    writes = run_result.verdict.task == "generate"
    told = "differs from the right answer in {wrong} of {rows}." if writes else "answers {wrong} of {rows} wrong."
    sentence = f"{line.name} {told.format(wrong=count(len(wrong)), rows=rows(len(line.scores)))}"
    if unjudged:
        sentence += f" {rows(unjudged)} could not be judged."
    packed = _pack(run_result, views)
    return section(
        "answers",
        "Wrong answers",
        tag("p", sentence, " ", row_note(run_result.ingest)),
        tag("p", _MARKS, class_="note scripted", hidden=True) if writes else None,
        _controls(views, line, packed["fields"]),
        tag(
            "div",
            tag("p", "", id="found", class_="note", role="status"),
            tag("button", "Save these rows as CSV", type="button", id="save-answers", hidden=True),
            class_="above",
        ),
        tag("div", _static(run_result, line, wrong), id="list", class_="first"),
        tag(
            "div",
            tag("button", "Previous", type="button", id="earlier"),
            tag("span", "", id="place"),
            tag("button", "Next", type="button", id="later"),
            class_="pages",
            id="pages",
            hidden=True,
        ),
        note("Printed: the first 20. The page itself shows all of them.", class_="printed")
        if len(wrong) > 20
        else None,
        tag("script", Html(embed_json(packed)), type="application/json", id="rows"),
    )


def _controls(views: Sequence[CandidateView], line: CandidateView, fields: Sequence[str]) -> Html:
    names = [f.name for f in views]
    first = names.index(line.name)
    second = next((i for i in range(len(names) - 1, -1, -1) if i != first), first)

    def choice(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> Html:
        listed = [tag("option", text, value=value, selected=value == chosen) for value, text in options]
        return tag("label", label, tag("select", listed, id=name))

    candidates = [(str(i), name) for i, name in enumerate(names)]
    by_field = [("", "any field"), *((str(i), shorten(field, 80)) for i, field in enumerate(fields))]
    return tag(
        "form",
        tag(
            "label", "Find", tag("input", type="search", id="find", placeholder="words in the text", autocomplete="off")
        ),
        choice("label", "Label", [("", "any label")], ""),
        choice("field", "Field", by_field, "") if fields else None,
        choice("a", "Candidate A", candidates, str(first)),
        choice("b", "Candidate B", candidates, str(second)),
        choice("mode", "Show where", _MODES, "wrong"),
        id="filter",
        hidden=True,
        aria_label="Filter the answers",
    )


def _static(run_result: RunResult, line: CandidateView, wrong: Sequence[Score]) -> Html:
    extracts = run_result.verdict.task == "extract"
    sure = any(score.confidence is not None for score in wrong)
    body: list[Sequence[Child]] = []
    for score in wrong[:_STATIC]:
        example = run_result.examples.get(score.example)
        right = values_list(score.target, (), 300) if extracts else user(shorten(score.target, 300))
        answer: Child = tag("span", "no valid answer", class_="none")
        if score.answer is not None:
            differing = wrong_fields(score.answer, score.target) if extracts else ()
            answer = values_list(score.answer, differing, 300) if extracts else user(shorten(score.answer, 300))
        text: Child = tag("span", "not kept", class_="none")
        if example:
            shown = shorten(clean(example.input), 600)
            text = tag(
                "bdi",
                marked_text(shown, spans(shown[:600], score.target) if extracts else ()),
                dir="auto",
                class_="said",
            )
        cells: list[Child] = [user(row_number(run_result.ingest, score.example)), text, right, answer]
        if sure:
            cells.append(percent(score.confidence, 0) if score.confidence is not None else "")
        body.append(cells)
    if not body:
        return note("None.")
    heads = ("Row", "Text", "Right answer", f"{line.name} answered", *(("Confidence",) if sure else ()))
    grid = table(heads, body, label="Wrong answers", numbers=(4,))
    if len(wrong) <= _STATIC:
        return grid
    return tag(
        "div", grid, note(f"The first {_STATIC} of {count(len(wrong))}; with JavaScript, all of them are shown.")
    )


def _pack(run_result: RunResult, views: Sequence[CandidateView]) -> dict[str, Any]:
    """Pack all judged rows: texts cleaned and cut, answers as places in one list of strings.

    Of extracted fields also: where the right values stand in the text, and of each candidate the fields that differ
    and where its own values stand.
    """
    order: dict[str, str] = {}
    for line in views:
        for score in line.scores:
            order.setdefault(score.example, score.target)
    most = max(200, min(2000, _CHARACTERS // max(1, len(order))))
    strings: dict[str, int] = {}
    fields: dict[str, int] = {}
    extracts = run_result.verdict.task == "extract"

    def string_number(value: str | None) -> int:
        return -1 if value is None else strings.setdefault(shorten(clean(value), most), len(strings))

    def differing(score: Score) -> list[int]:
        return [fields.setdefault(name, len(fields)) for name in wrong_fields(score.answer, score.target)]

    tables = [{s.example: s for s in line.scores} for line in views]
    packed_rows: list[list[Any]] = []
    for key, target in order.items():
        example = run_result.examples.get(key)
        text = shorten(clean(example.input), most) if example else ""
        scores = [scored.get(key) for scored in tables]
        row: list[Any] = [
            clean(row_number(run_result.ingest, key)),
            text,
            string_number(target),
            [string_number(s.answer) if s else -1 for s in scores],
            [_mark(s) for s in scores],
            [round(100 * s.confidence) if s and s.confidence is not None else -1 for s in scores],
        ]
        if extracts:
            row.append(spans(text[:most], target))
            row.append([differing(s) if s and is_right(s) is False else [] for s in scores])
            row.append([spans(text[:most], s.answer) if s and is_right(s) is False else [] for s in scores])
        packed_rows.append(row)
    return {
        "names": [clean(line.name) for line in views],
        "strings": list(strings),
        "rows": packed_rows,
        "few": run_result.verdict.task in ("classify", "choose"),
        "fields": [clean(name) for name in fields],
        "written": run_result.verdict.task == "generate",
    }


def _mark(score: Score | None) -> int:
    right = is_right(score) if score else None
    return -1 if right is None else int(right)


def option_order_section(run_result: RunResult) -> Html | None:
    """Show how often each candidate names the same option when the options stand in another order."""
    pairs = [
        (report.candidate.name, report.order_consistency)
        for report in run_result.reports
        if report.order_consistency is not None
    ]
    if not pairs:
        return None
    return section(
        "order",
        "The same question, its options in another order",
        note(
            "Every question was asked with its options in a random order, in training and in the test. Some test "
            "questions were then asked once more in a second order: the share of them for which the same option was "
            "named. A model that only looks at positions "
            "names the same option in one of four questions with four options."
        ),
        table(
            ("Candidate", "Same option named", "95 % interval", "Questions"),
            [
                (name, amount("accuracy", e.value), interval("accuracy", e), count(e.n))
                for name, e in ((name, e) for name, e in pairs if e)
            ],
            label="Answers under two orders of the options",
            numbers=(1, 3),
        ),
    )


def judge_section(run_result: RunResult) -> Html | None:
    """Show the judge's accuracy of each candidate, and how far the judge agrees with exact scoring."""
    if not run_result.judge_summaries:
        return None
    models = ", ".join(sorted({summary.model for summary in run_result.judge_summaries.values()}))
    paid = [summary.cost for summary in run_result.judge_summaries.values() if summary.cost is not None]
    costs = f" It cost {dollars(sum(paid))}." if paid else ""
    return section(
        "judge",
        "What a large model says about the answers",
        note(
            f"The judge ({models}) saw the question, the right answer and the given answer, but not which candidate "
            "gave it. The verdict does not depend on it. Cohen's kappa is its agreement with exact scoring beyond "
            "chance: 0 is chance, 1 is full agreement. Where it is low, one of the two does not measure what you want; "
            "the answers below show which."
            f"{costs}"
        ),
        table(
            (
                "Candidate",
                "Judged right",
                "Both right",
                "Judge alone",
                "Exact alone",
                "Both wrong",
                "Unusable",
                "Kappa",
            ),
            [_row(name, summary) for name, summary in run_result.judge_summaries.items()],
            label="The judge beside exact scoring",
            numbers=range(1, 8),
        ),
    )


def _row(name: str, summary: JudgeSummary) -> list[Child]:
    right, kappa = summary.accuracy, summary.kappa
    return [
        name,
        "no usable judgment" if right is None else f"{amount('accuracy', right.value)} ({interval('accuracy', right)})",
        count(summary.both_right),
        count(summary.judge_alone),
        count(summary.exact_alone),
        count(summary.both_wrong),
        count(summary.unusable),
        "undefined" if kappa is None else f"{kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})",
    ]
