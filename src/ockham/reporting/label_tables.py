"""The chosen candidate label by label, or field by field: how good it is at each, and what it takes for what."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records import Estimate, LabelScore, RunResult
from ockham.reporting import confusion_matrix
from ockham.reporting.candidate_view import confusions, focus
from ockham.reporting.field_marks import FieldCounts, count_fields
from ockham.reporting.formatting import count, finite_estimate, percent, share_interval
from ockham.reporting.html import Child, Html, note, scroll, section, tag

_MANY = 30
"""From so many labels on, their table scrolls inside itself."""


def labels(run_result: RunResult) -> Html | None:
    """Show the candidate label by label, worst first, or field by field, and which labels it takes for which."""
    line = focus(run_result)
    if line is None or line.report is None or not (line.report.per_label or line.scores):
        return None
    scores = sorted(line.report.per_label, key=lambda s: (-1.0 if s.f1 is None else s.f1.value, s.label))
    parts: list[Child] = []
    if scores and run_result.verdict.task == "extract":
        parts.append(_field_table(scores, count_fields(line.scores)))
    elif scores:
        parts.append(_label_table(scores))
    pairs = confusions(line.scores)
    if pairs and run_result.verdict.task in ("classify", "choose"):
        of = {label.label: label.n for label in line.report.per_label}
        parts.append(tag("div", confusion_matrix.matrix(line.scores), confusion_matrix.pairs_table(pairs, of)))
    if not parts:
        return None
    part = "Field" if run_result.verdict.task == "extract" else "Label"
    return section("labels", f"{part} by {part.lower()}: {line.name}", tag("div", parts, class_="blocks"))


def _label_table(scores: Sequence[LabelScore]) -> Html:
    body = [
        (_head_cell(s.label), _count_cell(s.n, "Test rows"), *map(_share, (s.precision, s.recall, s.f1), _SHARES))
        for s in scores
    ]
    return _sortable(("Label", "Test rows", *_SHARES), body, "Precision, recall and F1 of each label")


def _field_table(scores: Sequence[LabelScore], counts: dict[str, FieldCounts]) -> Html:
    """Say of each field in how many rows it is right, and what is wrong with it in the others."""
    heads = ("Rows", "Right", "Empty", "Cut short", "Wrong place", "Made up")
    is_sure = any(field.sure for field in counts.values())
    body = []
    for s in scores:
        c = counts.get(s.label, FieldCounts())
        numbers = (c.rows, c.right, c.empty, c.cut, c.other, c.made_up)
        cells = [_count_cell(number, head) for number, head in zip(numbers, heads, strict=True)]
        if is_sure:
            cells.append(_sure_cell(c.sure))
        body.append((_head_cell(s.label), *cells, *map(_share, (s.precision, s.recall, s.f1), _SHARES)))
    sure_heads = (_SURE,) if is_sure else ()
    grid = _sortable(("Field", *heads, *sure_heads, *_SHARES), body, "Right and wrong of each field")
    about = note(
        "Rows: the test rows whose right answer has the field. Empty: a value is missing. Cut short: a part of the "
        "right value, or more than it. Wrong place: another part of the text. Made up: the right answer does not have "
        "the field, and a value was given. Precision and recall count values, with 95 % intervals.",
        f" {_SURE}: the mean over all test rows; it is calibrated where it is close to the share of rows in which the "
        "field is right, left empty too."
        if is_sure
        else None,
    )
    return tag("div", about, grid, class_="whole")


def _sure_cell(sure: Sequence[float]) -> Html:
    if not sure:
        return tag("td", tag("span", "unknown", class_="none"), class_="n", data_v=-1, data_head=_SURE)
    mean = sum(sure) / len(sure)
    return tag("td", percent(mean), class_="n", data_v=mean, data_head=_SURE)


_SURE = "Confidence"
_SHARES = ("Precision", "Recall", "F1")


def _sortable(heads: Sequence[str], body: Sequence[Sequence[Html]], title: str) -> Html:
    head = [
        tag("th", tag("button", h, type="button"), scope="col", class_="n" if i else None) for i, h in enumerate(heads)
    ]
    caption = tag("caption", title, class_="unseen")
    rows = [tag("tr", cells) for cells in body]
    grid = tag("table", caption, tag("thead", tag("tr", head)), tag("tbody", rows), class_="sortable stack")
    return tag("div", scroll(grid, title), class_="tall" if len(body) > _MANY else None)


def _head_cell(label: str) -> Html:
    return tag("th", tag("bdi", label, dir="auto"), scope="row", data_v=label.casefold())


def _count_cell(number: int, head: str) -> Html:
    return tag("td", count(number), class_="n", data_v=number, data_head=head)


def _share(estimate: Estimate | None, head: str) -> Html:
    e = finite_estimate(estimate)
    if e is None:
        return tag("td", tag("span", "undefined", class_="none"), class_="n", data_v=-1, data_head=head)
    spread = tag("span", share_interval(e), class_="small")
    return tag("td", percent(e.value), spread, class_="n", data_v=e.value, data_head=head)
