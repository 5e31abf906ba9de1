"""The routes under ``/admin``, which have their own key: what is loaded, and load, unload and reload it."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ockham import machine
from ockham.errors import OckhamError
from ockham.server.api_error import ApiError
from ockham.server.json_response import json_response
from ockham.server.model_service import ModelService
from ockham.server.server_state import ServerState, headers_of
from ockham.server.worker_link import WorkerDeathError


async def list_states(state: ServerState, request: Request) -> Response:  # noqa: ARG001 - the routes' signature
    """List the models with what their processes do."""
    models = [describe_state(service) for service in state.services.values()]
    return json_response({"object": "list", "data": models, "waiting": state.admission.requests})


async def load(state: ServerState, request: Request) -> Response:
    """Load a model; nothing happens to one that is loaded."""
    service = state.service(request.path_params["name"])
    await _load(service)
    return _answer(service)


async def unload(state: ServerState, request: Request) -> Response:
    """End a model's process once it has answered what it was asked; the next request loads it again."""
    service = state.service(request.path_params["name"])
    if service.is_busy:
        headers = {"retry-after": "1", "retry-after-ms": "1000"}
        raise ApiError(409, "The model is being asked; try again", code="model_busy", headers=headers)
    await service.host.unload()
    return _answer(service)


async def reload(state: ServerState, request: Request) -> Response:
    """Take up the bundle that stands in a model's folder now, beside the old one, which answers until then."""
    name = state.service(request.path_params["name"]).bundle.name
    if state.replace is None or not await state.replace(name):
        raise ApiError(409, "The bundle in the folder cannot be loaded; the old one stays", code="not_replaced")
    return _answer(state.service(name))


async def _load(service: ModelService) -> None:
    try:
        await service.load()
    except OckhamError as error:
        raise ApiError(503, f"The model cannot be loaded: {error.code}", code="model_unavailable") from None
    except WorkerDeathError:
        raise ApiError(503, "The model's process ended while it loaded", code="model_died") from None


def _answer(service: ModelService) -> Response:
    return json_response(describe_state(service), headers=headers_of(service))


def describe_state(service: ModelService) -> dict[str, Any]:
    """Return what a model's process does: memory in MB, seconds since it was last used."""
    pid = service.worker_pid
    return {
        "id": service.bundle.name,
        "object": "model.state",
        "digest": service.bundle.digest,
        "is_loaded": service.is_loaded,
        "waiting": service.waiting,
        "deaths": service.deaths,
        "peak_memory_mb": None if pid is None else machine.peak_rss_mb(pid),
        "idle_seconds": round(max(0.0, time.monotonic() - service.last_use), 1),
    }
