"""The precision of tuning: measured, settled once a run, and told wherever the run is told about."""

from __future__ import annotations

import dataclasses
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from tests import sample_account

from ockham import machine, store
from ockham.data.prepare import prepare
from ockham.data.split import SplitSpec
from ockham.errors import RunError
from ockham.ladder import fit, run_folder
from ockham.ladder.fit import FitSpec
from ockham.readers.read import ReadSpec
from ockham.records import Precision, TunedIn
from ockham.reporting import render
from ockham.rungs import decoder_4bit, decoder_rungs
from ockham.rungs.rung import BuildConfig, RunContext, cache_key
from ockham.tuning import precision
from ockham.tuning.tune_spec import TuneSpec

DRAW = random.Random(6)
ROWS = [{"text": f"{''.join(DRAW.choices('abcdefghijklmnop', k=20))} {i}", "label": "ab"[i % 2]} for i in range(100)]


def scripted(*ratios: float) -> tuple[Callable[[Precision], float], list[Precision]]:
    """Give a timer by which bfloat16 takes a second and float32 so many, round after round; and what was asked."""
    asked: list[Precision] = []
    left = iter((99.0, *ratios))

    def seconds(which: Precision) -> float:
        asked.append(which)
        return next(left) if which == "float32" else 1.0

    return seconds, asked


def test_both_precisions_take_turns_and_the_median_counts() -> None:
    seconds, asked = scripted(1.0, 9.0, 2.0, 3.0, 0.5)
    assert precision.measure_speedup(seconds) == 2.0, "neither the mean nor what the first pass of all took"
    assert asked == ["float32", "bfloat16"] * 6


def test_what_is_hopeless_is_not_measured_again() -> None:
    seconds, asked = scripted(0.2)
    assert precision.measure_speedup(seconds) == 0.2
    assert asked == ["float32", "bfloat16"] * 2


@pytest.mark.parametrize(
    ("speedup", "wanted"), [(0.05, "float32"), (1.0, "float32"), (1.2, "float32"), (1.3, "bfloat16")]
)
def test_sixteen_bits_are_taken_where_they_pay_for_what_they_give_up(speedup: float, wanted: Precision) -> None:
    assert precision.faster(speedup) == wanted


@pytest.mark.tune
def test_the_timer_computes_in_the_precision_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    seen: list[tuple[torch.dtype, int]] = []
    linear = torch.nn.functional.linear

    def watched(given: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        seen.append((weight.dtype, torch.get_num_threads()))
        return linear(given, weight)

    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    ticks = iter(range(9))
    threads = torch.get_num_threads()
    seconds = precision.step_timer("cpu", lambda: float(next(ticks)))
    for which in get_args(Precision):
        seen.clear()
        assert seconds(which) == 1.0
        assert seen == [(torch.float32, 1), (torch.float32, 1), (precision.torch_dtype(which), 1)]
    assert torch.get_num_threads() == threads


@pytest.mark.tune
def test_a_processors_own_time_counts_so_that_other_programs_do_not_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10))
    monkeypatch.setattr(time, "process_time", lambda: float(next(ticks)))
    monkeypatch.setattr(time, "perf_counter", lambda: pytest.fail("the wall's clock runs for other programs too"))
    assert precision.step_timer("cpu")("float32") == 1.0


