"""Fetch what the page shows of a model from a process of its own, once for each bundle, and read reports."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from ockham.sealed import switches
from ockham.server.api_error import ApiError
from ockham.server.served_bundle import ServedBundle

REPORT = "report.html"
_SECONDS = 60.0


class ConsoleReader:
    """The facts of the models, as the JSON that the page asks for; those of a bundle do not change."""

    def __init__(self) -> None:
        """Begin with none."""
        self._facts: dict[str, tuple[str, bytes]] = {}
        self._turn = asyncio.Lock()

    async def facts_of(self, bundle: ServedBundle) -> bytes:
        """Return the facts of a bundle. Raises `ApiError` (500) where they cannot be read."""
        async with self._turn:
            digest, facts = self._facts.get(bundle.name, ("", b""))
            if digest != bundle.digest:
                facts = await _ask_process(bundle)
                self._facts[bundle.name] = (bundle.digest, facts)
            return facts


async def _ask_process(bundle: ServedBundle) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ockham.server.console_facts", bundle.name, str(bundle.folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=switches.worker_environment(os.environ),
    )
    try:
        facts, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except asyncio.TimeoutError:
        facts = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not facts:
        raise ApiError(500, "What is known of the model cannot be read", code="internal_error")
    return facts


def read_report(run: Path) -> bytes | None:
    """Return the report page of a run; ``None`` where it has none."""
    try:
        return (run / REPORT).read_bytes()
    except OSError:
        return None
