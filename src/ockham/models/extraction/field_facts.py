"""What training rows say of their fields, and what a user is told of it: counts, never values."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence

from ockham.models import json_fields
from ockham.models.extraction import value_forms, value_places
from ockham.models.extraction.tagger_learning import PlacedRows
from ockham.models.extraction.value_places import TextRow
from ockham.records import FieldFacts

_OFTEN = 0.5
"""Fields of which so large a share of values is the same are told together."""
_MOST_NAMED = 5


def facts_of(placed: PlacedRows, rows: Sequence[TextRow]) -> tuple[FieldFacts, ...]:
    """Return the facts of every field of the training targets, in the order in which they come up."""
    lost = {name: (count, total) for name, count, total in placed.missing}
    placed_facts = {fact.field: fact for fact in _placed_facts(placed, lost)}
    kinds = dict[str, str]()
    rows_of = Counter[str]()
    for row in rows:
        seen = dict(_kinds(_read(row.target), ""))
        for name, kind in seen.items():
            kinds[name] = kind if kinds.get(name, "empty") == "empty" else kinds[name]
        rows_of.update(name for name, kind in seen.items() if kind != "empty")
    out = []
    for name, kind in kinds.items():
        if kind == "values" and name in placed_facts:
            out.append(dataclasses.replace(placed_facts[name], rows=rows_of[name]))
        elif kind == "values":
            count, total = lost.get(name, (0, 0))
            out.append(FieldFacts(field=name, rows=rows_of[name], values=total, nowhere=count))
        else:
            out.append(FieldFacts(field=name, kind="empty" if kind == "empty" else "objects", rows=rows_of[name]))
    return tuple(out)


def _placed_facts(placed: PlacedRows, lost: dict[str, tuple[int, int]]) -> Iterator[FieldFacts]:
    names = [".".join(entry.path) for entry in placed.fields]
    same = Counter[tuple[int, int]]()
    for row in placed.places:
        for first, second in {
            (one.field, other.field)
            for one in row
            for other in row
            if one.field != other.field and one.extents and one.extents == other.extents
        }:
            same[first, second] += 1
    for number, (name, form) in enumerate(zip(names, placed.forms, strict=True)):
        values = [value for row in placed.places for value in row if value.field == number]
        yield FieldFacts(
            field=name,
            values=len(values),
            nowhere=lost.get(name, (0, 0))[0],
            several=sum(len(value.extents) > 1 for value in values),
            form=form,
            shared=tuple(
                names[other] for other in range(len(names)) if same[number, other] >= _OFTEN * max(1, len(values))
            ),
        )


def _read(target: str) -> object:
    try:
        return json.loads(target)
    except (ValueError, RecursionError):
        return None


def _kinds(value: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield every field of a target: whether it has values, is empty, or is a list of objects."""
    if isinstance(value, dict) and (value or not name):
        for key, item in value.items():
            yield from _kinds(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        yield name, "objects"
    elif name:
        said = any(True for _ in json_fields.values({"": value}))
        yield name, "values" if said else "empty"


def notes(facts: Sequence[FieldFacts], rows: Sequence[TextRow]) -> list[str]:
    """Say what of the fields of training rows a user should know; nothing where all is plain."""
    out = [note for fact in facts for note in _field_notes(fact, len(rows))]
    out += _shared_notes(facts)
    nested = [fact.field for fact in facts if "." in fact.field and fact.kind == "values"]
    if nested:
        out.append(f"the fields of nested objects are told apart by their paths: {_some(nested)}")
    without = sum(not any(kind != "empty" for _, kind in _kinds(_read(row.target), "")) for row in rows)
    if without:
        out.append(
            f"{without:,} of {len(rows):,} training rows have no field at all: models learn from them that there may "
            "be nothing to find"
        )
    long = sum(len(row.text) > value_places.LONGEST_TEXT for row in rows)
    if long:
        most = value_places.LONGEST_TEXT
        out.append(f"{long:,} training texts are longer than {most:,} characters: the rest is not used for training")
    return out


def _field_notes(fact: FieldFacts, rows: int) -> Iterator[str]:
    name = f"field {fact.field}"
    if fact.kind == "empty":
        yield f"{name}: empty in all {rows:,} training rows: nothing can be learnt about it"
    if fact.kind == "objects":
        yield (
            f"{name}: a list of objects, which no tagger takes apart: places in a text do not say which values belong "
            "together; language models answer it"
        )
    if fact.nowhere:
        cannot = "it cannot be extracted" if fact.nowhere == fact.values else "such values cannot be extracted"
        occur = "does not occur in its text" if fact.nowhere == 1 else "do not occur in their texts"
        yield f"{name}: {fact.nowhere:,} of {fact.values:,} training values {occur}: {cannot}"
    if fact.several:
        occur = "occurs several times in its text" if fact.several == 1 else "occur several times in their texts"
        yield f"{name}: {fact.several:,} of {fact.values:,} training values {occur}: the models choose the place"
    if fact.form != value_forms.AS_IT_STANDS:
        yield f"{name}: its values are written as {fact.form}, not as they appear in the text"


def _shared_notes(facts: Sequence[FieldFacts]) -> Iterator[str]:
    told = set[str]()
    for fact in facts:
        if fact.shared and fact.field not in told:
            group = [fact.field, *(name for name in fact.shared if name not in told)]
            told.update(group)
            yield f"fields {_some(group)}: the same text in most rows: its places are shared out among them"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    listed = ", ".join(names[:_MOST_NAMED])
    return f"{listed} and {more:,} more" if more > 0 else listed
