"""Ask a model for a client: within what may wait, until it answers, time is up, or the client has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import TypeVar

from starlette.requests import Request

from ockham.server.admission import estimate_tokens
from ockham.server.api_error import ApiError
from ockham.server.bounded_protocol import CONNECTION, BoundedProtocol
from ockham.server.decision_answers import Decided
from ockham.server.model_service import ModelService
from ockham.server.server_state import ServerState

T = TypeVar("T")
CLIENT_LEFT = 499
"""The status of a request whose client left before its answer (as nginx counts it); nobody receives it."""


async def ask(state: ServerState, request: Request, service: ModelService, texts: Sequence[str]) -> list[Decided]:
    """Return the answer to each text. Raises `ApiError`: 429 and 503 as `Admission.admit`, 499, 503, 504."""
    request.scope["ockham.model"] = service.bundle.name
    key = request.scope["ockham.key"]
    with state.admission.admit(sum(map(estimate_tokens, texts)), key):
        work = service.ask(texts, key)
        return await while_connected(request, work, state.answer_seconds)


async def while_connected(request: Request, work: Awaitable[T], seconds: float) -> T:
    """Return what comes of the work; cancel it when the client leaves, and when it takes too long."""
    stop = _Stop()
    late = ApiError(504, f"There was no answer within {seconds:g} seconds", code="deadline_exceeded")
    timer = asyncio.get_running_loop().call_later(seconds, stop, late)
    leave = partial(stop, ApiError(CLIENT_LEFT, "The client left"))
    connection: BoundedProtocol = request.scope["state"][CONNECTION]
    connection.on_loss.add(leave)
    if connection.is_lost:
        leave()
    try:
        return await work
    except asyncio.CancelledError:
        if stop.reason is None:
            raise
        raise stop.reason from None
    finally:
        timer.cancel()
        connection.on_loss.discard(leave)


class _Stop:
    """Ends the task in which it was made, once, and knows why."""

    def __init__(self) -> None:
        self.reason: ApiError | None = None
        self._task = asyncio.current_task()

    def __call__(self, reason: ApiError) -> None:
        if self.reason is None and self._task is not None:
            self.reason = reason
            self._task.cancel()
