"""Fetch what the page shows of a model, once for each bundle, and read reports."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

import orjson

from ockham.errors import RunError
from ockham.ladder.run_facts import RunFacts, decode_facts, read_facts
from ockham.sealed import switches
from ockham.server.api_error import ApiError
from ockham.server.console_facts import DAMAGED, REPORT, console_facts
from ockham.server.served_bundle import ServedBundle

_log = logging.getLogger(__name__)

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
                facts = await _read(bundle)
                self._facts[bundle.name] = (bundle.digest, facts)
            return facts


async def _read(bundle: ServedBundle) -> bytes:
    """Return what is known of a bundle, by a process of its own where its run has not written it down."""
    of_run, damaged = None, False
    if bundle.run is not None:
        try:
            of_run = await asyncio.to_thread(read_facts, bundle.run) or await _ask_process(bundle.run)
        except RunError as error:
            damaged = True
            _log.error("facts damaged", extra={"fields": {"model": bundle.name, "error": error.code}})
    return orjson.dumps(await asyncio.to_thread(console_facts, bundle, of_run, damaged=damaged))


async def _ask_process(run: Path) -> RunFacts:
    """Return the facts of a run's account. Raises `RunError` where it is damaged, `ApiError` (500) where none come."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ockham.server.console_facts", str(run)),
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
    if process.returncode == DAMAGED:
        raise RunError("E_RUN_CHANGED", "the account of the run cannot be read", fix="verify the run")
    if process.returncode or not facts:
        raise ApiError(500, "What is known of the model cannot be read", code="internal_error")
    return decode_facts(facts)


def read_report(run: Path) -> bytes | None:
    """Return the report page of a run; ``None`` where it has none."""
    try:
        return (run / REPORT).read_bytes()
    except OSError:
        return None
