"""``POST /v1/chat/completions``."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ockham.server.answer_wishes import WantedForm, called_function, drawing_wish, schema_of, told_alternatives
from ockham.server.chat_answers import ChatForm, ChatFrames, completion
from ockham.server.chat_types import ChatRequest
from ockham.server.input_text import text_of_input
from ockham.server.json_response import json_response
from ockham.server.reply_stream import stream_answers, whole_answers
from ockham.server.request_body import read_body
from ockham.server.server_state import ServerState, headers_of


async def chat(state: ServerState, request: Request) -> Response:
    """Answer a conversation: with the label, the JSON object or the text that the model was made to give."""
    body = await read_body(request, ChatRequest)
    service = state.service(body.model)
    manifest = service.bundle.manifest
    text = text_of_input(body.messages, manifest, "messages")
    functions = [tool.function for tool in body.tools or () if body.tool_choice != "none"]
    function = called_function(functions, body.tool_choice, manifest)
    form = WantedForm(
        schema=schema_of(body.response_format, function),
        functions=functions,
        function=function,
        tokens=told_alternatives(body),
        is_cut=bool(body.stop),
    )
    wish = drawing_wish(body, body.max_completion_tokens or body.max_tokens)
    wanting = form.wanting(service, text, wish, body.n or 1)
    wants_usage = bool(body.stream_options and body.stream_options.include_usage)
    chat_form = ChatForm(model=service.bundle.name, texts=[text], output=form, wants_usage=wants_usage)
    if body.stream:
        return await stream_answers(state, request, wanting, ChatFrames(chat_form))
    answers = await whole_answers(state, request, wanting)
    return json_response(completion(chat_form, answers), headers=headers_of(service))