def test_a_run_goes_on_in_the_precision_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun where bfloat16 is faster, gone on where it is not; the other way round; and asked for either way."""
    pretend(monkeypatch, "new", 3.0)
    with store.open_run(tmp_path / "a", {}) as run:
        assert decoder_rungs.tuned_in(run) is None
        assert decoder_rungs.settle_precision("auto", "cpu", run) == "bfloat16"
    pretend(monkeypatch, "old", 0.1)
    with store.open_run(tmp_path / "a", {}) as run:
        assert decoder_rungs.settle_precision("auto", "cpu", run) == "bfloat16"
        assert decoder_rungs.tuned_in(run) == TunedIn(
            precision="bfloat16", is_requested=False, processor="new", speedup=3.0
        )
    with store.open_run(tmp_path / "b", {}) as run:
        assert decoder_rungs.settle_precision("auto", "cpu", run) == "float32"
    pretend(monkeypatch, "new", 3.0)
    with store.open_run(tmp_path / "b", {}) as run:
        assert decoder_rungs.settle_precision("auto", "cpu", run) == "float32"

    def never(_seconds: object) -> float:
        raise AssertionError

    monkeypatch.setattr(precision, "measure_speedup", never)
    for asked in get_args(Precision):
        with store.open_run(tmp_path / asked, {}) as run:
            assert decoder_rungs.settle_precision(asked, "cpu", run) == asked
            assert decoder_rungs.tuned_in(run) == TunedIn(precision=asked, is_requested=True, processor="new")


@pytest.mark.tune
def test_where_the_record_is_lost_what_was_built_is_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged record is measured anew, perhaps with another outcome: nothing of the other precision is used."""
    pretend(monkeypatch, "new", 3.0)
    prepared = prepare(
        ROWS,
        ReadSpec(inputs=("text",), target="label"),
        SplitSpec(),
        test=None,
        task_name="classify",
        on_progress=lambda _: None,
    )
    plan = BuildConfig(task="classify", metric="accuracy", seed=0, encoder=None, tune=TuneSpec(), endpoint=None)
    (tmp_path / "small").mkdir()
    tuned = next(rung for rung in decoder_rungs.rungs([str(tmp_path / "small")]) if rung.name == "decoder-tuned:small")
    keys = set()
    with store.open_run(tmp_path / "run", {}) as run:
        for speedup in (3.0, 0.1):
            pretend(monkeypatch, "any", speedup)
            settled = dataclasses.replace(plan, precision=decoder_rungs.settle_precision("auto", "cpu", run))
            context = RunContext(prepared, settled, run, lambda _: None)
            keys |= {cache_key(context, tuned), decoder_4bit._tuned_weights(tmp_path / "small", context)}
            (record,) = (run.path / "records" / "precision").iterdir()
            record.write_bytes(b"damaged")
        assert run.rebuilt == 1
    assert len(keys) == 4


def test_the_precision_that_is_asked_for_is_part_of_what_a_run_is_about(tmp_path: Path) -> None:
    def begin(spec: FitSpec) -> None:
        fit.fit(ROWS, dataclasses.replace(spec, rungs=("constant",), target="label"), out=tmp_path / "run")

    begin(FitSpec())
    begin(FitSpec())
    assert store.identity_of(tmp_path / "run")["precision"] == "auto"
    with pytest.raises(RunError, match='precision was "auto", now "float32"'):
        begin(FitSpec(precision="float32"))


def test_without_a_model_to_tune_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Precision:
        raise AssertionError

    monkeypatch.setattr(decoder_rungs, "settle_precision", never)
    fit.fit(ROWS, FitSpec(rungs=("constant", "linear"), target="label"), out=tmp_path / "run")
    assert run_folder.load_result(tmp_path / "run").tuned_in is None


def test_the_report_tells_the_precision_and_why() -> None:
    account = sample_account.sample_account()
    assert "Precision of tuning" not in render(dataclasses.replace(account, tuned_in=None))
    found = TunedIn(precision="bfloat16", is_requested=False, processor="Xeon 9", speedup=2.34)
    said = "language models were tuned in bfloat16: where the run began (Xeon 9), bfloat16 was 2.3 times as fast"
    assert said in render(dataclasses.replace(account, tuned_in=found))
    asked = TunedIn(precision="float32", is_requested=True, processor="Xeon 9")
    said = "language models were tuned in float32, as requested"
    assert said in render(dataclasses.replace(account, tuned_in=asked))
    assert json.loads(store.encode(dataclasses.replace(account, tuned_in=found)))["tuned_in"]["precision"] == "bfloat16"


def pretend(monkeypatch: pytest.MonkeyPatch, processor: str, speedup: float) -> None:
    """Let this machine be another one, on which bfloat16 is so many times as fast as float32."""
    monkeypatch.setattr(machine, "processor", lambda: processor)
    monkeypatch.setattr(precision, "measure_speedup", lambda _seconds: speedup)
