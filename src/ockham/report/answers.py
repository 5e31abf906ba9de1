"""Every wrong answer: a table that stands on its own, and all rows as data for the script that filters them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ockham.records import Account, Score
from ockham.report.markup import Html, note, section, table, tag, user
from ockham.report.text import clean, count, percent, rows, shorten
from ockham.report.view import Line, focus, is_right, measured

_STATIC = 100
_CHARACTERS = 6_000_000
_MODES = (
    ("wrong", "A is wrong"),
    ("ab", "A is right, B is wrong"),
    ("ba", "A is wrong, B is right"),
    ("both", "both are wrong"),
    ("differ", "A and B differ"),
    ("all", "all rows"),
)


def explorer(account: Account) -> Html | None:
    """Write the section of wrong answers; without a script the first hundred of them stand in the page."""
    found = [line for line in measured(account) if line.scores]
    line = focus(account)
    if not found or line is None or not line.scores:
        return None
    wrong = [s for s in line.scores if is_right(s) is False]
    unjudged = sum(1 for s in line.scores if is_right(s) is None)
    said = f"{line.name} answers {count(len(wrong))} of {rows(len(line.scores))} wrong."
    if unjudged:
        said += f" {rows(unjudged)} could not be judged."
    return section(
        "answers",
        "Wrong answers",
        tag("p", said),
        _controls(found, line),
        tag("p", "", id="found", class_="note", role="status"),
        tag("div", _static(account, line, wrong), id="list"),
        tag(
            "div",
            tag("button", "Earlier", type="button", id="earlier"),
            tag("span", "", id="place"),
            tag("button", "Later", type="button", id="later"),
            class_="pages",
            id="pages",
            hidden=True,
        ),
        tag("script", Html(embedded(_data(account, found))), type="application/json", id="rows"),
    )


def embedded(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write JSON that may stand inside a script element: no character that could end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _controls(found: Sequence[Line], line: Line) -> Html:
    names = [f.name for f in found]
    first = names.index(line.name)
    second = next((i for i in range(len(names) - 1, -1, -1) if i != first), first)

    def choice(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> Html:
        listed = [tag("option", said, value=value, selected=value == chosen) for value, said in options]
        return tag("label", label, tag("select", listed, id=name))

    candidates = [(str(i), name) for i, name in enumerate(names)]
    return tag(
        "form",
        tag(
            "label", "Find", tag("input", type="search", id="find", placeholder="words in the text", autocomplete="off")
        ),
        choice("label", "Label", [("", "any label")], ""),
        choice("a", "A", candidates, str(first)),
        choice("b", "B", candidates, str(second)),
        choice("mode", "Show where", _MODES, "wrong"),
        id="filter",
        hidden=True,
        aria_label="Filter the answers",
    )


def _static(account: Account, line: Line, wrong: Sequence[Score]) -> Html:
    body = []
    for score in wrong[:_STATIC]:
        example = account.examples.get(score.example)
        said = user(shorten(example.input, 600), class_="said") if example else tag("span", "not kept", class_="none")
        answer = (
            user(shorten(score.answer, 300))
            if score.answer is not None
            else tag("span", "no valid answer", class_="none")
        )
        sure = percent(score.confidence, 0) if score.confidence is not None else tag("span", "unknown", class_="none")
        body.append((user(score.example), said, user(shorten(score.target, 300)), answer, sure))
    if not body:
        return note("None.")
    heads = ("Row", "Text", "Right answer", f"{line.name} answered", "Confidence")
    grid = table(heads, body, label="Wrong answers", numbers=(4,))
    if len(wrong) <= _STATIC:
        return grid
    return tag("div", grid, note(f"The first {_STATIC} of {count(len(wrong))}; all of them show where scripts run."))


def _data(account: Account, found: Sequence[Line]) -> dict[str, Any]:
    """Pack all judged rows: texts cleaned and cut, answers as places in one list of strings."""
    order: dict[str, str] = {}
    for line in found:
        for score in line.scores:
            order.setdefault(score.example, score.target)
    most = max(200, min(2000, _CHARACTERS // max(1, len(order))))
    strings: dict[str, int] = {}

    def place(value: str | None) -> int:
        return -1 if value is None else strings.setdefault(shorten(clean(value), most), len(strings))

    tables = [{s.example: s for s in line.scores} for line in found]
    packed = []
    for key, target in order.items():
        example = account.examples.get(key)
        said = shorten(clean(example.input), most) if example else ""
        scores = [scored.get(key) for scored in tables]
        packed.append(
            [
                clean(key),
                said,
                place(target),
                [place(s.answer) if s else -1 for s in scores],
                [_mark(s) for s in scores],
                [round(100 * s.confidence) if s and s.confidence is not None else -1 for s in scores],
            ]
        )
    few = account.verdict.task in ("classify", "choose")
    return {"names": [clean(line.name) for line in found], "strings": list(strings), "rows": packed, "few": few}


def _mark(score: Score | None) -> int:
    right = is_right(score) if score else None
    return -1 if right is None else int(right)
