"""Tunings that are killed at random moments and started again end with the same bytes (K05, K06).

How many kills each kind gets is an option: ``scripts/test tests/e2e/test_tune_kill.py --kills 100``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests import tiny_decoder, tiny_encoder

CHILD = Path(__file__).with_name("tune_child.py")
STEPS = 24


class Server:
    """The process that forks a tuning for each request."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
        self.process = subprocess.Popen(
            [sys.executable, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=environment,
        )  # fmt: skip

    def run(self, what: str, source: Path, folder: Path, *, kill: tuple[int, float] | None = None) -> list[str]:
        """Tune, or kill the process (SIGKILL) so many steps after its first, and seconds later; gives what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what} {source} {folder}\n")
        self.process.stdin.flush()
        number = int(self.process.stdout.readline().removeprefix("process "))
        said: list[str] = []
        for line in self.process.stdout:
            if line == "end\n":
                return said
            said.append(line.strip())
            if kill is not None and len(said) == kill[0]:
                time.sleep(kill[1])
                with suppress(ProcessLookupError):  # it may have come to its end meanwhile
                    os.kill(number, signal.SIGKILL)
        raise AssertionError("the server has ended")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.process.kill()
    made.process.communicate()


@pytest.mark.tune
@pytest.mark.slow
@pytest.mark.parametrize("what", ["encoder", "tagger", "decoder"])
def test_k05_k06_a_tuning_killed_at_any_moment_ends_with_the_same_bytes(
    what: str, server: Server, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = (
        tiny_decoder.llama(tmp_path / "tiny") if what == "decoder" else tiny_encoder.write(tmp_path / "tiny", "bert")
    )
    whole = server.run(what, source, tmp_path / "whole")
    assert [line for line in whole if line.startswith("step")] == [f"step {n}" for n in range(1, STEPS + 1)]
    assert whole[-1].startswith("digest ")
    draw, left, runs = random.Random(11), request.config.getoption("kills"), 0
    while left:
        folder, seen, runs = tmp_path / f"run-{runs}", 0, runs + 1
        for _ in range(min(left, draw.randint(2, 8))):
            said = server.run(what, source, folder, kill=(draw.randint(1, 6), draw.uniform(0, 0.02)))
            steps = [int(line.removeprefix("step ")) for line in said if line.startswith("step")]
            assert steps == list(range(steps[0], steps[-1] + 1)) if steps else seen >= STEPS - 1
            assert not steps or steps[0] in (seen, seen + 1), "only what was not saved is done again"
            seen = max([seen, *steps])
            if said[-1:] == whole[-1:]:
                break
            left -= 1
        assert server.run(what, source, folder)[-1] == whole[-1]
