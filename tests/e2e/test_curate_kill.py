"""K02: `ockham curate` killed for good at many moments ends, when it is called again, with the same bytes.

How many kills there are is an option: ``scripts/test tests/e2e/test_curate_kill.py --kills 30``; those beyond the first
folder's come at moments that are drawn.
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

import pytest
from tests.fork_server import ForkServer

pytest.importorskip("numba", reason="the extra curate is not installed")

CHILD = Path(__file__).with_name("curate_child.py")


def corpus(path: Path) -> Path:
    rng = random.Random(2)
    vocabulary = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(5_000)]
    texts: list[str] = []
    for number in range(1_500):
        if number % 5 == 4:
            words = rng.choice(texts).split()
            words[rng.randrange(len(words))] = "changed"
        else:
            words = rng.choices(vocabulary, k=rng.randint(50, 400))
        texts.append(" ".join(words))
    texts += [text.upper() for text in texts[:9]] + [f"<p>{text}</p> a@b.org" for text in texts[:7]] + texts[:3]
    texts += ["zero\u200bwidth", ""]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return path


def content(folder: Path) -> dict[str, str]:
    files = [*folder.glob("clean/*"), *folder.glob("quarantine/*"), folder / "report.json", folder / "report.html"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def left_behind(folder: Path) -> list[Path]:
    temporary = [path for path in folder.rglob("*") if path.name.startswith(".tmp-")]
    return [*temporary, *folder.glob("artifacts/chunk")]


def kill_at_random(
    kills: int, server: ForkServer, folder: Path, lines: int, report: str, wanted: dict[str, str]
) -> None:
    """Kill curations at moments that are drawn, one to eight times in one folder, and let each end."""
    draw, runs = random.Random(15), 0
    while kills > 0:
        out, runs = folder / f"out-{runs}", runs + 1
        for _ in range(min(kills, draw.randint(1, 8))):
            line, seconds = draw.randint(1, lines), draw.uniform(0, 0.05)

            def heard(process: int, said: Sequence[str], line: int = line, seconds: float = seconds) -> None:
                if len(said) == line:
                    time.sleep(seconds)
                    with suppress(ProcessLookupError):  # it may have come to its end meanwhile
                        os.kill(process, signal.SIGKILL)

            if server.ask(str(out), heard)[-1] == report:
                break
            kills -= 1
        assert server.ask(str(out))[-1] == report
        assert content(out) == wanted
        assert left_behind(out) == []


@pytest.mark.slow
def test_K02_killed_at_many_moments(  # noqa: N802 - the name carries the fault's ID
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source, small, out = corpus(tmp_path / "a.jsonl"), tmp_path / "small.jsonl", str(tmp_path / "out")
    small.write_text('{"text": "one row"}\n{"text": "<b>another</b> one"}\n', encoding="utf-8")
    with ForkServer(CHILD, source, small, tmp_path / "small") as server:
        whole = server.ask(str(tmp_path / "whole"))
        report, said = whole[-1], len(whole)
        wanted = content(tmp_path / "whole")
        assert len([name for name in wanted if name.startswith("clean/")]) >= 2
        assert said > 8
        kills = 0
        for line in [*range(2, said - 3, max(1, said // 6)), said - 2, said - 1]:

            def heard(process: int, lines: Sequence[str], line: int = line) -> None:
                if len(lines) == line:
                    os.kill(process, signal.SIGKILL)

            kills += server.ask(out, heard)[-1] != report
        resumed = server.ask(out)
        kill_at_random(request.config.getoption("kills") - kills, server, tmp_path, said, report, wanted)
    assert kills >= 3
    assert list(json.loads(report)["left_out"]) != sorted(json.loads(report)["left_out"])
    assert resumed[-1] == report
    assert content(tmp_path / "out") == wanted
    assert left_behind(tmp_path / "out") == []
