"""Look after the models while they are served: take up a bundle that was replaced, let go of one that nobody asks.

The new bundle is loaded beside the old one, which answers until then, and to the end what it has. Where the new one
cannot be loaded, the old one stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping
from dataclasses import dataclass

from ockham import store
from ockham.errors import OckhamError
from ockham.server.api_error import ApiError
from ockham.server.memory_guard import MemoryGuard
from ockham.server.model_service import ModelService, ServiceOptions
from ockham.server.served_bundle import read_served_bundle
from ockham.server.worker_link import WorkerDeathError

_log = logging.getLogger(__name__)
EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """How the models are looked after; without ``idle_seconds`` they stay loaded while there is memory."""

    service: ServiceOptions
    idle_seconds: float | None = None
    memory: MemoryGuard | None = None


class BundleWatch:
    """Looks after the models of a server."""

    def __init__(self, services: MutableMapping[str, ModelService], options: WatchOptions) -> None:
        """Take the models by name; one that is replaced is replaced there."""
        self._services = services
        self._options = options
        self._refused: dict[str, str] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Look at every model again and again, until cancelled."""
        try:
            while True:
                await asyncio.sleep(EVERY_SECONDS)
                for name, service in list(self._services.items()):
                    await _unload_idle(service, self._options.idle_seconds)
                    digest = await asyncio.to_thread(_digest, service)
                    if digest not in (None, service.bundle.digest, self._refused.get(name)):
                        await self.replace(name)
                if self._options.memory is not None:
                    await self._options.memory.relieve()
        finally:
            await asyncio.gather(*self._retiring, return_exceptions=True)

    async def replace(self, name: str) -> bool:
        """Take up the bundle that stands in a model's folder now; return whether it could be loaded.

        Those that come at once take turns, so that the last of them is what answers in the end.
        """
        async with self._turn:
            old = self._services[name]
            digest = await asyncio.to_thread(_digest, old)
            newer = await _load_newer(old, self._options.service)
            if newer is None:
                self._refused[name] = str(digest)
                return False
            self._refused.pop(name, None)
            self._services[name] = newer
            task = asyncio.create_task(_retire(old))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
            return True


async def _unload_idle(service: ModelService, seconds: float | None) -> None:
    idle = time.monotonic() - service.last_use
    if seconds is not None and service.is_loaded and not service.waiting and idle > seconds:
        await service.unload()
        _log.info("unloaded", extra={"fields": {"model": service.bundle.name, "idle_seconds": round(idle)}})


def _digest(service: ModelService) -> str | None:
    try:
        return store.bundle_digest(service.bundle.folder)
    except OckhamError:
        return None  # it is being replaced


async def _load_newer(service: ModelService, options: ServiceOptions) -> ModelService | None:
    """Return the model that stands in the folder now, loaded; ``None`` where it cannot be."""
    newer = None
    try:
        bundle = await asyncio.to_thread(read_served_bundle, service.bundle.name, service.bundle.folder)
        newer = ModelService(bundle, options)
        await newer.load()
    except (ApiError, OckhamError, WorkerDeathError, OSError) as error:
        code = error.code if isinstance(error, (ApiError, OckhamError)) else type(error).__name__
        _log.error("not replaced", extra={"fields": {"model": service.bundle.name, "error": code}})
        if newer is not None:
            await newer.close()
        return None
    _log.info("replaced", extra={"fields": {"model": bundle.name, "digest": bundle.digest}})
    return newer


async def _retire(service: ModelService) -> None:
    """Close a model once it has answered everything that it was asked."""
    while service.waiting:
        await asyncio.sleep(0.05)
    await service.close()
