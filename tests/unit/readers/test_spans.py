"""Spans whose tool counts characters otherwise, or quotes words that stand elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ockham.readers.forms.form import LeftOut
from ockham.readers.forms.spans import NOT_UNIQUE, OUTSIDE, TextSpan, fields_of, stands_inside_word
from ockham.readers.read import ReadResult, ReadSpec, read

TEXT = "\U0001f600\U0001f600 the pump\nin flat 3 is loud"
"""Two emoji, each of them two units of UTF-16: ``pump`` is 7 to 11 in characters, 9 to 13 in units."""


def read_lines(folder: Path, rows: Sequence[Mapping[str, Any]]) -> ReadResult:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read(folder / "a.jsonl", ReadSpec())


SPANS: dict[str, tuple[TextSpan, object]] = {
    "in characters": (TextSpan(7, 11, "DEVICE", "pump"), {"DEVICE": "pump"}),
    "in units of UTF-16": (TextSpan(9, 13, "DEVICE", "pump"), {"DEVICE": "pump"}),
    "not quoted": (TextSpan(9, 13, "DEVICE"), {"DEVICE": "mp\ni"}),
    "a line end written out": (TextSpan(7, 14, "DEVICE", "pump\\nin"), {"DEVICE": "pump\nin"}),
    "other words": (TextSpan(7, 11, "DEVICE", "lift"), OUTSIDE),
    "in units, to the end of the text": (TextSpan(27, 31, "STATE", "loud"), {"STATE": "loud"}),
    "marks alone": (TextSpan(0, 2, "MOOD", "\U0001f600\U0001f600"), {"MOOD": "\U0001f600\U0001f600"}),
    "twice in the text": (TextSpan(1, 2, "MOOD", "\U0001f600"), NOT_UNIQUE),
}


@pytest.mark.parametrize(("span", "fields"), SPANS.values(), ids=SPANS)
def test_a_span_is_where_its_tool_quotes_it(span: TextSpan, fields: dict[str, object] | LeftOut) -> None:
    assert fields_of(TEXT, [span]) == fields


def test_label_studio_counts_in_units_of_utf_16(tmp_path: Path) -> None:
    value = {"start": 9, "end": 13, "text": "pump", "labels": ["DEVICE"]}
    result = {"from_name": "part", "to_name": "txt", "type": "labels", "value": value}
    last = {**result, "value": {"start": 27, "end": 31, "text": "loud", "labels": ["STATE"]}}
    row = {"id": 1, "data": {"text": TEXT, "note": "a longer note " * 9}, "annotations": [{"result": [result, last]}]}
    assert [example.target for example in read_lines(tmp_path, [row]).examples] == ['{"DEVICE":"pump","STATE":"loud"}']


def test_kili_counts_in_units_of_utf_16(tmp_path: Path) -> None:
    span = {"beginOffset": 9, "content": "pump", "categories": [{"name": "DEVICE"}]}
    labels = [{"labelType": "DEFAULT", "jsonResponse": {"NER": {"annotations": [span]}}}]
    reading = read_lines(tmp_path, [{"content": TEXT, "labels": labels}] * 2)
    assert [example.target for example in reading.examples] == ['{"DEVICE":"pump"}'] * 2


@pytest.mark.parametrize(
    ("value", "inside"),
    [("pump", False), ("um", True), ("loud", False), ("lou", True), ("3", False), ("flat 3 i", True), ("a", True)],
)
def test_what_cuts_a_word(value: str, inside: bool) -> None:
    assert stands_inside_word("the pump in flat 3 is loud, 7pm", value) is inside


def test_spans_that_are_shifted_are_told(tmp_path: Path) -> None:
    rows = [{"text": f"the pump {n} is loud", "label": [[4, 8, "DEVICE"]]} for n in range(9)]
    assert not read_lines(tmp_path, rows).warnings
    shifted = [{**row, "label": [[3, 7, "DEVICE"]]} for row in rows[:2]]
    assert "2 of 11 spans begin or end inside a word" in " ".join(read_lines(tmp_path, [*rows, *shifted]).warnings)
