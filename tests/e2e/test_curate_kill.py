"""K02: `ockham curate` killed for good at many moments ends, when it is called again, with the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.fork_server import ForkServer

pytest.importorskip("numba", reason="the extra curate is not installed")

CHILD = Path(__file__).with_name("curate_child.py")


def corpus(path: Path) -> Path:
    rng = random.Random(2)
    vocabulary = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(5_000)]
    texts: list[str] = []
    for number in range(2_500):
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


@pytest.mark.slow
def test_K02_killed_at_many_moments(tmp_path: Path) -> None:  # noqa: N802 - the name carries the fault's ID
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
    assert kills >= 3
    assert list(json.loads(report)["left_out"]) != sorted(json.loads(report)["left_out"])
    assert resumed[-1] == report
    assert content(tmp_path / "out") == wanted
    left = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".tmp-")]
    assert left == []
    assert not (tmp_path / "out/artifacts/chunk").exists()
