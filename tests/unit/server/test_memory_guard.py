"""Idle models make room for others, the longest unused first; those that are asked are left alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ockham.server.api_error import ApiError
from ockham.server.memory_guard import MemoryGuard, estimated_mb


class FakeService:
    def __init__(self, name: str, folder: Path, last_use: float) -> None:
        self.bundle = SimpleNamespace(name=name, folder=folder)
        self.last_use, self.is_busy, self.is_loaded = last_use, False, True
        self.host = self  # of which it is the only model

    async def unload(self) -> None:
        self.is_loaded = False


def guarded(folder: Path, free: float = 50.0) -> tuple[MemoryGuard, dict[str, FakeService]]:
    """Return three models of 100 MB each on a machine of 400 MB."""
    services = {name: FakeService(name, folder, place) for place, name in enumerate(("old", "middle", "new"))}

    def available() -> float:
        return 400.0 - 100.0 * sum(service.is_loaded for service in services.values())

    return MemoryGuard(services=cast("Any", services), free_mb=free, available=available), services


def loaded(services: dict[str, FakeService]) -> set[str]:
    return {name for name, service in services.items() if service.is_loaded}


def test_nothing_is_unloaded_while_memory_is_free(tmp_path: Path) -> None:
    guard, services = guarded(tmp_path)
    asyncio.run(guard.relieve())
    assert loaded(services) == {"old", "middle", "new"}


def test_a10_the_longest_unused_goes_first_and_the_last_one_stays(tmp_path: Path) -> None:
    guard, services = guarded(tmp_path, free=150.0)
    asyncio.run(guard.relieve())
    assert loaded(services) == {"middle", "new"}
    guard, services = guarded(tmp_path, free=1000.0)
    asyncio.run(guard.relieve())
    assert loaded(services) == {"new"}


def test_a10_a_model_that_is_asked_is_not_touched(tmp_path: Path) -> None:
    guard, services = guarded(tmp_path, free=150.0)
    services["old"].is_busy = True
    asyncio.run(guard.relieve())
    assert loaded(services) == {"old", "new"}


def test_a10_a_model_that_would_not_fit_beside_those_that_answer_is_refused(tmp_path: Path) -> None:
    guard, services = guarded(tmp_path)
    services["new"].is_loaded = False
    assert 80 <= estimated_mb(tmp_path) < 81
    asyncio.run(guard.make_room_for(cast("Any", services["new"])))
    assert loaded(services) == {"old", "middle"}  # 200 MB are free, and 80 are needed
    guard, services = guarded(tmp_path, free=250.0)
    services["new"].is_loaded = False
    services["middle"].is_busy = True
    with pytest.raises(ApiError) as caught:
        asyncio.run(guard.make_room_for(cast("Any", services["new"])))
    assert (caught.value.status, caught.value.code) == (429, "out_of_memory")
    assert "retry-after" in caught.value.headers
    assert loaded(services) == {"middle"}


def test_a_model_that_is_alone_is_loaded_whatever_it_takes(tmp_path: Path) -> None:
    guard, services = guarded(tmp_path, free=1000.0)
    for service in services.values():
        service.is_loaded = False
    asyncio.run(guard.make_room_for(cast("Any", services["new"])))
