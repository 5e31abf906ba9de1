"""Every place where the values of a target stand in its text, and the form in which they stand there.

A value is looked for whatever its case and white space; a number by what it is worth. Where it stands nowhere, the
form that most values of its field follow (`ockham.models.extraction.value_forms`) is tried, and then its letters and
digits alone, whatever marks stand between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ockham.models import json_fields
from ockham.models.bio_tags import boundary
from ockham.models.extraction import value_forms
from ockham.models.extraction.text_words import Extent
from ockham.models.json_fields import NUMBER, Field

_FORM_ROWS = 400
"""Rows that forms are learnt from."""
_BETTER = 0.05
"""A form must find so much larger a share of a field's values than the text as it stands."""
LONGEST_TEXT = 200_000
"""Characters of a text in which values are looked for."""


EndTest = Callable[[str, int], bool]
"""(text, the character in front of which a value would begin or end) → whether it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePlaces:
    """A value of a field and the extents where it stands, in order; none where it stands nowhere."""

    field: int
    value: object
    extents: tuple[Extent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A text and its target, a JSON object."""

    text: str
    target: str


def read_values(target: str, fields: Sequence[Field]) -> list[tuple[int, object]]:
    """Return the values of a target with the numbers of their fields; nothing for what is no JSON object."""
    try:
        value = json.loads(target)
    except (ValueError, RecursionError):
        return []
    number = {field.path: index for index, field in enumerate(fields)}
    if not isinstance(value, dict):
        return []
    return [(number[path], leaf) for path, leaf in json_fields.values(value) if path is not None and path in number]


def learn_forms(rows: Sequence[TextRow], fields: Sequence[Field]) -> tuple[str, ...]:
    """Return the form of each field: that in which most of its values stand in their texts, the simplest of equals."""
    pairs: dict[int, list[tuple[str, object]]] = {}
    for row in rows[:_FORM_ROWS]:
        for field, value in read_values(row.target, fields):
            pairs.setdefault(field, []).append((row.text, value))
    return tuple(_form_of(field, pairs.get(number, [])) for number, field in enumerate(fields))


def _form_of(field: Field, pairs: Sequence[tuple[str, object]]) -> str:
    if not field.text or not pairs:
        return value_forms.AS_IT_STANDS
    texts = [(text, value) for text, value in pairs if isinstance(value, str)]
    reached = sum(any(True for _ in find_words(text, value)) for text, value in texts)
    best, most = value_forms.AS_IT_STANDS, reached + _BETTER * len(pairs)
    if reached >= (1 - _BETTER) * len(pairs):
        return best
    for form in value_forms.forms():
        hits = sum(any(True for _ in _find_form(form, text, value)) for text, value in texts)
        if hits > most:
            best, most = form, hits
    return best


def places_of(row: TextRow, fields: Sequence[Field], forms: Sequence[str]) -> list[ValuePlaces]:
    """Return the places of every value of a row; equal values of one field share theirs out, from the left."""
    text = row.text[:LONGEST_TEXT]
    named: dict[tuple[int, str], list[object]] = {}
    for field, value in read_values(row.target, fields):
        named.setdefault((field, str(value)), []).append(value)
    out = []
    for (field, _), (value, *same) in named.items():
        count = 1 + len(same)
        extents = _extents(text, value, forms[field])
        if count > 1 and len(extents) >= count:
            out += [ValuePlaces(field=field, value=value, extents=(extent,)) for extent in extents[:count]]
        else:
            out += [ValuePlaces(field=field, value=value, extents=tuple(extents))] * count
    return out


def _extents(text: str, value: object, form: str) -> list[Extent]:
    if not isinstance(value, str):
        return list(find_number(text, value))
    if form != value_forms.AS_IT_STANDS:
        return list(_find_form(form, text, value))
    whole = list(find_words(text, value, boundary))
    return whole or list(find_words(text, value)) or list(_find_letters(text, value))


def _is_edge(text: str, at: int) -> bool:
    """Tell whether a value may end in front of a character: not between two letters, nor between two digits."""
    if boundary(text, at):
        return True
    before, after = text[at - 1], text[at]
    return (before.isdigit() and after.isalpha()) or (before.isalpha() and after.isdigit())


def find_words(text: str, value: str, may_end: EndTest = _is_edge) -> Iterator[Extent]:
    """Return the places where a text has a value, no part of a longer number or of a longer word.

    ``may_end`` tells whether a value may begin or end in front of a character. No two places share one.
    """
    words = re.compile(r"\s+".join(map(re.escape, value.split())), re.IGNORECASE)
    match = words.search(text)
    while match is not None:
        stands = may_end(text, match.start()) and may_end(text, match.end())
        if stands:
            yield match.span()
        match = words.search(text, match.end() if stands else match.start() + 1)


def find_number(text: str, value: object, may_end: EndTest = _is_edge) -> Iterator[Extent]:
    """Return the places where a text has a number of the same worth, as `find_words` does."""
    for match in NUMBER.finditer(text):
        start = match.start()
        before = text[max(start - 1, 0) : start]
        if text[start] in "+-" and not boundary(before + text[start + 1], len(before)):
            start += 1  # "3-5" holds no -5
        worth = json_fields.number(text[start : match.end()])
        if worth == value and may_end(text, start) and may_end(text, match.end()):
            yield start, match.end()


def _find_form(form: str, text: str, value: object) -> Iterator[Extent]:
    if form in ("upper", "lower", value_forms.AS_IT_STANDS):
        for start, end in find_words(text, str(value)):
            if value_forms.write_as(form, text[start:end]) == value:
                yield start, end
        return
    if form == "digits":
        pattern = (
            re.compile(r"[^\w\n]?".join(re.escape(digit) for digit in str(value))) if str(value).isdigit() else None
        )
        parts: Iterator[Extent] = iter(()) if pattern is None else (match.span() for match in pattern.finditer(text))
    else:
        parts = value_forms.parts_for(form, text)
    for start, end in parts:
        if _is_edge(text, start) and _is_edge(text, end) and value_forms.write_as(form, text[start:end]) == value:
            yield start, end


def _find_letters(text: str, value: str) -> Iterator[Extent]:
    """Return the places where a text has the letters and digits of a value, whatever stands between them."""
    letters = "".join(c for c in value.casefold() if c.isalnum())
    if len(letters) < 6:
        return
    positions = [index for index, c in enumerate(text) if c.isalnum()]
    folded = [text[index].casefold()[:1] for index in positions]
    joined = "".join(folded)
    at = joined.find(letters)
    while at >= 0:
        start, end = positions[at], positions[at + len(letters) - 1] + 1
        # The value's own marks at its end, such as a full stop, are in the text as well.
        while end < len(text) and value[-1:] == text[end] and not text[end].isalnum():
            end += 1
        if _is_edge(text, start) and _is_edge(text, end):
            yield start, end
        at = joined.find(letters, at + 1)


def count_reached(places: Sequence[Sequence[ValuePlaces]]) -> Mapping[int, tuple[int, int]]:
    """Count, for each field, how many of its values stand in their texts, and how many there are."""
    counts: dict[int, tuple[int, int]] = {}
    for row in places:
        for value in row:
            hits, total = counts.get(value.field, (0, 0))
            counts[value.field] = hits + bool(value.extents), total + 1
    return counts
