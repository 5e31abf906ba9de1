"""A climb killed at each of its stages, started again each time, ends as one that nobody disturbed.

K01 (reading), K03 (splitting), K09 (measuring), K10 (the report), K11 (the bundle), K13 (what the run is about); with
a language model K07 (merging).

How many kills there are is an option: ``scripts/test tests/e2e/test_fit_kill.py --kills 30``; those beyond the stages
come at moments that are drawn.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests import tiny_decoder
from tests.fork_server import ForkServer

from ockham.ladder import run_folder

CHILD = Path(__file__).with_name("fit_child.py")
TIMED = ("fit_seconds", "latency_ms", "throughput_per_s", "memory_mb", "cost_per_day")


def climb(server: ForkServer, request: dict[str, Any], *, kill: str = "") -> list[str]:
    """Climb, or let the process kill itself (SIGKILL) when it says a line that begins so; give all that it said."""
    return server.ask(json.dumps({**request, "kill": kill}))


def climb_until(server: ForkServer, request: dict[str, Any], lines: int, seconds: float) -> list[str]:
    """Climb, and kill the process so long after it has said so many lines; give what it said, to its end or not."""

    def heard(process: int, said: Sequence[str]) -> None:
        if len(said) == lines:
            time.sleep(seconds)
            with suppress(ProcessLookupError):  # it may have come to its end meanwhile
                os.kill(process, signal.SIGKILL)

    return server.ask(json.dumps({**request, "kill": ""}), heard)


def data(folder: Path, rows: int) -> Path:
    draw = random.Random(3)
    words = {label: ["".join(draw.choices("abcdefgh", k=5)) for _ in range(40)] for label in "ab"}
    lines = [f"{' '.join(draw.choices(words[label], k=6))},{label}\n" for label in "ab" * (rows // 2)]
    path = folder / "data.csv"
    path.write_text("text,label\n" + "".join(lines))
    return path


def outcome(said: Sequence[str], run: Path) -> tuple[Any, ...]:
    """Take what a climb has found, without what differs from one measuring to the next."""
    assert said[-1].startswith("verdict "), said[-3:]
    verdict = json.loads(said[-1].removeprefix("verdict "))
    verdict["next"] = verdict["next"].replace(verdict.pop("run"), "RUN")
    for line in verdict["candidates"]:
        for name in TIMED:
            del line[name]
    answers = [
        (report.candidate, report.side, report.metrics, report.scores) for report in run_folder.load_result(run).reports
    ]
    files = [*(run / "bundle").rglob("*"), *(run / "artifacts" / "bundle").rglob("*"), run / "run.json"]
    digests = {
        path.relative_to(run).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }
    assert len(digests) > 3
    return verdict, answers, digests, (run / "test_evaluations.jsonl").read_bytes()


def left_behind(run: Path) -> list[Path]:
    return [*run.glob("staging/*"), *(path for path in run.rglob("*") if path.name.startswith((".tmp-", ".swap-")))]


def kill_at_each(stages: Sequence[str], server: ForkServer, request: dict[str, Any], run: Path, expected: Any) -> None:
    """Kill one climb in one folder at each stage in turn, and let it end."""
    for stage in stages:
        said = climb(server, {**request, "out": str(run)}, kill=stage)
        assert said[-1].startswith(stage), f"{stage} did not come: {said[-3:]}"
    said = climb(server, {**request, "out": str(run)})
    assert outcome(said, run) == expected
    assert left_behind(run) == []


def kill_at_random(
    kills: int, server: ForkServer, request: dict[str, Any], folder: Path, lines: int, expected: Any
) -> None:
    """Kill climbs at moments that are drawn, one to eight times in one folder, and let each end."""
    draw, runs = random.Random(15), 0
    while kills > 0:
        run, runs = folder / f"run-{runs}", runs + 1
        for _ in range(min(kills, draw.randint(1, 8))):
            said = climb_until(server, {**request, "out": str(run)}, draw.randint(1, lines), draw.uniform(0, 0.05))
            if said[-1].startswith("verdict "):
                break
            kills -= 1
        assert outcome(climb(server, {**request, "out": str(run)}), run) == expected
        assert left_behind(run) == []


@pytest.mark.slow
def test_k01_k03_k09_k10_k11_k13_a_fit_killed_at_every_stage_ends_the_same(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rungs = ["constant", "lookup"]
    asked = {"data": str(data(tmp_path, 160)), "rungs": rungs, "models": [], "epochs": None}
    with ForkServer(CHILD) as server:
        whole = tmp_path / "whole"
        said = climb(server, {**asked, "out": str(whole)})
        expected = outcome(said, whole)
        for early in ("read: ", "split: "):
            climb(server, {**asked, "out": str(tmp_path / "run")}, kill=early)
            assert not (tmp_path / "run").exists(), "nothing is on the disk before the data are split"
        stages = ["measure: measuring lookup", "append test_evaluations", "measure: opening the test set for lookup"]
        stages += ["publish report.html", "publish facts.json", "publish_folder bundle", "publish verdict.json"]
        kill_at_each(stages, server, asked, tmp_path / "run", expected)
        early_and_late = 2 + len(stages)
        kill_at_random(request.config.getoption("kills") - early_and_late, server, asked, tmp_path, len(said), expected)


@pytest.mark.tune
@pytest.mark.slow
def test_k07_a_fit_killed_while_an_adapter_is_merged_ends_the_same(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    model = tiny_decoder.llama(tmp_path / "tiny")
    rungs = ["constant", "decoder-tuned"]
    asked = {"data": str(data(tmp_path, 80)), "rungs": rungs, "models": [str(model)], "epochs": 1}
    with ForkServer(CHILD, "models") as server:
        expected = outcome(climb(server, {**asked, "out": str(tmp_path / "whole")}), tmp_path / "whole")
        run, stage = tmp_path / "run", "merge: half is written"
        assert climb(server, {**asked, "out": str(run)}, kill=stage)[-1] == stage
        assert [*run.glob("staging/*")], "it was killed in the middle"
        assert not (run / "bundle").exists()
        assert outcome(climb(server, {**asked, "out": str(run)}), run) == expected
        assert left_behind(run) == []
