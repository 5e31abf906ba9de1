"""Tuning a tagger: it learns, what serves answers as what was tuned, and a kill changes nothing."""

from __future__ import annotations

import dataclasses
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests import tiny_encoder
from tests.integration.tuning.test_encoder_tuning import Kept, quiet

from ockham.convert import onnx_export
from ockham.errors import ModelError
from ockham.evals import tasks
from ockham.models import onnx_encoder, sentence_encoder, tagger, token_windows
from ockham.models.tagger import TaggerSettings
from ockham.records import Example
from ockham.tuning import loop, span_alignment
from ockham.tuning import tagger_tuning as tuning
from ockham.tuning.tune_spec import TuneSpec

pytestmark = pytest.mark.tune

SPEC = TuneSpec(epochs=6, learning_rate=0.05, batch=4, rank=2, alpha=4.0, workers=1, patience=9)
WHOLE = dataclasses.replace(SPEC, all_weights=True, depth=1.0, learning_rate=0.005)
"""All layers are tuned."""
SCHEMA = {
    "type": "object",
    "properties": {
        "thing": {"type": "string"},
        "faults": {"type": "array", "items": {"type": "string"}},
    },
    "required": [],
}
TOLD = TaggerSettings(schema=json.dumps(SCHEMA), paths=(("thing",), ("faults",)), temperature=1.0)
THINGS, FAULTS, REST = ("parcel", "invoice", "card", "pump"), ("late", "twice", "broken"), ("where", "is", "a", "not")


def rows(count: int, seed: int) -> list[Example]:
    """Say of one thing, which stands behind "my", what is wrong with it; other things are named too."""
    pick = np.random.default_rng(seed)
    made = []
    for number in range(count):
        thing, other = (str(word) for word in pick.choice(THINGS, 2, replace=False))
        faults = [str(word) for word in pick.choice(FAULTS, pick.integers(0, 3), replace=False)]
        words = [[other], ["my", thing], *[[fault] for fault in faults], [str(pick.choice(REST))]]
        text = " ".join(word for place in pick.permutation(len(words)) for word in words[place])
        said = sorted(faults, key=text.index)
        target = {"thing": thing, **({"faults": said} if said else {})}
        made.append(Example(id=str(number), input=text, target=json.dumps(target)))
    return made


def metric(targets: Sequence[str], answers: Sequence[str]) -> float:
    return tasks.metric_value("extract", "f1_micro", targets, answers)


def material_of(
    found: sentence_encoder.SentenceEncoder, train: Sequence[Example], valid: Sequence[Example]
) -> tuning.TaggerTrainingData:
    writer, reads = tagger.writer(TOLD), token_windows.reader(found)
    sides = [
        tuning.rows_of(side, reads.read([row.input for row in side]), span_alignment.align(side, writer.fields))
        for side in (train, valid)
    ]
    return tuning.TaggerTrainingData(sentence=found, train=sides[0], valid=sides[1], writer=writer)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> sentence_encoder.SentenceEncoder:
    return sentence_encoder.find(str(tiny_encoder.write(tmp_path_factory.mktemp("tiny"), "bert", layers=1)))


@pytest.fixture(scope="module")
def data(tiny: sentence_encoder.SentenceEncoder) -> tuning.TaggerTrainingData:
    return material_of(tiny, rows(40, 1), rows(20, 2))


def tuned(data: tuning.TaggerTrainingData, checkpoint: Kept | None = None, spec: TuneSpec = SPEC) -> tuning.TunedTagger:
    return tuning.tune(data, spec, metric, checkpoint or Kept(), quiet)


@pytest.fixture(scope="module")
def whole(data: tuning.TaggerTrainingData) -> tuning.TunedTagger:
    """An uninterrupted run."""
    return tuned(data)


def assert_same(one: tuning.TunedTagger, other: tuning.TunedTagger) -> None:
    """Compare two results bit by bit."""
    assert (one.points, one.answers) == (other.points, other.answers)
    assert one.weight.tobytes() == other.weight.tobytes()
    assert one.bias.tobytes() == other.bias.tobytes()
    assert one.weights.keys() == other.weights.keys()
    for name, array in one.weights.items():
        assert array.tobytes() == other.weights[name].tobytes(), name


def test_every_value_is_reached(data: tuning.TaggerTrainingData) -> None:
    wanted = sum(len(json.loads(target).get("faults", ())) + 1 for target in data.train.targets)
    assert data.train.reached == wanted


def test_it_learns_from_nothing_and_keeps_the_best_pass(
    whole: tuning.TunedTagger, data: tuning.TaggerTrainingData
) -> None:
    start, *passes = whole.points
    best = next(point for point in whole.points if point.is_best)
    assert best.valid_metric == max(point.valid_metric for point in whole.points)
    first, last = passes[0].train_loss, passes[-1].train_loss
    assert first is not None
    assert last is not None
    assert last < first
    assert best.valid_metric > start.valid_metric
    assert metric(data.valid.targets, whole.answers) == best.valid_metric


