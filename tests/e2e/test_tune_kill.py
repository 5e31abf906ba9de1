"""Tunings that are killed at random moments and started again end with the same bytes (K05, K06).

How many kills each kind gets is an option: ``scripts/test tests/e2e/test_tune_kill.py --kills 100``.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests import tiny_decoder, tiny_encoder
from tests.fork_server import ForkServer

CHILD = Path(__file__).with_name("tune_child.py")
STEPS = 24


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer(CHILD) as made:
        yield made


def tune(
    server: ForkServer, what: str, source: Path, folder: Path, *, kill: tuple[int, float] | None = None
) -> list[str]:
    """Tune, or kill the process (SIGKILL) so many steps after its first, and seconds later; gives what it said."""

    def heard(process: int, said: Sequence[str]) -> None:
        if kill is not None and len(said) == kill[0]:
            time.sleep(kill[1])
            with suppress(ProcessLookupError):  # it may have come to its end meanwhile
                os.kill(process, signal.SIGKILL)

    return server.ask(f"{what} {source} {folder}", heard)


@pytest.mark.tune
@pytest.mark.slow
@pytest.mark.parametrize("what", ["encoder", "tagger", "decoder"])
def test_k05_k06_a_tuning_killed_at_any_moment_ends_with_the_same_bytes(
    what: str, server: ForkServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    source = (
        tiny_decoder.llama(tmp_path / "tiny") if what == "decoder" else tiny_encoder.write(tmp_path / "tiny", "bert")
    )
    whole = tune(server, what, source, tmp_path / "whole")
    assert [line for line in whole if line.startswith("step")] == [f"step {n}" for n in range(1, STEPS + 1)]
    assert whole[-1].startswith("digest ")
    draw, left, runs = random.Random(11), request.config.getoption("kills"), 0
    while left:
        folder, seen, runs = tmp_path / f"run-{runs}", 0, runs + 1
        for _ in range(min(left, draw.randint(2, 8))):
            said = tune(server, what, source, folder, kill=(draw.randint(1, 6), draw.uniform(0, 0.02)))
            steps = [int(line.removeprefix("step ")) for line in said if line.startswith("step")]
            assert steps == list(range(steps[0], steps[-1] + 1)) if steps else seen >= STEPS - 1
            assert not steps or steps[0] in (seen, seen + 1), "only what was not saved is done again"
            seen = max([seen, *steps])
            if said[-1:] == whole[-1:]:
                break
            left -= 1
        assert tune(server, what, source, folder)[-1] == whole[-1]
