"""Whose signals a Ray cluster leaves alone, and one that does not answer (tests/e2e/test_ray_kill.py has the rest)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the extra curate is not installed")
pytest.importorskip("ray", reason="the extra ray is not installed")

from ockham.curation.curate import CurateSpec, RayCluster, curate
from ockham.curation.executors import open_executor
from ockham.errors import ConfigError


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "a b c"}\n')
    with pytest.raises(ConfigError, match="no Ray cluster answers"):
        curate(source, CurateSpec(steps=("exact",)), out=tmp_path / "out", workers=RayCluster(address="127.0.0.1:1"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_k19_ray_leaves_sigterm_to_the_command() -> None:
    def stop(*_: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with open_executor(RayCluster(tasks=1)):
            assert signal.getsignal(signal.SIGTERM) is stop
    finally:
        signal.signal(signal.SIGTERM, before)
