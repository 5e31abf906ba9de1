"""Keep memory free: models that nobody asks now are unloaded, the longest unused first, before the system has to kill.

A model that is asked again is loaded again. Those that answer are never touched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ockham import machine
from ockham.server.api_error import ApiError
from ockham.server.model_service import ModelService

_log = logging.getLogger(__name__)
SHARE = 0.05
"""Of the machine's memory so much stays free, where nothing else is said."""
OVERHEAD_MB, FILES_FACTOR = 80.0, 1.5
"""What a process takes before it has a model, and how much it takes for a byte of its files."""


def default_free_mb() -> float:
    """Return how much memory stays free where nothing else is said, in MB."""
    return 1000 * SHARE * machine.memory_gb()


def available_mb() -> float:
    """Return how much memory can be taken now, in MB."""
    return 1000 * machine.available_memory_gb()


def estimated_mb(folder: Path) -> float:
    """Return about how much memory a bundle takes when it is loaded, in MB, from the size of its files."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return OVERHEAD_MB + FILES_FACTOR * size / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryGuard:
    """The models, how much memory is to stay free, and how it is asked how much there is (both in MB)."""

    services: Mapping[str, ModelService]
    free_mb: float = field(default_factory=default_free_mb)
    available: Callable[[], float] = available_mb

    async def make_room(self, need_mb: float = 0.0, keep: ModelService | None = None) -> bool:
        """Unload idle models but ``keep`` until so much memory can be taken; return whether it can."""
        while self.available() - need_mb < self.free_mb:
            idle = [
                one
                for one in self.services.values()
                if (keep is None or one.host is not keep.host) and one.is_loaded and not one.is_busy
            ]
            if not idle:
                return False
            oldest = min(idle, key=lambda service: service.last_use)
            await oldest.host.unload()
            fields = {"model": oldest.bundle.name, "reason": "memory", "free_mb": round(self.available())}
            _log.info("unloaded", extra={"fields": fields})
        return True

    async def make_room_for(self, service: ModelService) -> None:
        """Make room for a model before it is loaded. Raises `ApiError` (429) where others take the memory and answer.

        A model that would be the only one is loaded whatever it takes: whether it fits is for the system to say.
        """
        fits = await self.make_room(estimated_mb(service.bundle.folder), service)
        if not fits and any(other.is_loaded for other in self.services.values() if other.host is not service.host):
            headers = {"retry-after": "10", "retry-after-ms": "10000"}
            message = "There is no memory for this model while others answer"
            raise ApiError(429, message, code="out_of_memory", headers=headers)

    async def relieve(self) -> None:
        """Unload idle models while too little memory is free, all but the one that was used last."""
        loaded = [service for service in self.services.values() if service.is_loaded]
        if len({id(service.host) for service in loaded}) > 1:
            await self.make_room(keep=max(loaded, key=lambda service: service.last_use))
