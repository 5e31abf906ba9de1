"""Ollama's routes, as thin translations: its clients and front ends ask the same models."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ockham.server.asking import ask
from ockham.server.decision_answers import Decided
from ockham.server.input_text import text_of_input
from ockham.server.json_response import json_response
from ockham.server.model_service import ModelService
from ockham.server.request_body import read_body
from ockham.server.server_state import ServerState, headers_of
from ockham.server.strict_body import Strict
from ockham.server.token_usage import usage_of
from ockham.version import __version__


class OllamaRequest(Strict):
    """What both bodies have; ``options`` would vary the answer, and have no effect."""

    model: str
    stream: bool | None = None
    format: str | dict[str, Any] | None = None
    options: dict[str, Any] | None = None
    keep_alive: float | str | None = None
    think: bool | str | None = None
    tools: list[dict[str, Any]] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class OllamaChatRequest(OllamaRequest):
    """The body of ``POST /api/chat``."""

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]


class OllamaGenerateRequest(OllamaRequest):
    """The body of ``POST /api/generate``."""

    prompt: str
    system: str | None = None
    template: str | None = None
    suffix: str | None = None
    context: list[int] | None = None
    raw: bool | None = None
    images: list[str] | None = None


async def chat(state: ServerState, request: Request) -> Response:
    """Answer ``POST /api/chat``."""
    body = await read_body(request, OllamaChatRequest)
    messages = [{"role": one.get("role"), "content": one.get("content")} for one in body.messages]
    return await _answer(state, request, body, messages)


async def generate(state: ServerState, request: Request) -> Response:
    """Answer ``POST /api/generate``."""
    body = await read_body(request, OllamaGenerateRequest)
    return await _answer(state, request, body, body.prompt)


async def _answer(
    state: ServerState, request: Request, body: OllamaRequest, said: str | list[dict[str, Any]]
) -> Response:
    began = time.monotonic_ns()
    service = state.service(body.model.removesuffix(":latest"))
    text = text_of_input(said, service.bundle.manifest, "messages")
    decided = (await ask(state, request, service, [text]))[0]
    content = state.text_of(decided) or ""
    head = {"model": body.model, "created_at": _moment(time.time())}
    key, value = (
        ("response", content) if isinstance(said, str) else ("message", {"role": "assistant", "content": content})
    )
    last = {**head, "done": True, "done_reason": "stop", **_durations(text, decided, time.monotonic_ns() - began)}
    if body.stream is False:
        return json_response({**last, key: value}, headers=headers_of(service))
    empty = "" if isinstance(said, str) else {"role": "assistant", "content": ""}

    async def lines() -> AsyncIterator[bytes]:
        yield orjson.dumps({**head, key: value, "done": False}) + b"\n"
        yield orjson.dumps({**last, key: empty}) + b"\n"

    return StreamingResponse(lines(), headers=headers_of(service), media_type="application/x-ndjson")


def _durations(text: str, decided: Decided, nanoseconds: int) -> dict[str, int]:
    usage = usage_of([text], [decided.answer])
    counts = {"prompt_eval_count": usage.read, "eval_count": usage.written}
    return {"total_duration": nanoseconds, "load_duration": 0, **counts, "eval_duration": nanoseconds}


async def list_tags(state: ServerState, request: Request) -> Response:  # noqa: ARG001 - the routes' signature
    """Answer ``GET /api/tags``: the models."""
    return json_response({"models": [_describe(service) for service in state.services.values()]})


async def tell_version(state: ServerState, request: Request) -> Response:  # noqa: ARG001
    """Answer ``GET /api/version``."""
    return json_response({"version": __version__})


def _describe(service: ModelService) -> dict[str, Any]:
    bundle = service.bundle
    details = {"format": "ockham", "family": bundle.manifest.kind, "parameter_size": "", "quantization_level": ""}
    return {
        "name": f"{bundle.name}:latest",
        "model": f"{bundle.name}:latest",
        "modified_at": _moment(bundle.created),
        "size": 0,
        "digest": bundle.digest.removeprefix("sha256:"),
        "details": details,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
