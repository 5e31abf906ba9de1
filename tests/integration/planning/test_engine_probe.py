"""The engine is timed on a small model of random weights, in a process of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from ockham.planning import engine_probe

pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")
gguf = pytest.importorskip("gguf", reason="the extra gguf is not installed")


@pytest.fixture(autouse=True)
def with_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_probe, "_PACKAGES", ("gguf", "xllamacpp"))  # which tests do without elsewhere


def test_the_engine_reads_a_prompt_in_a_process_of_its_own() -> None:
    seconds = engine_probe.read_seconds(1)
    assert seconds is not None
    assert 0 < seconds < 30


def test_what_is_read_has_the_shape_that_is_predicted(tmp_path: Path) -> None:
    reader = gguf.GGUFReader(engine_probe.write(tmp_path / "probe.gguf"))
    model = engine_probe.shape()
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors if len(tensor.shape) == 2)
    assert weights == model.matrices + model.table


def test_nothing_is_known_where_the_engine_is_absent_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert engine_probe.read_seconds(1) is None
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert engine_probe.read_seconds(1) is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert engine_probe.read_seconds(1) is None
