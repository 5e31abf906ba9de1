"""Run the server: load the models, wait for clients on sockets that are open already, and end in good order."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from ockham.api.consent import Destination
from ockham.errors import Defect
from ockham.server import request_log
from ockham.server.access import Access
from ockham.server.admission import Admission, AdmissionSpec
from ockham.server.api_error import ApiError
from ockham.server.app import describe_failure, make_app
from ockham.server.bounded_protocol import BoundedProtocol
from ockham.server.bundle_watch import BundleWatch, WatchOptions
from ockham.server.memory_guard import MemoryGuard, default_free_mb
from ockham.server.model_service import ModelService, ServiceOptions, serve_together
from ockham.server.open_reply import Deadlines
from ockham.server.served_bundle import ServedBundle
from ockham.server.server_metrics import Metrics
from ockham.server.server_state import ServerState
from ockham.server.worker_link import WorkerDeathError

_log = logging.getLogger(__name__)
GRACE_SECONDS = 30
_NOTE_SECONDS = 10.0
"""A fault of the event loop is noted no more often: where no descriptor is free, each client would be one."""
LAST_WORD_SECONDS = 2
"""So long before the end whatever still waits, or is being written, is ended with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """What is served, to whom, and within what limits."""

    bundles: tuple[ServedBundle, ...]
    access: Access
    admission: AdmissionSpec = field(default_factory=AdmissionSpec)
    endpoint: Destination | None = None
    min_confidence: float | None = None
    idle_seconds: float | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    free_mb: float | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None


def run_server(plan: ServerPlan, listeners: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve until a signal comes (SIGINT, SIGTERM); ``on_ready`` is called when the first model is loaded.

    Requests in hand are answered first, for 30 seconds at most. Raises the `OckhamError` that loading met.
    """
    request_log.install()
    asyncio.run(_run(plan, listeners, on_ready))


async def _run(plan: ServerPlan, listeners: Sequence[socket.socket], on_ready: Callable[[], None]) -> None:
    asyncio.get_running_loop().set_exception_handler(_FaultLog())
    admission = Admission(plan.admission, plan.access.keys)
    services: dict[str, ModelService] = {}
    guard = MemoryGuard(services=services, free_mb=default_free_mb() if plan.free_mb is None else plan.free_mb)
    options = ServiceOptions(
        endpoint=plan.endpoint,
        on_batch=admission.note_rate,
        before_load=guard.make_room_for,
        deadlines=plan.deadlines,
    )
    services.update(serve_together(plan.bundles, options))
    watch = BundleWatch(services, WatchOptions(service=options, idle_seconds=plan.idle_seconds, memory=guard))
    state = ServerState(
        services=services,
        access=plan.access,
        admission=admission,
        metrics=Metrics(services),
        min_confidence=plan.min_confidence,
        replace=watch.replace,
        answer_seconds=plan.deadlines.total,
    )
    watching = asyncio.create_task(watch.run())
    try:
        await _load_first(services)
        server = _Server(_config(state, plan), state)
        on_ready()
        await server.serve(list(listeners))
    finally:
        admission.is_closed = True
        state.log.flush()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        for service in services.values():
            await service.close()
        _log.info("stopped", extra={"fields": state.metrics.account})


async def _load_first(services: dict[str, ModelService]) -> None:
    """Load the model that was named first; the others are loaded when they are first asked for."""
    try:
        await next(iter(services.values())).load()
    except WorkerDeathError:
        message = "the process that holds the model ended while it loaded"
        raise Defect("E_DEFECT", message, fix="check whether memory ran out (dmesg)") from None


def _config(state: ServerState, plan: ServerPlan) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(state),
        ssl_certfile=plan.certificate,
        ssl_keyfile=plan.certificate_key,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _FaultLog:
    """Notes what fails outside of every request, such as taking in a client, in a line of the log."""

    def __init__(self) -> None:
        self._noted = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if loop.time() < self._noted + _NOTE_SECONDS:
            return
        self._noted = loop.time()
        error = context.get("exception")
        name = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
        what = describe_failure(error) if isinstance(error, BaseException) else ""
        _log.error("event loop failed", extra={"fields": {"error": f"{what} {name}".strip()}})


class _Server(uvicorn.Server):
    """A server whose end by a signal is a good end: it refuses what is new, and answers what it has."""

    def __init__(self, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Stop; the second signal stops without waiting. What is not answered in time is told so before that."""
        self._state.admission.is_closed = True
        self.force_exit = self.should_exit
        self.should_exit = True
        seconds = 0.0 if self.force_exit else GRACE_SECONDS - LAST_WORD_SECONDS
        asyncio.get_running_loop().call_soon_threadsafe(self._end_after, seconds)

    def _end_after(self, seconds: float) -> None:
        error = ApiError(503, "The server is shutting down", code="shutting_down")
        for service in self._state.services.values():
            asyncio.get_running_loop().call_later(seconds, service.fail_all, error)
