"""Several extractors as one: how fields are chosen, and how answers are put together."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from ockham.errors import ModelError
from ockham.models import field_blend, model_files
from ockham.models.extraction import pattern_learning, tagger_learning
from ockham.models.extraction.value_places import TextRow
from ockham.models.field_blend import FieldBlendSettings, combine
from ockham.records import Answer
from ockham.rungs import field_blend_rung
from ockham.rungs.baselines import ENDPOINT
from ockham.rungs.decoder_rungs import DECODER, DECODER_TUNED
from ockham.rungs.field_blend_rung import FIELD_BLEND
from ockham.rungs.linear_tagger_rung import LINEAR_TAGGER
from ockham.rungs.pattern_rung import PATTERN


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


class Held:
    """A member that holds a process."""

    is_open = True

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        return [Answer(value='{"a": "1"}') for _ in inputs]

    def close(self) -> None:
        self.is_open = False


def test_a_blend_ends_the_engines_of_its_language_models() -> None:
    settings = FieldBlendSettings(kinds=("pattern", "gguf"), paths=(("a",),), members=(1,), rest=0)
    rules = pattern_learning.learn(tagger_learning.place_rows([TextRow(text="x", target="{}")]))
    blend, held = field_blend.FieldBlend, Held()
    both = blend(settings, (rules, held))
    assert [answer.value for answer in both.answer(["x"])] == ['{"a": "1"}']
    both.close()
    assert not held.is_open


def test_the_blend_with_language_models_stands_behind_them_all() -> None:
    model = dataclasses.replace(DECODER, name="decoder:m")
    tuned = dataclasses.replace(DECODER_TUNED, name="decoder-tuned:m")
    ladder = [PATTERN, LINEAR_TAGGER, FIELD_BLEND, model, tuned, ENDPOINT]
    names = [rung.name for rung in field_blend_rung.add_models_blend(ladder)]
    assert names == [*(rung.name for rung in ladder[:-1]), "field-blend:models", "endpoint"]
    assert field_blend_rung.add_models_blend(ladder[:3]) == ladder[:3]
    assert field_blend_rung.add_models_blend([PATTERN, model]) == [PATTERN, model]
