"""The web application: the routes, and the gate before them that every request must pass."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ockham.server import (
    admin_routes,
    chat_routes,
    completion_routes,
    console_routes,
    decision_routes,
    embedding_routes,
    model_routes,
    ollama_routes,
    openapi,
)
from ockham.server.access import sent_key
from ockham.server.api_error import ApiError
from ockham.server.bounded_protocol import CONNECTION
from ockham.server.json_response import error_response
from ockham.server.key_guesses import KeyGuesses
from ockham.server.server_state import ServerState

_log = logging.getLogger(__name__)
Handler = Callable[[ServerState, Request], Awaitable[Response]]

OPEN_PATHS = frozenset({"/live", "/ready", "/report", *console_routes.FILES})
"""What may be asked without a key; everything else, whether it is there or not, needs one. A report needs a ticket."""

ADMIN_PATHS = "/admin/"
"""Where the paths begin that have a key of their own."""

ROUTES: Sequence[tuple[str, str, Handler]] = (
    ("GET", "/live", model_routes.tell_alive),
    ("GET", "/ready", model_routes.tell_ready),
    ("GET", "/v1/models", model_routes.list_models),
    ("GET", "/v1/models/{name}", model_routes.show_model),
    ("POST", "/v1/decisions", decision_routes.decide),
    ("POST", "/v1/systemone", decision_routes.decide_system_one),
    ("POST", "/v1/chat/completions", chat_routes.chat),
    *(("GET", path, console_routes.show_file) for path in console_routes.FILES),
    ("GET", "/console/models/{name}", console_routes.show_facts),
    ("POST", "/console/models/{name}/report", console_routes.issue_ticket),
    ("GET", "/report", console_routes.show_report),
    ("POST", "/v1/completions", completion_routes.complete),
    ("GET", "/metrics", model_routes.show_metrics),
    ("POST", "/api/chat", ollama_routes.chat),
    ("POST", "/api/generate", ollama_routes.generate),
    ("GET", "/api/tags", ollama_routes.list_tags),
    ("GET", "/api/ps", ollama_routes.list_loaded),
    ("POST", "/api/show", ollama_routes.show),
    ("POST", "/v1/embeddings", embedding_routes.embed),
    ("POST", "/api/embed", embedding_routes.embed_for_ollama),
    ("POST", "/api/embeddings", embedding_routes.embed_one_for_ollama),
    ("GET", "/api/version", ollama_routes.tell_version),
    ("GET", "/openapi.json", openapi.show_document),
    ("GET", "/admin/models", admin_routes.list_states),
    ("POST", "/admin/models/{name}/load", admin_routes.load),
    ("POST", "/admin/models/{name}/unload", admin_routes.unload),
    ("POST", "/admin/models/{name}/reload", admin_routes.reload),
)


_PATHS = frozenset(path for _, path, _ in ROUTES)
_EXACT = {(method, path): handler for method, path, handler in ROUTES if "{" not in path}
"""The routes without parameters: nearly all that is asked, found without a search."""


def make_app(state: ServerState) -> ASGIApp:
    """Return the application that answers for these models."""
    routes = [Route(path, partial(handler, state), methods=[method]) for method, path, handler in ROUTES]
    return Gate(state, Router(routes, redirect_slashes=False, default=_refuse_path))


async def _refuse_path(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the signature of ASGI
    raise ApiError(404, "There is no such path", code="not_found")


class Gate:
    """Lets in who may ask, and sees to it that whatever fails is told in one form, without a word of the request."""

    def __init__(self, state: ServerState, inner: ASGIApp) -> None:
        """Stand before an application."""
        self._state = state
        self._inner = inner
        self._guesses = KeyGuesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began, status = time.monotonic(), 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                scope["state"][CONNECTION].flush()

        own = {**scope, "app": self}
        self._state.metrics.accept()
        try:
            error = await self._try(own, receive, send_noting)
            if error is not None and not status:
                await error_response(error, scope["path"])(scope, receive, send_noting)
        finally:
            self._note(own, status, time.monotonic() - began)

    async def _try(self, scope: Scope, receive: Receive, send: Send) -> ApiError | None:
        """Answer a request, or return what is to be told in place of an answer."""
        try:
            self._let_in(scope)
            handler = _EXACT.get((scope["method"], scope["path"]))
            if handler is None:
                await self._inner(scope, receive, send)
            else:
                response = await handler(self._state, Request(scope, receive, send))
                await response(scope, receive, send)
        except ApiError as error:
            return error
        except HTTPException as error:
            return ApiError(error.status_code, error.detail, headers=error.headers)
        except Exception as error:  # the client hears of it, and the log where it was; neither holds a value
            _log.error("request failed", extra={"fields": {"error": describe_failure(error)}})
            return ApiError(500, "The server failed to answer", code="internal_error")
        return None

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request and write it into the log; a path that is none of ours is not repeated."""
        route = scope["path"] if scope["path"] in _PATHS else "other"
        model = scope.get("ockham.model", "")
        self._state.metrics.count(route, status, model, seconds)
        fields = {"route": route, "status": status, "ms": round(1000 * seconds, 2), "model": model}
        failed = {"error": scope["ockham.error"]} if "ockham.error" in scope else {}
        self._state.log.write({**fields, "key": scope.get("ockham.key", ""), **failed})

    def _let_in(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        access, path = self._state.access, scope["path"]
        access.check_host(headers)
        if path in OPEN_PATHS:
            scope["ockham.key"] = ""
            return
        with self._guesses.count((scope.get("client") or ("",))[0], sent_key(headers)):
            if path.startswith(ADMIN_PATHS):
                access.check_admin(headers)
                scope["ockham.key"] = "admin"
            else:
                scope["ockham.key"] = access.key_name(headers)


def describe_failure(error: BaseException) -> str:
    """Say what kind of error it is and where it was raised; its words may hold anything, and are left out."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
