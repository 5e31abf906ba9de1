"""Ask a model for a client: within what may wait, until it answers, time is up, or the client has left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from starlette.requests import Request

from ockham.server.admission import estimate_tokens
from ockham.server.api_error import ApiError
from ockham.server.decision_answers import Decided
from ockham.server.model_service import ModelService
from ockham.server.server_state import ServerState

T = TypeVar("T")
CLIENT_LEFT = 499
"""The status of a request whose client left before its answer (as nginx counts it); nobody receives it."""


async def ask(state: ServerState, request: Request, service: ModelService, texts: Sequence[str]) -> list[Decided]:
    """Return the answer to each text. Raises `ApiError`: 429 and 503 as `Admission.admit`, 499, 503, 504."""
    request.scope["ockham.model"] = service.bundle.name
    with state.admission.admit(sum(map(estimate_tokens, texts))):
        work = service.ask(texts, request.scope["ockham.key"])
        return await _while_connected(request, work, state.answer_seconds)


async def _while_connected(request: Request, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return what comes of the work; cancel it when the client leaves, and when it takes too long."""
    task = asyncio.create_task(work)
    leaving = asyncio.create_task(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if leaving.done():
            raise ApiError(CLIENT_LEFT, "The client left")
        raise ApiError(504, f"There was no answer within {seconds:g} seconds", code="deadline_exceeded")
    finally:
        for one in (task, leaving):
            one.cancel()
        with contextlib.suppress(asyncio.CancelledError, ApiError):
            await task


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
