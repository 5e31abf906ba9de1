"""K02: `ockham curate` killed for good at many moments ends, when it is called again, with the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the extra curate is not installed")

CHILD = """
import sys
from ockham.cli import output
from ockham.curation.curate_spec import CurateSpec
from ockham.curation.curate import curate
from ockham.store import Run

def on_progress(progress):
    print(progress.stage, progress.done, flush=True)

def publish(run, name, data, before=Run.publish):
    print("publish", name, flush=True)
    return before(run, name, data)

Run.publish = publish
spec = CurateSpec(steps=("html", "characters", "personal", "exact", "near"), personal="redact", shard_mb=1)
output.record(curate(sys.argv[1], spec, out=sys.argv[2], chunk_mb=1, on_progress=on_progress).report)
"""


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
    source = corpus(tmp_path / "a.jsonl")
    command = [sys.executable, "-c", CHILD, str(source)]
    done = subprocess.run([*command, tmp_path / "whole"], capture_output=True, check=True, text=True)
    said = len(done.stdout.splitlines())
    wanted = content(tmp_path / "whole")
    assert len([name for name in wanted if name.startswith("clean/")]) >= 2
    assert said > 8
    kills = 0
    for line in [*range(2, said - 3, max(1, said // 6)), said - 2, said - 1]:
        with subprocess.Popen([*command, tmp_path / "out"], stdout=subprocess.PIPE, text=True) as child:
            for number, _ in enumerate(child.stdout or (), 1):
                if number >= line:
                    os.kill(child.pid, signal.SIGKILL)
                    break
            child.wait()
        kills += child.returncode == -signal.SIGKILL
    resumed = subprocess.run([*command, tmp_path / "out"], capture_output=True, check=True, text=True)
    assert kills >= 3
    report = done.stdout.splitlines()[-1]
    assert list(json.loads(report)["left_out"]) != sorted(json.loads(report)["left_out"])
    assert resumed.stdout.splitlines()[-1] == report
    assert content(tmp_path / "out") == wanted
    left = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".tmp-")]
    assert left == []
    assert not (tmp_path / "out/artifacts/chunk").exists()
