"""A Ray cluster curates to the bytes of one process, also where one of its own is killed, and leaves signals alone."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the extra curate is not installed")
pytest.importorskip("ray", reason="the extra ray is not installed")

from ockham.curation import map_stage
from ockham.curation.curate import CurateSpec, RayCluster, curate
from ockham.curation.executors import open_executor
from ockham.errors import ConfigError
from ockham.records import Progress

SPEC = CurateSpec(steps=("encoding", "personal", "language", "exact", "near"), personal="redact", shard_mb=1)


def corpus(path: Path) -> Path:
    rng = random.Random(5)
    vocabulary = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(4_000)]
    texts: list[str] = []
    for number in range(1_600):
        words = rng.choice(texts).split() if number % 4 == 3 else rng.choices(vocabulary, k=rng.randint(20, 150))
        words[rng.randrange(len(words))] = "me@example.org"
        texts.append(" ".join(words))
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def content(folder: Path) -> dict[str, bytes]:
    kept = [*folder.glob("clean/*"), *folder.glob("quarantine/*"), *folder.glob("report.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(kept)}


def tasks_of(parent: int) -> list[int]:
    """Give the processes below one that Ray has named by what they run."""
    parents: dict[int, int] = {}
    named: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
            if command.startswith(b"ray::_call"):
                named.append(int(entry.name))

    def below(process: int) -> bool:
        while process in parents and process != parent:
            process = parents[process]
        return process == parent

    return [one for one in named if below(one)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc")
def test_two_workers_of_which_one_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = corpus(tmp_path / "a.jsonl")
    before = map_stage._batches
    monkeypatch.setattr(map_stage, "_batches", lambda number, file, plan, most: before(number, file, plan, 40_000))
    whole = curate(source, SPEC, out=tmp_path / "here")
    assert whole.report.left_out["near_duplicate"] > 150
    killed: list[int] = []

    def kill(progress: Progress) -> None:
        if progress.stage == "examine" and not killed:
            end = time.monotonic() + 5
            while not killed and time.monotonic() < end:  # between two tasks none bears its name
                for process in tasks_of(os.getpid())[:1]:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)

    curate(source, SPEC, out=tmp_path / "there", workers=RayCluster(tasks=2), on_progress=kill)
    assert len(killed) == 1
    assert content(tmp_path / "there") == content(tmp_path / "here")


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
