"""The training loop and the tuned encoder: what is kept, when it stops, and that a kill changes nothing."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests import tiny_encoder

from ockham.evals import metrics
from ockham.models import sentence_encoder, softmax
from ockham.models.onnx_encoder import EncoderSettings
from ockham.records import EpochPoint
from ockham.tuning import encoder_tuning, linear_head, loop
from ockham.tuning.tune_spec import TuneSpec, early_stop, guardrails, memorising

if TYPE_CHECKING:
    import torch

pytestmark = pytest.mark.tune

SPEC = TuneSpec(epochs=3, learning_rate=0.02, batch=8, rank=2, alpha=4.0, workers=1, patience=9)


@dataclass
class Kept:
    """A checkpoint in memory; raises at one of its saves, before or after it counts."""

    state: bytes | None = None
    saves: int = 0
    fail_at: int | None = None
    after: bool = False

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.saves += 1
        if self.saves == self.fail_at and not self.after:
            raise InterruptedError
        self.state = state
        if self.saves == self.fail_at:
            raise InterruptedError


def quiet(_done: int, _total: int) -> None:
    """Hear nothing."""


@dataclass
class Scripted:
    """A lesson whose validation scores are written down; one weight that moves at every step."""

    script: Sequence[float]
    judged: int = 0
    weight: Any = field(init=False)
    seen: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        import torch

        self.weight = torch.nn.Parameter(torch.tensor([1.0]))

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        return {"weight": self.weight}

    def batches(self, _epoch: int) -> list[list[int]]:
        return [[0, 1], [2]]

    def loss(self, batch: Sequence[int]) -> tuple[torch.Tensor, int]:
        return (self.weight * len(batch)).sum(), 1

    def judge(self) -> loop.ValidationScore:
        self.judged += 1
        self.seen.append(float(self.weight.detach()))
        return loop.ValidationScore(metric=self.script[self.judged - 1])


def scripted(*script: float, patience: int = 9) -> tuple[Scripted, list[tuple[float, float, bool]]]:
    lesson = Scripted(script)
    spec = TuneSpec(epochs=len(script) - 1, workers=1, patience=patience)
    points = loop.train(lesson, spec, Kept(), quiet)
    return lesson, [(point.epoch, point.valid_metric, point.is_best) for point in points]


def test_the_best_pass_is_kept_with_its_weights() -> None:
    lesson, points = scripted(0.5, 0.6, 0.9, 0.7, 0.9)
    assert points == [(0, 0.5, False), (1, 0.6, False), (2, 0.9, True), (3, 0.7, False), (4, 0.9, False)]
    assert float(lesson.weight.detach()) == lesson.seen[2], "the first of equally good passes"
    assert len(set(lesson.seen)) == 5, "every pass moved the weight"


def test_where_no_pass_is_better_the_weights_stay_as_they_were() -> None:
    lesson, points = scripted(0.9, 0.9, 0.8)
    assert [point[2] for point in points] == [True, False, False]
    assert float(lesson.weight.detach()) == 1.0


def test_of_passes_with_the_same_metric_the_one_with_the_smaller_loss_is_better() -> None:
    judged = loop.ValidationScore
    assert judged(metric=0.2, loss=9.0).beats(judged(metric=0.1, loss=1.0))
    assert judged(metric=0.1, loss=1.0).beats(judged(metric=0.1, loss=2.0))
    assert not judged(metric=0.1, loss=2.0).beats(judged(metric=0.1, loss=2.0))
    assert not judged(metric=0.1).beats(judged(metric=0.1, loss=2.0))


def test_it_says_when_rows_are_learnt_by_heart() -> None:
    losses = [(0.0, 3.0), (2.0, 2.5), (1.5, 2.4), (0.9, 2.6), (0.5, 3.0)]
    points = [
        EpochPoint(epoch=i, train_loss=train, train_metric=0, valid_metric=0, is_best=i == 2, valid_loss=valid)
        for i, (train, valid) in enumerate(losses)
    ]
    (said,) = memorising(points)
    assert said.startswith("from epoch 3 on it overfits")
    assert said.endswith("epoch 2 was kept")
    assert memorising(points[:3]) == ()


@pytest.mark.parametrize(("patience", "points"), [(1, 3), (2, 4), (3, 5), (4, 8)])
def test_it_stops_after_patience_passes_without_a_rise(patience: int, points: int) -> None:
    _, found = scripted(0.5, 0.6, 0.6, 0.5, 0.55, 0.7, 0.1, 0.1, patience=patience)
    assert len(found) == points


def test_a_falling_loss_keeps_it_going_where_the_metric_says_nothing_yet() -> None:
    script = [(0.0, 9.0), (0.0, 8.0), (0.0, 7.0), (0.0, 6.0), (0.2, 6.5), (0.1, 6.6), (0.1, 6.7), (0.1, 6.8)]

    class WithLoss(Scripted):
        def judge(self) -> loop.ValidationScore:
            return dataclasses.replace(super().judge(), loss=script[self.judged - 1][1])

    lesson = WithLoss([metric for metric, _ in script])
    points = loop.train(lesson, TuneSpec(epochs=7, workers=1, patience=2), Kept(), quiet)
    assert [point.epoch for point in points] == [0, 1, 2, 3, 4, 5, 6], "two passes behind the best one"
    assert [point.epoch for point in points if point.is_best] == [4]


def test_d24_a_loss_that_is_no_number_ends_the_tuning_with_the_best_pass() -> None:

    class Diverging(Scripted):
        def loss(self, batch: Sequence[int]) -> tuple[torch.Tensor, int]:
            loss, right = super().loss(batch)
            return (loss * float("nan") if self.judged == 2 else loss), right

    lesson, kept = Diverging((0.5, 0.6)), Kept()
    points = loop.train(lesson, TuneSpec(epochs=9, workers=1), kept, quiet)
    assert [(point.epoch, point.is_best) for point in points] == [(0, False), (1, True)]
    assert points[0].train_loss is points[0].train_metric is None, "nothing was seen before the first step"
    assert all(point.train_loss is not None and np.isfinite(point.train_loss) for point in points[1:])
    assert float(lesson.weight.detach()) == lesson.seen[1]
    assert loop.train(Diverging((0.5, 0.6)), TuneSpec(epochs=9, workers=1), kept, quiet) == points


def test_the_rate_warms_up_and_falls_to_nearly_nothing() -> None:
    spec = TuneSpec(learning_rate=0.1, warmup=0.1)
    rates = [loop._rate(spec, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[9] == pytest.approx(0.1 * 0.91)
    assert all(a > b > 0 for a, b in itertools.pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.001)


def accuracy(targets: Sequence[str], answers: Sequence[str]) -> float:
    return metrics.share_right(targets, answers)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> encoder_tuning.EncoderTrainingData:
    """Thirty short rows over three labels, and a tiny encoder whose head knows little."""
    found = sentence_encoder.find(str(tiny_encoder.write(tmp_path_factory.mktemp("tiny"), "bert")))
    pick = np.random.default_rng(3)
    words = len(tiny_encoder.SPECIAL)
    topics = {"a": words, "b": words + 6, "c": words + 12}

    def rows(n: int) -> encoder_tuning.EncoderRows:
        targets = [str(label) for label in pick.choice(sorted(topics), n)]
        tokens = [[0, *(topics[t] + pick.integers(0, 6, pick.integers(1, 9))).tolist(), 2] for t in targets]
        return encoder_tuning.EncoderRows(tokens=tokens, targets=targets)

    train, valid = rows(30), rows(20)
    head = linear_head.solve(pick.normal(size=(30, found.hidden)).astype(np.float32), train.targets, 1.0)
    return encoder_tuning.EncoderTrainingData(sentence=found, head=head, train=train, valid=valid)


def tuned(
    data: encoder_tuning.EncoderTrainingData,
    spec: TuneSpec = SPEC,
    checkpoint: Kept | None = None,
    on_progress: Callable[[int, int], None] = quiet,
) -> encoder_tuning.TunedEncoder:
    return encoder_tuning.tune(data, spec, accuracy, checkpoint or Kept(), on_progress)


def assert_same(one: encoder_tuning.TunedEncoder, other: encoder_tuning.TunedEncoder) -> None:
    """Compare two results bit by bit."""
    assert one.points == other.points
    assert one.head.settings == other.head.settings
    assert one.head.weight.tobytes() == other.head.weight.tobytes()
    assert one.head.bias.tobytes() == other.head.bias.tobytes()
    assert one.weights.keys() == other.weights.keys()
    for name, array in one.weights.items():
        assert array.tobytes() == other.weights[name].tobytes(), name


@pytest.fixture(scope="module")
def whole(data: encoder_tuning.EncoderTrainingData) -> encoder_tuning.TunedEncoder:
    """An uninterrupted run."""
    return tuned(data)


def test_it_learns_and_says_so(whole: encoder_tuning.TunedEncoder) -> None:
    assert [point.epoch for point in whole.points] == [0, 1, 2, 3]
    assert sum(point.is_best for point in whole.points) == 1
    best = max(point.valid_metric for point in whole.points)
    assert best > whole.points[0].valid_metric
    assert next(point for point in whole.points if point.is_best).valid_metric == best
    first, third = whole.points[1].train_loss, whole.points[3].train_loss
    assert first is not None
    assert third is not None
    assert third < first


def test_it_is_deterministic(data: encoder_tuning.EncoderTrainingData, whole: encoder_tuning.TunedEncoder) -> None:
    assert_same(tuned(data), whole)


@pytest.mark.parametrize("step", [1, 4, 5, 12])
def test_a_run_that_was_stopped_at_a_step_goes_on_to_the_same_weights(
    step: int,
    data: encoder_tuning.EncoderTrainingData,
    whole: encoder_tuning.TunedEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    kept = Kept()

    def stop(done: int, _total: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(data, checkpoint=kept, on_progress=stop)
    assert (kept.state is None) == (step == 1), "every step but the last is safe"
    told: list[int] = []
    assert_same(tuned(data, checkpoint=kept, on_progress=lambda done, _total: told.append(done)), whole)
    assert told == list(range(step, 13)), "only what was lost is done again"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("save", [1, 5, 8, 15])
def test_a_run_that_died_while_saving_goes_on_to_the_same_weights(
    save: int,
    after: bool,
    data: encoder_tuning.EncoderTrainingData,
    whole: encoder_tuning.TunedEncoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    kept = Kept(fail_at=save, after=after)
    with pytest.raises(InterruptedError):
        tuned(data, checkpoint=kept)
    kept.fail_at = None
    assert_same(tuned(data, checkpoint=kept), whole)


def test_a_run_that_was_stopped_again_and_again_ends_the_same(
    data: encoder_tuning.EncoderTrainingData, whole: encoder_tuning.TunedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)
    kept = Kept()
    for _ in range(40):
        kept.saves, kept.fail_at, kept.after = 0, 2, True
        try:
            found = tuned(data, checkpoint=kept)
        except InterruptedError:
            continue
        assert_same(found, whole)
        return
    pytest.fail("it never ended")


def test_a_finished_run_asked_again_does_nothing_anew(
    data: encoder_tuning.EncoderTrainingData, whole: encoder_tuning.TunedEncoder
) -> None:
    kept = Kept()
    tuned(data, checkpoint=kept)
    told: list[int] = []
    assert_same(tuned(data, checkpoint=kept, on_progress=lambda done, _total: told.append(done)), whole)
    assert told == []


def test_parts_of_a_batch_give_the_gradient_of_the_whole(data: encoder_tuning.EncoderTrainingData) -> None:
    gradients = []
    for part in (32, 2):
        lesson = encoder_tuning._lesson(data, SPEC, accuracy)
        state = loop._State(1, 0, 0, 0.0, 0, 0, loop.ValidationScore(metric=0.0), 0, [])
        with ThreadPoolExecutor(1) as pool:
            loop._gradients(lesson, range(7), dataclasses.replace(SPEC, part=part), pool, state)
        gradients.append({name: tensor.grad.numpy().copy() for name, tensor in lesson.parameters().items()})
    for name, one in gradients[0].items():
        assert gradients[1][name] == pytest.approx(one, abs=1e-5), name


def test_two_workers_agree_with_one_but_for_rounding(data: encoder_tuning.EncoderTrainingData) -> None:
    import torch

    gradients = []
    for workers in (1, 2):
        lesson = encoder_tuning._lesson(data, SPEC, accuracy)
        for name, tensor in lesson.parameters().items():
            if "lora_B" in name:  # they start at zero, where their partners have no gradient
                torch.nn.init.constant_(tensor, 0.1)
        state = loop._State(1, 0, 0, 0.0, 0, 0, loop.ValidationScore(metric=0.0), 0, [])
        with ThreadPoolExecutor(workers) as pool:
            loop._gradients(lesson, range(7), dataclasses.replace(SPEC, workers=workers), pool, state)
        assert state.rows == 7
        gradients.append({name: tensor.grad.numpy().copy() for name, tensor in lesson.parameters().items()})
    for name, one in gradients[0].items():
        assert np.abs(one).max() > 0, name
        assert gradients[1][name] == pytest.approx(one, abs=1e-5), name


def test_only_the_upper_layers_change(
    data: encoder_tuning.EncoderTrainingData, whole: encoder_tuning.TunedEncoder
) -> None:
    before = data.sentence.weights()
    assert whole.weights.keys() == before.keys()
    changed = {name for name, array in whole.weights.items() if array.tobytes() != before[name].tobytes()}
    assert changed, "tuning changes something"
    assert all(name.startswith(("encoder.layer.2.", "encoder.layer.3.")) for name in changed)
    assert not any("LayerNorm" in name or name.endswith("bias") for name in changed), "LoRA goes into products only"


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "distilbert"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_merged_weights_answer_as_the_adapter_did(family: str, pooling: str, tmp_path: Path) -> None:
    """The graph over the merged weights, with the tuned head, gives the margins that the trained adapter gives."""
    from ockham.convert import onnx_graph
    from ockham.models.onnx_encoder import open_graph

    found = sentence_encoder.find(str(tiny_encoder.write(tmp_path, family, pooling=pooling)))
    settings = EncoderSettings(
        hidden=found.hidden, max_tokens=found.max_tokens, first_position=found.first_position, prefix=""
    )
    texts = [
        "parcel late",
        "where is my refund",
        "card paid twice twice",
        "pump broken",
        "milk",
        "the price is late",
    ] * 3
    targets = ["a", "b", "b", "c", "c", "a"] * 3
    plain = open_graph(
        onnx_graph.build(found, found.weights())[0], found.folder / "tokenizer.json", settings, threads=1
    )
    rows = encoder_tuning.EncoderRows(tokens=plain.tokens(texts), targets=targets)
    head = linear_head.calibrate_head(linear_head.solve(plain.embed(texts), targets, 0.1), plain.embed(texts), targets)
    data = encoder_tuning.EncoderTrainingData(sentence=found, head=head, train=rows, valid=rows)
    lesson = encoder_tuning._lesson(data, SPEC, accuracy)
    lesson.read()
    start = lesson.margins(rows)
    served = head.margins(plain.embed(texts)) / head.settings.temperature
    assert start == pytest.approx(served, abs=0.01), "it starts from the frozen solution (kept in half precision)"

    result = encoder_tuning.tune(data, SPEC, lambda t, a: -float(len(t)), Kept(), quiet)
    assert result.points[0].is_best
    lesson.body.lower_outputs.clear()
    loop.train(lesson, SPEC, Kept(), quiet)
    trained = lesson.margins(rows)
    weights = lesson.body.merge_adapter()
    graph = open_graph(onnx_graph.build(found, weights)[0], found.folder / "tokenizer.json", settings, threads=1)
    head_weight = lesson.head.weight.detach().numpy().T
    served = graph.embed(texts) @ head_weight + lesson.head.bias.detach().numpy()
    assert served == pytest.approx(trained, abs=2e-4)
    assert softmax.best(served, head.settings.labels) == softmax.best(trained, head.settings.labels)


def test_an_encoder_is_tuned_in_float32_however_it_is_stored(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    from ockham.tuning.lora_encoder import add_lora

    folder = tiny_encoder.write(tmp_path, "bert")
    narrow = {name: part.half() for name, part in load_file(folder / "model.safetensors").items()}
    save_file(narrow, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float16", "torch_dtype": "float16"}))
    body = add_lora(sentence_encoder.find(str(folder)), SPEC)
    every = [*body.lower.parameters(), *body.upper.parameters()]
    assert {part.dtype for part in every} == {torch.float32}


def test_guardrails_speak_only_where_there_is_a_risk() -> None:
    assert guardrails(TuneSpec(epochs=10), 1000) == ()
    few, many = guardrails(TuneSpec(epochs=11), 999)
    assert few.startswith("tuning on 999 training rows: under 1,000")
    assert many.startswith("up to 11 epochs: after about 10")
    assert guardrails(TuneSpec(epochs=3), 999) == (few,)


def test_an_early_stop_is_told_and_a_whole_tuning_is_not() -> None:
    def points(metrics: Sequence[float]) -> list[EpochPoint]:
        best = max(range(len(metrics)), key=lambda i: metrics[i])
        return [
            EpochPoint(epoch=i, train_loss=1.0, train_metric=0.5, valid_metric=value, is_best=i == best)
            for i, value in enumerate(metrics)
        ]

    spec = TuneSpec(epochs=9, patience=3)
    text = early_stop(points([0.5, 0.7, 0.6, 0.6, 0.6]), spec)
    assert text is not None
    assert text.startswith("tuning stopped early, after epoch 4 of 9: no gain on the validation rows for 3 epochs")
    assert text.endswith("epoch 1 is kept")
    assert early_stop(points([0.5, 0.6, 0.7]), TuneSpec(epochs=2)) is None
    assert early_stop(points([0.5, 0.6]), spec) is None, "it ended for another reason: a loss that is no number"
