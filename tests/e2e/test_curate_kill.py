"""K02: `ockham curate` killed for good at many moments ends, when it is called again, with the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the extra curate is not installed")

CHILD = """
import os, sys
from ockham.cli import output
from ockham.curation.curate_spec import CurateSpec
from ockham.curation.curate import curate
from ockham.store import Run

def on_progress(progress):
    print(progress.stage, progress.done, flush=True)

def publish(run, name, data, before=Run.publish):
    print("publish", name, flush=True)
    return before(run, name, data)

def work(source, out, tell):
    spec = CurateSpec(steps=("html", "characters", "personal", "exact", "near"), personal="redact", shard_mb=1)
    return curate(source, spec, out=out, chunk_mb=1, on_progress=tell).report

source, first_rows, first_out = sys.argv[1:]
work(first_rows, first_out, None)  # so that all that are forked have the kernels
Run.publish = publish
for line in sys.stdin:
    forked = os.fork()
    if not forked:
        print("process", os.getpid(), flush=True)
        output.record(work(source, line.strip(), on_progress))
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(forked, 0)
    print("end", flush=True)
"""


class Server:
    """A process that forks a curation for each request, which spares the loading of libraries and kernels."""

    def __init__(self, source: Path, folder: Path) -> None:
        (folder / "few.jsonl").write_text('{"text": "one row"}\n{"text": "another one <b>x</b>"}\n', encoding="utf-8")
        files = (source, folder / "few.jsonl", folder / "few")
        words = [sys.executable, "-W", "ignore", "-c", CHILD, *map(str, files)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def curate(self, out: Path, *, kill: int = 0) -> list[str]:
        """Curate, or let the process be killed (SIGKILL) behind the line of that number; give all that it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{out}\n")
        self.process.stdin.flush()
        process = int(self.process.stdout.readline().removeprefix("process "))
        said: list[str] = []
        for line in self.process.stdout:
            if line == "end\n":
                return said
            said.append(line.strip())
            if len(said) == kill:
                os.kill(process, signal.SIGKILL)
        raise AssertionError("the server has ended")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


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
    with closing(Server(corpus(tmp_path / "a.jsonl"), tmp_path)) as server:
        whole = server.curate(tmp_path / "whole")
        report, said = whole[-1], len(whole)
        wanted = content(tmp_path / "whole")
        assert len([name for name in wanted if name.startswith("clean/")]) >= 2
        assert said > 8
        kills = 0
        for line in [*range(2, said - 3, max(1, said // 6)), said - 2, said - 1]:
            kills += server.curate(tmp_path / "out", kill=line)[-1] != report
        resumed = server.curate(tmp_path / "out")
    assert kills >= 3
    assert list(json.loads(report)["left_out"]) != sorted(json.loads(report)["left_out"])
    assert resumed[-1] == report
    assert content(tmp_path / "out") == wanted
    left = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".tmp-")]
    assert left == []
    assert not (tmp_path / "out/artifacts/chunk").exists()
