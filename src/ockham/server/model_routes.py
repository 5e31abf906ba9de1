"""``GET /v1/models``, ``/live`` and ``/ready``: what is served, and whether it can be asked."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ockham.server.json_response import json_response
from ockham.server.model_service import ModelService
from ockham.server.server_metrics import CONTENT_TYPE
from ockham.server.server_state import ServerState, headers_of


async def list_models(state: ServerState, request: Request) -> Response:  # noqa: ARG001 - the routes' signature
    """List the models that are served."""
    return json_response({"object": "list", "data": [describe(service) for service in state.services.values()]})


async def show_model(state: ServerState, request: Request) -> Response:
    """Describe one model."""
    service = state.service(request.path_params["name"])
    return json_response(describe(service), headers=headers_of(service))


def describe(service: ModelService) -> dict[str, Any]:
    """Return what a client is told of a model."""
    bundle = service.bundle
    return {
        "id": bundle.name,
        "object": "model",
        "created": bundle.created,
        "owned_by": "ockham",
        "task": bundle.manifest.task,
        "candidate": bundle.manifest.candidate.name,
        "digest": bundle.digest,
        "labels": list(bundle.manifest.labels),
        "inputs": list(bundle.manifest.inputs),
        "target": bundle.manifest.target,
        "dataset": bundle.manifest.dataset,
    }


async def tell_alive(state: ServerState, request: Request) -> Response:  # noqa: ARG001
    """Say that the process answers."""
    return json_response({"status": "live"})


async def show_metrics(state: ServerState, request: Request) -> Response:  # noqa: ARG001
    """Return the server's counters for Prometheus."""
    return Response(state.metrics.page(), media_type=CONTENT_TYPE)


async def tell_ready(state: ServerState, request: Request) -> Response:  # noqa: ARG001
    """Say whether a model is loaded and answers."""
    is_ready = await state.is_ready()
    return json_response({"status": "ready" if is_ready else "not ready"}, 200 if is_ready else 503)
