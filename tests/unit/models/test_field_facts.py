"""What a user is told of the fields of the training rows: one note for each fault, and no value of the data."""

from __future__ import annotations

import json

from ockham.models.extraction import field_facts, tagger_learning
from ockham.models.extraction.value_places import LONGEST_TEXT, TextRow
from ockham.records import FieldFacts


def told(rows: list[TextRow]) -> tuple[dict[str, FieldFacts], list[str]]:
    facts = field_facts.facts_of(tagger_learning.place_rows(rows), rows)
    return {fact.field: fact for fact in facts}, field_facts.notes(facts, rows)


def row(text: str, **target: object) -> TextRow:
    return TextRow(text=text, target=json.dumps(target))


def test_a_list_of_objects_is_refused_and_nested_objects_are_flattened() -> None:
    goods = [{"name": "tea", "price": "1.50"}, {"name": "rice", "price": "2.00"}]
    facts, notes = told([row("tea 1.50 rice 2.00 Ipoh", items=goods, shop={"town": "Ipoh", "tel": None})])
    assert facts["items"] == FieldFacts(field="items", kind="objects", rows=1)
    assert facts["shop.town"] == FieldFacts(field="shop.town", rows=1, values=1)
    assert facts["shop.tel"].kind == "empty"
    assert notes == [
        "field items: a list of objects, which no tagger takes apart: places in a text do not say which values belong "
        "together; language models answer it",
        "field shop.tel: empty in all 1 training rows: nothing can be learnt about it",
        "the fields of nested objects are told apart by their paths: shop.town",
    ]
    assert not any("tea" in note or "Ipoh" in note for note in notes)


def test_rows_without_a_field_and_texts_that_are_too_long_are_counted() -> None:
    long = "x" * LONGEST_TEXT + " 9.00"
    facts, notes = told([row("paid 9.00", total="9.00"), row("nothing"), row(long, total="9.00")])
    assert facts == {"total": FieldFacts(field="total", rows=2, values=2, nowhere=1)}
    assert notes == [
        "field total: 1 of 2 training values does not occur in its text: such values cannot be extracted",
        "1 of 3 training rows have no field at all: models learn from them that there may be nothing to find",
        "1 training texts are longer than 200,000 characters: the rest is not used for training",
    ]


def test_a_field_that_is_empty_in_some_rows_only_is_no_empty_field() -> None:
    facts, notes = told([row("paid 9.00", total="9.00", note=""), row("paid 8.00 late", total="8.00", note="late")])
    assert facts["note"] == FieldFacts(field="note", rows=1, values=1)
    assert notes == []


def test_forms_and_values_of_two_fields_at_one_place_are_told() -> None:
    rows = [
        row(f"on {day:02d}/11/2018 and 9.{day}", date=f"2018-11-{day:02d}", a=f"9.{day}", b=f"9.{day}")
        for day in range(10, 29)
    ]
    facts, notes = told(rows)
    assert facts["date"].form == "date:dmy:%Y-%m-%d"
    assert facts["a"].shared == ("b",)
    assert notes == [
        "field date: its values are written as date:dmy:%Y-%m-%d, not as they appear in the text",
        "fields a, b: the same text in most rows: its places are shared out among them",
    ]
