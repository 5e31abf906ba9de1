"""A process that forks another one for each request: libraries are loaded once, and any of the forks may be killed.

The same file is used on both sides: `serve` in the process, `ForkServer` in the test that starts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
END = "end"

Heard = Callable[[int, Sequence[str]], object]
"""(number of the fork, its lines so far), called behind each of them."""


def serve(work: Callable[[str], None]) -> None:
    """Do each request, a line of standard input, in a fork of this process; says its number, and when it is gone."""
    for line in sys.stdin:
        forked = os.fork()
        if not forked:
            say(f"process {os.getpid()}")
            work(line.rstrip("\n"))
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(forked, 0)
        say(END)


def say(words: str) -> None:
    """Tell a line to the test at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


class ForkServer:
    """The process that serves, as a test sees it; use it in a ``with`` block."""

    def __init__(self, script: Path, *words: str | Path) -> None:
        """Start a script that calls `serve`."""
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        quiet = {"PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": path}
        self.process = subprocess.Popen(
            [sys.executable, str(script), *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | quiet,
        )

    def __enter__(self) -> ForkServer:  # noqa: PYI034 - nothing is made of it
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, request: str, heard: Heard = lambda _process, _said: None) -> list[str]:
        """Have a request done; give all that its process said, however it ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        number = int(self.process.stdout.readline().removeprefix("process "))
        said: list[str] = []
        for line in self.process.stdout:
            if line == f"{END}\n":
                return said
            said.append(line.rstrip("\n"))
            heard(number, said)
        raise AssertionError("the server has ended")
