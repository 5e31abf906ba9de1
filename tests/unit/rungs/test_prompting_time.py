"""A model that nobody named is prompted only where that takes minutes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ockham.catalog import Device
from ockham.records import Example
from ockham.rungs import prompting_time
from ockham.rungs.prompting_time import too_slow


def context(rows: int, *, every: bool = False) -> Any:
    """What is asked of a run: its rows by side, and whether every rung is wanted."""
    sides = {
        name: [Example(id=str(n), input="x" * 400, target="y" * 20) for n in range(rows)]
        for name in ("train", "valid", "test")
    }
    return SimpleNamespace(side=sides.__getitem__, config=SimpleNamespace(every=every, device="cpu"))


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device(
        name="slow",
        kind="cpu",
        memory_gb=8,
        bandwidth_gb_s=20,
        fp32_tflops=0.1,
        cores=1,
        date="2026-11-29",
        source="test",
    )
    monkeypatch.setattr(prompting_time, "processor", lambda *_: device)


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
