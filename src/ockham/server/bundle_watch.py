"""Look after the models while they are served: take up a bundle that was replaced, let go of one that nobody asks.

The new bundle is loaded beside the old one, which answers until then, and to the end what it has. Where the new one
cannot be loaded, the old one stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass

from ockham import store
from ockham.errors import OckhamError
from ockham.server.api_error import ApiError
from ockham.server.memory_guard import MemoryGuard
from ockham.server.model_service import ModelService, ServiceOptions, serve_together
from ockham.server.served_bundle import ServedBundle, read_served_bundle
from ockham.server.worker_link import ChangedBundleError, WorkerDeathError

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
                for name in list(self._services):
                    service = self._services[name]  # it may have been replaced along with another
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
            if not newer:
                if newer is not None:
                    self._refused[name] = str(digest)
                return False
            self._refused.pop(name, None)
            for service in newer:
                retired = self._services[service.bundle.name]
                self._services[service.bundle.name] = service
                task = asyncio.create_task(_retire(retired))
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)
            return True


async def _unload_idle(service: ModelService, seconds: float | None) -> None:
    idle = time.monotonic() - service.last_use
    if seconds is not None and service.is_loaded and not service.is_busy and idle > seconds:
        await service.host.unload()
        _log.info("unloaded", extra={"fields": {"model": service.bundle.name, "idle_seconds": round(idle)}})


def _digest(service: ModelService) -> str | None:
    try:
        return store.bundle_digest(service.bundle.folder)
    except OckhamError:
        return None  # it is being replaced


async def _load_newer(service: ModelService, options: ServiceOptions) -> list[ModelService] | None:
    """Return the model that stands in the folder now, loaded; nothing where it cannot be.

    Where it shares a worker, those that it shares it with come along, as they stand in their folders now: the engine
    takes adapters when it starts. ``None`` where one of them was replaced meanwhile: it is to be tried again.
    """
    newer: list[ModelService] = []
    try:
        bundle = await asyncio.to_thread(read_served_bundle, service.bundle.name, service.bundle.folder)
        is_shared = bundle.base is not None and bundle.base == service.bundle.base
        bundles = await asyncio.to_thread(_read_again, service.host.bundles) if is_shared else [bundle]
        newer = list(serve_together(bundles, options).values())
        for one in newer:
            await one.load()
    except ChangedBundleError:
        await _close_all(newer)
        return None
    except (ApiError, OckhamError, WorkerDeathError, OSError) as error:
        code = error.code if isinstance(error, (ApiError, OckhamError)) else type(error).__name__
        _log.error("not replaced", extra={"fields": {"model": service.bundle.name, "error": code}})
        await _close_all(newer)
        return []
    _log.info("replaced", extra={"fields": {"model": bundle.name, "digest": bundle.digest}})
    return newer


def _read_again(bundles: Sequence[ServedBundle]) -> list[ServedBundle]:
    return [read_served_bundle(bundle.name, bundle.folder) for bundle in bundles]


async def _close_all(services: Sequence[ModelService]) -> None:
    for service in services:
        await service.close()


async def _retire(service: ModelService) -> None:
    """Close a model once it has answered everything that it was asked."""
    while service.waiting:
        await asyncio.sleep(0.05)
    await service.close()
