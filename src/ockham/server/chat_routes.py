"""``POST /v1/chat/completions``."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ockham.server.asking import ask
from ockham.server.chat_answers import ChatAnswer, chunks, completion
from ockham.server.chat_types import ChatRequest
from ockham.server.decision_answers import Decided
from ockham.server.input_text import text_of_input
from ockham.server.json_response import json_response
from ockham.server.model_service import ModelService
from ockham.server.request_body import read_body
from ockham.server.server_state import ServerState, headers_of, now
from ockham.server.token_usage import usage_of


async def chat(state: ServerState, request: Request) -> Response:
    """Answer a conversation: with the label, the JSON object or the text that the model was made to give."""
    body = await read_body(request, ChatRequest)
    service = state.service(body.model)
    text = text_of_input(body.messages, service.bundle.manifest, "messages")
    decided = (await ask(state, request, service, [text]))[0]
    answer = _chat_answer(state, service, text, decided)
    if not body.stream:
        return json_response(completion(answer, body), headers=headers_of(service))

    async def events() -> AsyncIterator[bytes]:
        for chunk in chunks(answer, body):
            yield chunk

    return StreamingResponse(events(), headers=headers_of(service), media_type="text/event-stream")


def _chat_answer(state: ServerState, service: ModelService, text: str, decided: Decided) -> ChatAnswer:
    return ChatAnswer(
        id=f"chatcmpl-{secrets.token_hex(12)}",
        created=now(),
        model=service.bundle.name,
        text=state.text_of(decided),
        decided=decided,
        usage=usage_of([text], [decided.answer]),
    )
