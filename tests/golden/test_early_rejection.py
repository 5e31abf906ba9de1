"""Whether tuning is worth it: the pace of a first batch, what a first part has taught, and the rule over both."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import torch
from tests import tiny_decoder
from tests.two_labels import prepare_two_labels
from transformers import AutoModelForCausalLM

from ockham import store
from ockham.errors import ModelError
from ockham.records import Precision, Progress
from ockham.rungs import early_rejection
from ockham.rungs.early_rejection import PilotRun
from ockham.rungs.rung import BuildConfig, RunContext
from ockham.tuning import decoder_tuning
from ockham.tuning.decoder_tuning import DecoderRow
from ockham.tuning.tune_spec import TuneSpec

pytestmark = pytest.mark.tune


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_decoder.llama(tmp_path_factory.mktemp("base") / "small")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[RunContext]:
    """100 rows of two labels; no tuning takes longer than a moment."""
    told: list[Progress] = []
    prepared = prepare_two_labels(told.append)
    plan = BuildConfig(
        task="classify",
        metric="accuracy",
        seed=0,
        encoder=None,
        tune=TuneSpec(epochs=4, batch=8, rank=2),
        endpoint=None,
        learning_rate=0.01,
    )
    with store.open_run(tmp_path / "run", {"dataset": "x"}) as run:
        yield RunContext(prepared, plan, run, told.append)


def some(count: int, seed: int) -> list[DecoderRow]:
    draw = random.Random(seed)
    return [
        DecoderRow(
            question=tuple(draw.randrange(10, 300) for _ in range(12)), answer=(*(draw.sample(range(10, 300), 3)), 2)
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("precision", get_args(Precision))
def test_a_first_part_learns_and_tells_the_nats_of_each_answer(folder: Path, precision: Precision) -> None:
    train, valid = some(24, 1), some(5, 2)
    ticks = iter(range(1_000))
    heard: list[float] = []
    context = decoder_tuning.DecoderTrainingData(
        folder=folder, train=train, valid=valid, judge=lambda _: 0.0, precision=precision, rate=1e-9
    )

    def enough(pace: float) -> bool:
        heard.append(pace)
        return False

    found = decoder_tuning.begin(context, TuneSpec(batch=8), lambda: float(next(ticks)), enough)
    assert heard == [1 / 8], "a tick for the first step of eight rows"
    assert found.seconds == 3 / 24, "three steps, a tick each, for 24 rows"
    # With hardly any step the model is the one it was: another implementation's log-probabilities, in 32 bits. In 16
    # bits (rounding by 2**-9) the logits, of some 10, are off by .02 and the two layers below add as much: .05 nats a
    # token, of which an answer has four.
    relative, absolute = (1e-4, None) if precision == "float32" else (None, 0.2)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for row, nats in zip(valid, found.nats, strict=True):
        with torch.no_grad():
            scores = model(torch.tensor([[*row.question, *row.answer]])).logits[0].log_softmax(-1)
        places = range(len(row.question) - 1, len(row.question) + len(row.answer) - 1)
        wanted = -sum(float(scores[place, token]) for place, token in zip(places, row.answer, strict=True))
        assert nats == pytest.approx(wanted, rel=relative, abs=absolute)
    learnt = decoder_tuning.begin(
        dataclasses.replace(context, valid=train[:5], rate=0.01),
        TuneSpec(batch=8),
        lambda: 0.0,
        lambda _: False,
    )
    plain = decoder_tuning.begin(
        dataclasses.replace(context, valid=train[:5]),
        TuneSpec(batch=8),
        lambda: 0.0,
        lambda _: False,
    )
    assert sum(learnt.nats) < sum(plain.nats), "three steps on the rows themselves"


def test_a_pace_that_is_enough_ends_it(folder: Path) -> None:
    ticks = iter(range(1_000))
    context = decoder_tuning.DecoderTrainingData(
        folder=folder, train=some(24, 1), valid=some(2, 2), judge=lambda _: 0.0, precision="float32", rate=0.01
    )
    found = decoder_tuning.begin(context, TuneSpec(batch=8), lambda: float(next(ticks)), lambda _: True)
    assert (found.seconds, found.nats) == (1 / 8, ())


def known(monkeypatch: pytest.MonkeyPatch, found: dict[str, PilotRun | None], sizes: dict[str, int]) -> None:
    """Let first parts have shown something; ``None`` fails."""

    def first_part(model: str, _context: RunContext, *, alone: bool) -> PilotRun:
        first = found[model]
        if first is None:
            raise ModelError("E_MODEL_FORMAT", "no", fix="no")
        assert alone == (len(found) == 1)
        return first

    monkeypatch.setattr(early_rejection, "first_part", first_part)
    monkeypatch.setattr(early_rejection, "find_model", Path)
    monkeypatch.setattr(early_rejection, "weight_bytes", lambda place: sizes[str(place)])


def first(level: float, *, seconds: float = 0.001, noise: float = 0.1, seed: int = 0) -> PilotRun:
    draw = random.Random(seed)
    return PilotRun(seconds=seconds, rows=50, nats={str(n): level + draw.gauss(0, noise) for n in range(30)})


def test_a_model_is_left_out_where_one_no_larger_has_learnt_more(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(monkeypatch, {"s": first(3.0), "m": first(5.0, seed=1), "l": first(2.0)}, {"s": 1, "m": 2, "l": 3})
    assert early_rejection.reject_early("s", ["m", "l"], context) is None
    why = early_rejection.reject_early("m", ["s", "l"], context)
    assert why is not None
    assert why.startswith("after the same first 50 rows it needs 2 nats more (")
    assert why.endswith("n = 30) for a validation answer than s, which is no larger (--all tunes it)")
    assert early_rejection.reject_early("l", ["s", "m"], context) is None, "the larger one has learnt more than both"


def test_chance_and_larger_models_leave_nobody_out(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, {"s": first(3.0, noise=2), "m": first(3.1, noise=2, seed=1)}, {"s": 1, "m": 2})
    assert early_rejection.reject_early("m", ["s"], context) is None, "a tenth of a nat is within chance"
    known(monkeypatch, {"s": first(9.0), "m": first(3.0)}, {"s": 1, "m": 2})
    assert early_rejection.reject_early("s", ["m"], context) is None, "the smaller one is what is looked for"
    known(monkeypatch, {"s": None, "m": first(3.0)}, {"s": 1, "m": 2})
    assert early_rejection.reject_early("m", ["s"], context) is None, "a model that cannot be tried proves nothing"


def test_what_would_take_days_is_left_out_with_its_pace(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = len(context.side("train"))
    slow = 13 * 3600 / (rows * 4)
    known(monkeypatch, {"s": PilotRun(seconds=slow, rows=8, nats={})}, {"s": 10**9})
    said = (
        f"tuning it would take about 13 hours here ({slow:.0f} s per row, {rows} rows, up to 4 epochs; --all tunes it)"
    )
    assert early_rejection.reject_early("s", [], context) == said
    known(monkeypatch, {"s": PilotRun(seconds=slow * 11 / 13, rows=8, nats={})}, {"s": 10**9})
    assert early_rejection.reject_early("s", [], context) is None


def test_what_no_machine_needs_hours_for_is_not_tried(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, {"s": None}, {"s": 10**6})
    assert early_rejection.reject_early("s", [], context) is None
    monkeypatch.setattr(early_rejection, "weight_bytes", lambda _: 10**9)
    with pytest.raises(ModelError):
        early_rejection.reject_early("s", [], context)


def test_who_wants_every_rung_gets_it(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch, {}, {})
    every = dataclasses.replace(context, config=dataclasses.replace(context.config, every=True))
    assert early_rejection.reject_early("s", ["m"], every) is None


@pytest.mark.parametrize("alone", [True, False])
def test_a_first_part_is_tried_once_a_run(
    alone: bool, folder: Path, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []
    begin = decoder_tuning.begin

    def counted(
        given: decoder_tuning.DecoderTrainingData,
        spec: TuneSpec,
        clock: Callable[[], float],
        enough: Callable[[float], bool],
    ) -> decoder_tuning.TuningProbe:
        begun.append(len(given.train))
        return begin(given, spec, clock, enough)

    monkeypatch.setattr(decoder_tuning, "begin", counted)
    found = early_rejection.first_part(str(folder), context, alone=alone)
    assert found.seconds > 0
    assert early_rejection.first_part(str(folder), context, alone=alone) == found
    rows = len(context.side("train"))
    assert len(begun) == 1
    assert begun[0] <= rows // 2, "a first part"
    heard = {row.id for row in context.side("valid")}
    assert (set(found.nats) == set()) if alone else (set(found.nats) <= heard and len(found.nats) > 5)
