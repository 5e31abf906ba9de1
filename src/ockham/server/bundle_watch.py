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
from ockham.server.model_service import ModelService, ServiceOptions
from ockham.server.served_bundle import read_served_bundle
from ockham.server.worker_link import WorkerDeathError

_log = logging.getLogger(__name__)
EVERY_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """How the models are looked after; without ``idle_seconds`` they stay loaded."""

    service: ServiceOptions
    idle_seconds: float | None = None


async def watch_bundles(services: MutableMapping[str, ModelService], options: WatchOptions) -> None:
    """Look at every model again and again, until cancelled."""
    refused: dict[str, str] = {}
    retiring: set[asyncio.Task[None]] = set()
    try:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            for name, service in list(services.items()):
                await _unload_idle(service, options.idle_seconds)
                digest = await asyncio.to_thread(_digest, service)
                if digest in (None, service.bundle.digest, refused.get(name)):
                    continue
                newer = await _load_newer(service, options.service)
                if newer is None:
                    refused[name] = str(digest)
                    continue
                services[name] = newer
                task = asyncio.create_task(_retire(service))
                retiring.add(task)
                task.add_done_callback(retiring.discard)
    finally:
        await asyncio.gather(*retiring, return_exceptions=True)


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
    except (OckhamError, WorkerDeathError, OSError) as error:
        code = error.code if isinstance(error, OckhamError) else type(error).__name__
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
