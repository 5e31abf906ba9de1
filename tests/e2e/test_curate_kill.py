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
from ockham.curation.curate import curate
from ockham.curation.curate_spec import CurateSpec

def tell(progress):
    print(progress.stage, progress.done, flush=True)

curate(sys.argv[1], CurateSpec(steps=("exact", "near"), shard_mb=1), out=sys.argv[2], chunk_mb=1, tell=tell)
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
    for line in range(2, said, max(1, said // 6)):
        with subprocess.Popen([*command, tmp_path / "out"], stdout=subprocess.PIPE, text=True) as child:
            for number, _ in enumerate(child.stdout or (), 1):
                if number >= line:
                    os.kill(child.pid, signal.SIGKILL)
                    break
            child.wait()
        kills += child.returncode == -signal.SIGKILL
    subprocess.run([*command, tmp_path / "out"], capture_output=True, check=True)
    assert kills >= 2
    assert content(tmp_path / "out") == wanted
    left = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(".tmp-")]
    assert left == []
    assert not (tmp_path / "out/artifacts/chunk").exists()