@pytest.mark.parametrize("save", [1, 4, 15, 24])
def test_a_run_that_died_goes_on_to_the_same_bytes(
    save: int, data: tuning.TaggerTrainingData, whole: tuning.TunedTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    kept = Kept(fail_at=save, after=save % 2 == 0)
    with pytest.raises(InterruptedError):
        tuned(data, kept)
    kept.fail_at = None
    assert_same(tuned(data, kept), whole)


def test_all_layers_are_tuned_where_there_is_no_adapter(
    data: tuning.TaggerTrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = tuned(data, spec=WHOLE)
    assert once.adapter is None
    changed = {
        name for name, before in data.sentence.weights().items() if not np.array_equal(once.weights[name], before)
    }
    assert any("attention.self.query.weight" in name for name in changed)
    assert any("LayerNorm" in name for name in changed)
    assert not any("embeddings" in name for name in changed)
    start, *passes = once.points
    losses = [point.valid_loss for point in (start, *passes) if point.valid_loss is not None]
    assert min(losses) < 0.7 * losses[0], "the head begins from nothing"
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    kept = Kept(fail_at=9, after=True)
    with pytest.raises(InterruptedError):
        tuned(data, kept, WHOLE)
    kept.fail_at = None
    assert_same(tuned(data, kept, WHOLE), once)


@pytest.mark.parametrize(
    ("family", "tuned_by"), [("bert", SPEC), ("xlm-roberta", SPEC), ("distilbert", SPEC), ("bert", WHOLE)]
)
def test_merged_weights_tag_as_the_adapter_did(family: str, tuned_by: TuneSpec, tmp_path: Path) -> None:
    """The graph over the merged weights, with the tuned head, gives the margins that were trained."""
    found = sentence_encoder.find(str(tiny_encoder.write(tmp_path / "tiny", family)))
    (tmp_path / "bundle").mkdir()
    learnt = material_of(found, rows(24, 3), [*rows(8, 4), dataclasses.replace(rows(1, 5)[0], input="my card " * 40)])
    better = itertools.count()
    lesson = tuning._lesson(learnt, tuned_by, lambda _t, _a: next(better))  # so that the last pass is kept
    lesson.body.lower_outputs.clear()  # they are kept in half precision
    loop.train(lesson, dataclasses.replace(tuned_by, epochs=1), Kept(), quiet)
    parts = iter(lesson.body.each(lesson.check.tokens, lesson._margins))
    wanted = [each.join([next(parts) for _ in each.windows]) for each in learnt.valid.readings]
    weight, bias = lesson.head.weight.detach().numpy().T.copy(), lesson.head.bias.detach().numpy().copy()
    merged = lesson.body.merge_adapter()
    assert any(not np.array_equal(merged[name], before) for name, before in found.weights().items())
    texts = learnt.train.texts
    onnx_export.write(found, merged, texts, tmp_path / "bundle", quantize=False, output=onnx_encoder.STATES)
    tagger.save(TOLD, weight, bias, tmp_path / "bundle")
    served = tagger.load(tmp_path / "bundle")
    margins = served.margins(served.reader.read(learnt.valid.texts))
    assert len(learnt.valid.readings[-1].windows) > 1, "a text of several windows is among them"
    for one, other in zip(margins, wanted, strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    answers = served.answer(learnt.valid.texts)
    assert [answer.value for answer in answers] == lesson.answers()


@pytest.fixture(scope="module")
def bundle(
    tiny: sentence_encoder.SentenceEncoder, whole: tuning.TunedTagger, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    texts = [row.input for row in rows(40, 1)]
    onnx_export.write(tiny, whole.weights, texts, folder, output=onnx_encoder.STATES)
    tagger.save(TOLD, whole.weight, whole.bias, folder)
    return folder


def test_a_bundle_answers_in_the_users_own_characters(bundle: Path) -> None:
    served = tagger.load(bundle)
    assert served.answer([]) == []
    empty, blank = served.answer(["", " \n "])
    assert (empty.value, empty.confidence) == (blank.value, blank.confidence) == ("{}", 1.0)
    texts = [row.input for row in rows(30, 6)]
    for text, answer in zip(texts, served.answer(texts), strict=True):
        value = json.loads(str(answer.value))
        assert set(value) <= {"thing", "faults"}
        assert all(part in text for part in [value.get("thing", ""), *value.get("faults", ())])
        assert answer.confidence is not None
        assert 0 < answer.confidence <= 1
        assert answer.tokens_in == len(text.split()) + 2


def test_a_text_of_100_000_characters_is_read_to_its_end_in_the_time_of_its_length(bundle: Path) -> None:
    served = tagger.load(bundle)
    begin = time.process_time()
    (answer,) = served.answer(["my card late " * 8_000])
    assert time.process_time() - begin < 30
    assert (answer.tokens_in or 0) > 3 * 8_000
    assert isinstance(json.loads(str(answer.value)), dict)


def test_a_bundle_that_is_not_whole_is_refused(bundle: Path, tmp_path: Path) -> None:
    told = json.loads((bundle / tagger.FILE).read_text())
    for change, message in (
        ({"paths": [["thing"]]}, "not of the shape"),
        ({"paths": [["thing"], ["other"]]}, "not those of its schema"),
        ({"schema": "{"}, "not those of its schema"),
        ({"schema": "[]"}, "not those of its schema"),
        ({"temperature": 0}, "temperature"),
    ):
        for path in bundle.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / tagger.FILE).write_text(json.dumps({**told, **change}))
        with pytest.raises(ModelError, match=message) as caught:
            tagger.load(tmp_path)
        assert caught.value.code == "E_MODEL_FORMAT"
