"""Several extractors as one: how fields are chosen, and how answers are put together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ockham.errors import ModelError
from ockham.models import field_blend, model_files
from ockham.models.field_blend import FieldBlendSettings, combine
from ockham.records import Answer
from ockham.rungs import field_blend_rung


def answer(value: object, confidence: float | None = None) -> Answer:
    return Answer(value=None if value is None else json.dumps(value), confidence=confidence)


def test_each_field_is_that_of_its_member() -> None:
    chosen = FieldBlendSettings(kinds=("pattern", "linear-tagger"), paths=(("a",), ("b", "c")), members=(1, 1), rest=0)
    first = answer({"a": "1", "b": {"c": "2", "d": "3"}, "e": "4"}, 0.9)
    second = answer({"a": "5", "b": {"c": "6", "d": "7"}}, 0.4)
    both = combine(chosen, [first, second])
    assert json.loads(str(both.value)) == {"a": "5", "b": {"c": "6", "d": "3"}, "e": "4"}
    assert both.confidence == 0.4
    without = combine(chosen, [first, answer(None)])
    assert json.loads(str(without.value)) == {"b": {"d": "3"}, "e": "4"}
    assert without.confidence is None


def test_a_field_goes_to_another_only_beyond_luck() -> None:
    targets = [json.dumps({"total": str(n), "date": f"d{n}"}) for n in range(20)]
    first = [json.dumps({"total": "x", "date": f"d{n}"}) for n in range(20)]
    second = [json.dumps({"total": str(n) if n < 8 else "x", "date": "y" if n < 10 else f"d{n}"}) for n in range(20)]
    assert field_blend_rung.choose_fields([first, second], targets) == (0, {"total": 1})
    few = [json.dumps({"total": str(n) if n < 2 else "x", "date": f"d{n}"}) for n in range(20)]
    assert field_blend_rung.choose_fields([few, first], targets) == (0, {})
    assert field_blend_rung.choose_fields([first, few], targets) == (1, {})


def test_a_blend_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    for chosen in (
        FieldBlendSettings(kinds=("pattern",), paths=(("a",),), members=(1,), rest=0),
        FieldBlendSettings(kinds=("endpoint",), paths=(), members=(), rest=0),
        FieldBlendSettings(kinds=("pattern",), paths=((),), members=(0,), rest=0),
    ):
        model_files.write(chosen, tmp_path / field_blend.FILE)
        with pytest.raises(ModelError, match="not those of its members"):
            field_blend.load(tmp_path)


def test_fields_keep_the_confidence_of_the_member_that_answers_them() -> None:
    chosen = FieldBlendSettings(kinds=("pattern", "linear-tagger"), paths=(("a",), ("b",)), members=(1, 1), rest=0)
    first = Answer(value='{"a": "1", "c": "2"}', confidence=0.5, fields={"a": 0.9, "b": 0.8, "c": 0.5})
    second = Answer(value='{"a": "3"}', confidence=0.1, fields={"a": 0.4})
    both = combine(chosen, [first, second])
    assert both.fields == {"a": 0.4, "c": 0.5}
    assert both.confidence == pytest.approx(0.2)
    assert combine(chosen, [first, answer({"a": "3"}, 0.1)]).fields is None
