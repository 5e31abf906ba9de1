"""``POST /v1/completions``: the older form of chat, a prompt in and a text out."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import Field, StrictStr
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ockham.server.asking import ask
from ockham.server.chat_answers import DONE, event
from ockham.server.chat_types import Count, Penalty, StreamOptions
from ockham.server.input_text import text_of_input
from ockham.server.json_response import json_response
from ockham.server.request_body import read_body
from ockham.server.server_state import ServerState, headers_of, now
from ockham.server.strict_body import Strict
from ockham.server.token_usage import chat_usage, usage_of


class CompletionRequest(Strict):
    """The body; what would vary the answer has no effect, as in chat."""

    model: str
    prompt: StrictStr | Annotated[list[str], Field(min_length=1, max_length=64)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    best_of: Annotated[int, Field(ge=1, le=8)] | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: int | None = None
    stop: StrictStr | Annotated[list[str], Field(max_length=4)] | None = None
    user: str | None = None


async def complete(state: ServerState, request: Request) -> Response:
    """Answer each prompt with what the model was made to give."""
    body = await read_body(request, CompletionRequest)
    service = state.service(body.model)
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    texts = [text_of_input(prompt, service.bundle.manifest, "prompt") for prompt in prompts]
    decided = await ask(state, request, service, texts)
    said = [state.text_of(one) or "" for one in decided]
    copies = body.n or 1
    choices: list[dict[str, Any]] = [
        {
            "index": index,
            "text": f"{prompts[index // copies] if body.echo else ''}{said[index // copies]}",
            "finish_reason": "stop",
            "logprobs": None,
        }
        for index in range(len(said) * copies)
    ]
    usage = chat_usage(usage_of(texts, [one.answer for one in decided]))
    head: dict[str, Any] = {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": now(),
        "model": service.bundle.name,
        "system_fingerprint": None,
    }
    if not body.stream:
        return json_response({**head, "choices": choices, "usage": usage}, headers=headers_of(service))
    wants_usage = bool(body.stream_options and body.stream_options.include_usage)

    async def events() -> AsyncIterator[bytes]:
        for choice in choices:
            yield event({**head, "choices": [choice], **({"usage": None} if wants_usage else {})})
        if wants_usage:
            yield event({**head, "choices": [], "usage": usage})
        yield DONE

    return StreamingResponse(events(), headers=headers_of(service), media_type="text/event-stream")
