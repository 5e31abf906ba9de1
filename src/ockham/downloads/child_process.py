"""A process that fetches: watched by what it writes, ended with us, and its words kept for the error alone."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_EVERY = 0.2
"""Seconds between two looks at what was written."""
_MOST_WORDS = 200_000
_log = logging.getLogger(__name__)


def run_watched(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], on_bytes: Callable[[int], None]
) -> tuple[int, str]:
    """Run a command that writes below ``folder``; return its exit status and what it said.

    ``on_bytes`` hears how many bytes stand there. The process is ended where this one is interrupted.
    """
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                on_bytes(written_bytes(folder))
                time.sleep(_EVERY)
        finally:
            _end(process)
        words.seek(0)
        said = words.read(_MOST_WORDS).decode("utf-8", "replace")
    _log.debug("%s ended with %s: %s", command[:4], process.returncode, said[-4000:])
    return process.returncode, said


def written_bytes(folder: Path) -> int:
    """Count the bytes of all files below a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
