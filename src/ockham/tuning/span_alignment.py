"""Where the values of a target stand in its text: what a tagger can learn from.

A value is looked for word by word, whatever its case and white space; a number by what it is worth. The longest values
choose first, each the first place that no other has taken. What stands nowhere cannot be reached.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ockham.models import json_fields
from ockham.models.bio_tags import Place, Span, boundary
from ockham.models.extraction.value_places import find_number, find_words
from ockham.models.json_fields import Field
from ockham.records import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedRow:
    """The spans of one text, in order, how many values its target has, and the places that may be values too."""

    spans: tuple[Span, ...]
    value_count: int
    left_open: tuple[Place, ...] = ()


def align(rows: Sequence[Example], fields: Sequence[Field]) -> list[AlignedRow]:
    """Find the values of every row's target in its text, for the fields of a schema; a span's field is its place there.

    A target that is no JSON object has no values.
    """
    number = {field.path: index for index, field in enumerate(fields)}
    return [_row(row, number) for row in rows]


def share(aligned: Sequence[AlignedRow]) -> float | None:
    """Return the share of all values that stand in their texts; ``None`` where there is no value."""
    value_count = sum(row.value_count for row in aligned)
    return sum(len(row.spans) for row in aligned) / value_count if value_count else None


def _row(row: Example, number: dict[json_fields.Path, int]) -> AlignedRow:
    try:
        target = json.loads(row.target)
    except (ValueError, RecursionError):
        target = None
    if not isinstance(target, dict):
        return AlignedRow(spans=(), value_count=0)
    values = list(json_fields.values(target))
    named = [(number[path], value) for path, value in values if path is not None and path in number]
    taken: list[Span] = []
    for field, value in sorted(named, key=lambda pair: -len(str(pair[1]))):
        extents = (
            find_words(row.input, value, boundary)
            if isinstance(value, str)
            else find_number(row.input, value, boundary)
        )
        extent = next((extent for extent in extents if not any(_overlap(extent, other) for other in taken)), None)
        if extent is not None:
            taken.append(Span(*extent, field))
    return AlignedRow(spans=tuple(sorted(taken)), value_count=len(values))


def _overlap(extent: Place, other: Span) -> bool:
    return extent[0] < other.end and other.start < extent[1]
