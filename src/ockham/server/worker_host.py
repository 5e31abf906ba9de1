"""The process that answers for a model, or for several that share a base: started when it is needed, again if it dies.

Models that are adapters on one base differ in a few megabytes; a process for each would hold the base as often.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from ockham.api.consent import Destination
from ockham.server.served_bundle import ServedBundle
from ockham.server.worker_link import WorkerLink

_log = logging.getLogger(__name__)
BACKOFF_S, LONGEST_BACKOFF_S = 0.25, 30.0
_STEADY_S = 30.0
"""A worker that has lived so long is no part of a series of deaths any more."""


class WorkerHost:
    """A worker process and the bundles that it answers for, in the order of their seats."""

    def __init__(self, bundles: Sequence[ServedBundle], endpoint: Destination | None = None) -> None:
        """Begin without a process."""
        self.bundles = tuple(bundles)
        self.last_use = time.monotonic()
        self.deaths = 0
        self._endpoint = endpoint
        self._link: WorkerLink | None = None
        self._starting = asyncio.Lock()
        self._series = 0
        self._loaded_at = 0.0
        self._waiting: dict[int, Callable[[], int]] = {}

    def join(self, seat: int, waiting: Callable[[], int]) -> None:
        """Take in whoever asks for a bundle, and how it is known how much waits there."""
        self._waiting[seat] = waiting

    async def leave(self, seat: int) -> None:
        """Let a bundle go; the process ends with the last of them."""
        self._waiting.pop(seat, None)
        if not self._waiting:
            await self.unload()

    @property
    def waiting(self) -> int:
        """How many texts wait or are in hand for all bundles."""
        return sum(count() for count in self._waiting.values())

    @property
    def running(self) -> WorkerLink | None:
        """The process that can be asked at once."""
        return self._link if self._link is not None and self._link.is_alive else None

    async def load(self, before: Callable[[], Awaitable[None]]) -> WorkerLink:
        """Return the running process; where there is none, start one when ``before`` has made room for it.

        Raises `OckhamError`, `WorkerDeathError`, and what ``before`` does.
        """
        async with self._starting:
            if self._link is None or not self._link.is_alive:
                if self._link is not None:
                    await self._bury(self._link)
                await before()
                began = time.monotonic()
                self._link = await WorkerLink.start(
                    [(bundle.folder, bundle.digest) for bundle in self.bundles], self._endpoint
                )
                self._loaded_at = time.monotonic()
                _log.info("loaded %s in %.2f s", self._names, self._loaded_at - began)
            return self._link

    async def _bury(self, link: WorkerLink) -> None:
        """Put a dead worker away, and wait the longer the more have died in a row."""
        self.deaths += 1
        self._series = 1 if time.monotonic() - self._loaded_at > _STEADY_S else self._series + 1
        self._link = None
        await link.close()
        _log.warning("the worker of %s ended; it is started again", self._names)
        await asyncio.sleep(min(LONGEST_BACKOFF_S, BACKOFF_S * 2 ** (self._series - 1)) if self._series > 1 else 0)

    async def unload(self) -> None:
        """End the process; the next request starts another."""
        async with self._starting:
            link, self._link = self._link, None
            if link is not None:
                await link.close()

    @property
    def _names(self) -> str:
        return ", ".join(bundle.name for bundle in self.bundles)
