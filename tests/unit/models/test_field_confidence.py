"""How sure a field is: shares that validation rows calibrate, for values that are given and for fields left empty."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from ockham.models.extraction import field_calibration
from ockham.models.extraction.field_writer import FieldRule, FieldWriter, WriterSettings
from ockham.models.extraction.span_shares import SpanShare
from ockham.models.extraction.value_places import TextRow

SCHEMA = {"type": "object", "properties": {"total": {"type": "string"}}}


@pytest.fixture
def writer() -> FieldWriter:
    settings = WriterSettings(schema=json.dumps(SCHEMA), paths=(("total",),), rules=(FieldRule(),), closed=())
    return FieldWriter.of(settings, "the schema")


def spans(text: str) -> list[SpanShare]:
    """The share is written in the text itself: "9 .75"; a text of one word has no candidate."""
    words = text.split()
    return [SpanShare(field=0, start=0, end=len(words[0]), share=float(words[1]))] if len(words) > 1 else []


def rows(count: int, seed: int) -> list[TextRow]:
    """Shares that claim too much: one of .9 is right in 6 of 10 rows; where none stands, 1 of 5 rows has a value."""
    draw = random.Random(seed)
    out = []
    for number in range(count):
        if draw.random() < 0.3:
            target = {"total": "elsewhere"} if draw.random() < 0.2 else {}
            out.append(TextRow(text="nothing", target=json.dumps(target)))
        else:
            target = {"total": str(number)} if draw.random() < 0.6 else {"total": "other"}
            out.append(TextRow(text=f"{number} .9", target=json.dumps(target)))
    return out


def test_confidence_is_how_often_a_field_is_right(writer: FieldWriter) -> None:
    calibrated = writer.with_rules(field_calibration.calibrate(writer, spans, rows(400, 0)))
    unseen = rows(2000, 1)
    answers = [calibrated.answer(row.text, spans(row.text)) for row in unseen]
    given = [
        (answer.fields["total"], answer.value == row.target)
        for answer, row in zip(answers, unseen, strict=True)
        if answer.fields and answer.value != "{}"
    ]
    left = [
        (answer.fields["total"], row.target == "{}")
        for answer, row in zip(answers, unseen, strict=True)
        if answer.fields and answer.value == "{}"
    ]
    for pairs, truth in ((given, 0.6), (left, 0.8)):
        assert len(pairs) > 300
        assert np.mean([sure for sure, _ in pairs]) == pytest.approx(truth, abs=0.06)
        assert np.mean([right for _, right in pairs]) == pytest.approx(truth, abs=0.06)


def test_few_rows_leave_shares_alone_and_still_tell_of_empty_fields(writer: FieldWriter) -> None:
    few = [TextRow(text="1 .9", target='{"total": "1"}')] * 8
    (rule,) = field_calibration.calibrate(writer, spans, few)
    assert (rule.least, rule.slope, rule.offset) == (0.4, 1.0, 0.0)
    assert rule.empty == pytest.approx(0.1), "eight rows that all have the field, and none that was left empty"
    answer = writer.with_rules((rule,)).answer("nothing", [])
    assert answer.fields is not None
    assert answer.fields["total"] == pytest.approx(0.1)
    assert answer.confidence == pytest.approx(0.1)


def test_of_a_field_with_one_value_the_likeliest_alone_counts(writer: FieldWriter) -> None:
    (rule,) = writer.settings.rules
    low = writer.with_rules((FieldRule(least=0.3),))
    answer = low.answer(
        "11 22", [SpanShare(field=0, start=0, end=2, share=0.35), SpanShare(field=0, start=3, end=5, share=0.6)]
    )
    assert json.loads(str(answer.value)) == {"total": "22"}
    assert answer.fields is not None
    assert answer.fields["total"] == pytest.approx(rule.confidence(0.6))
