"""Extracted fields as a reader checks them: right and wrong of each, and where their values stand in the text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ockham.evals.field_scores import field_values, parse_fields
from ockham.records import Score
from ockham.reporting.formatting import clean, shorten
from ockham.reporting.html import Child, Html, join, tag, user

Span = tuple[int, int]
"""Where a value stands in a text: its first character, and the one after its last."""


Fault = Literal["right", "empty", "cut", "other"]


@dataclass(slots=True)
class FieldCounts:
    """Of one field: the rows whose right answer has it, and what became of it there; rows where it was made up.

    ``empty`` ones lack a value. ``cut`` ones have a part of the right value, or more than it; ``other`` ones have a
    value from another place. ``sure`` are the confidences of all rows that have one.
    """

    rows: int = 0
    right: int = 0
    empty: int = 0
    cut: int = 0
    other: int = 0
    made_up: int = 0
    sure: list[float] = field(default_factory=list)


def count_fields(scores: Sequence[Score]) -> dict[str, FieldCounts]:
    """Count right and wrong of each field, row by row; rows that could not be judged are left out."""
    counts: dict[str, FieldCounts] = {}
    for score in scores:
        if score.value is None:
            continue
        answer_values, target_values = _by_path(score.answer), _by_path(score.target)
        for path in {*answer_values, *target_values}:
            field_counts = counts.setdefault(path, FieldCounts())
            if path not in target_values:
                field_counts.made_up += 1
                continue
            field_counts.rows += 1
            kind = fault(answer_values.get(path, Counter()), target_values[path])
            setattr(field_counts, kind, getattr(field_counts, kind) + 1)
        for path, sure in (score.fields or {}).items():
            counts.setdefault(path, FieldCounts()).sure.append(sure)
    return counts


def fault(given: Counter[str], wanted: Counter[str]) -> Fault:
    """Say what became of a field that should have values."""
    extra, missed = given - wanted, wanted - given
    if not extra and not missed:
        return "right"
    if not extra:
        return "empty"
    if any(_shares_a_part(one, other) for one in extra for other in (missed or wanted)):
        return "cut"
    return "other"


def _shares_a_part(given: str, wanted: str) -> bool:
    """Tell whether one of two values is a part of the other, or half of its words are the other's."""
    if given in wanted or wanted in given:
        return True
    mine, theirs = Counter(given.split()), Counter(wanted.split())
    return 2 * (mine & theirs).total() >= max(mine.total(), theirs.total())


def wrong_fields(answer: str | None, target: str) -> tuple[str, ...]:
    """Name the fields in which an answer differs from the right one, sorted."""
    answer_values, target_values = _by_path(answer), _by_path(target)
    paths = {*answer_values, *target_values}
    return tuple(sorted(path for path in paths if answer_values.get(path) != target_values.get(path)))


def spans(text: str, values: str | None) -> tuple[Span, ...]:
    """Find the values of a JSON object in a text, in the order of the text; no two share a character.

    Case and runs of white space do not count; a value that stands nowhere has no span.
    """
    taken: list[Span] = []
    for value in sorted(set(_texts(values)), key=len, reverse=True):
        words = r"\s+".join(map(re.escape, clean(value).split()))
        if not words:
            continue
        edge = (r"(?<!\w)" if re.match(r"\w", words) else "", r"(?!\w)" if re.search(r"\w$", words) else "")
        for match in re.finditer(f"{edge[0]}{words}{edge[1]}", text, re.IGNORECASE):
            start, end = match.span()
            if all(end <= first or last <= start for first, last in taken):
                taken.append((start, end))
                break
    return tuple(sorted(taken))


def marked_text(text: str, marks: Sequence[Span]) -> Html:
    """Write a text with the places of values marked in it."""
    parts: list[Child] = []
    at = 0
    for start, end in marks:
        parts += [text[at:start], tag("mark", text[start:end])]
        at = end
    return join([*parts, text[at:]])


def values_list(values: str, differing: Sequence[str], most: int) -> Html:
    """Write the values of a JSON object field by field; fields in ``differing`` are set off as wrong.

    Text that is no JSON object is shown as it is, cut to ``most`` characters.
    """
    if parse_fields(values) is None:
        return user(shorten(values, most))
    lines = [
        tag("div", tag("span", path, class_="small"), " ", user(shorten(value, most)), class_=_class(path, differing))
        for path, value in field_values(json.loads(values))
    ]
    lines += [
        tag("div", tag("span", path, class_="small"), " ", tag("span", "missing", class_="none"), class_="no")
        for path in differing
        if path not in _by_path(values)
    ]
    return tag("div", lines, class_="values") if lines else tag("span", "no field", class_="none")


def _class(path: str, differing: Sequence[str]) -> str | None:
    return "no" if path in differing else None


def _by_path(values: str | None) -> dict[str, Counter[str]]:
    by_path: dict[str, Counter[str]] = {}
    for (path, value), n in (parse_fields(values) or Counter()).items():
        by_path.setdefault(path, Counter())[value] += n
    return by_path


def _texts(values: str | None) -> list[str]:
    """Return the values of a JSON object as they are written."""
    if parse_fields(values) is None or values is None:
        return []
    return [value for _, value in field_values(json.loads(values))]
