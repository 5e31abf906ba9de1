"""A model that nobody named is prompted only where that takes minutes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ockham import catalog
from ockham.catalog import Device
from ockham.planning.speed import prefill_seconds, step_seconds
from ockham.records import Example
from ockham.rungs import prompting_time
from ockham.rungs.prompting_time import too_slow


def context(rows: int, *, every: bool = False) -> Any:
    """What is asked of a run: its rows by side, and whether every rung is wanted."""
    sides = {
        name: [Example(id=str(n), input="x" * 400, target="y" * 20) for n in range(rows)]
        for name in ("train", "valid", "test")
    }
    config = SimpleNamespace(every=every, device="cpu", task="generate", instructions="")
    return SimpleNamespace(side=sides.__getitem__, config=config)


SLOW = Device(
    name="slow",
    kind="cpu",
    memory_gb=8,
    bandwidth_gb_s=20,
    fp32_tflops=0.1,
    cores=1,
    date="2026-11-29",
    source="test",
)
SHAPE = catalog.find_architecture("SmolLM2-135M-Instruct")


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompting_time, "processor", lambda *_: SLOW)


def test_many_rows_are_too_many_and_few_are_not() -> None:
    reason = too_slow("SmolLM2-135M-Instruct", context(2000))
    assert reason is not None
    assert "4,000 validation and test rows" in reason
    assert "--models SmolLM2-135M-Instruct" in reason
    assert too_slow("SmolLM2-135M-Instruct", context(5)) is None


def test_small_models_unknown_ones_and_every_rung_are_not_held_back() -> None:
    assert too_slow("ockham-nano", context(2000)) is None
    assert too_slow("nobody-knows-this", context(2000)) is None
    assert too_slow("SmolLM2-135M-Instruct", context(2000, every=True)) is None


def labelled(labels: int) -> Any:
    """A run of short texts with so many labels."""
    rows = [Example(id=str(n), input="where is it", target=f"label number {n % labels}") for n in range(200)]
    config = SimpleNamespace(every=False, device="cpu", task="classify", instructions="")
    return SimpleNamespace(side=lambda _: rows, config=config)


def test_labels_cost_a_search_and_examples_cost_their_turns() -> None:
    def seconds(labels: int, shots: int) -> float:
        return prompting_time.answer_seconds(SHAPE, labelled(labels), shots, SLOW)

    step = step_seconds(SHAPE, "q8_0", 100, 1, SLOW, catalog.engine("cpu", encoders=False))
    assert seconds(20, 8) > seconds(1, 8) + 8 * step, "each token of a label is searched for with several requests"
    turns = 8 * (len('{"text": "where is it"}label number 10') / 4 + 2 * 5)
    alone = round(len('{"text": "where is it"}') / 4 + 5)
    engine = catalog.engine("cpu", encoders=False)
    reading = prefill_seconds(SHAPE, "q8_0", round(alone + turns), SLOW, engine)
    assert seconds(1, 8) == pytest.approx(reading, rel=0.1), "examples are read with all that stands around them"


def test_a_run_counts_every_answer_that_is_asked_for() -> None:
    none, some = (prompting_time.answer_seconds(SHAPE, labelled(20), shots, SLOW) for shots in (0, 8))
    judged = 200 * (none + some) + 200 * max(none, some)
    profiled = min(100 * max(none, some), 120)
    assert prompting_time.prompting_seconds(SHAPE, labelled(20)) == pytest.approx(judged + profiled)
