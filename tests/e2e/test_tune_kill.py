"""A tuning process that is killed for good and started again ends with the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests import tiny_encoder

CHILD = Path(__file__).with_name("tune_child.py")


def run(what: str, source: Path, folder: Path, *, kill_at: int | None = None) -> list[str]:
    """Run the child, or kill it (SIGKILL) as soon as it has told a step; gives what it said."""
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, CHILD, source, folder, what], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    ) as child:  # fmt: skip
        for line in child.stdout or ():
            said.append(line.strip())
            if line.strip() == f"step {kill_at}":
                child.kill()
                break
    assert child.returncode == (0 if kill_at is None else -9)
    return said


@pytest.mark.tune
@pytest.mark.slow
@pytest.mark.parametrize(("what", "kills"), [("encoder", [14]), ("tagger", [3, 17])])
def test_a_killed_tuning_goes_on_to_the_same_bytes(what: str, kills: list[int], tmp_path: Path) -> None:
    source = tiny_encoder.write(tmp_path / "tiny", "bert")
    whole = run(what, source, tmp_path / "whole")
    assert [line for line in whole if line.startswith("step")] == [f"step {n}" for n in range(1, 25)]
    for kill_at in kills:
        run(what, source, tmp_path / "killed", kill_at=kill_at)
    last = run(what, source, tmp_path / "killed")
    first = int(last[0].removeprefix("step ")) if last[0].startswith("step") else 25
    assert first >= kills[-1], "only what was not saved is done again"
    assert last[-1] == whole[-1]
    assert last[-1].startswith("digest ")
