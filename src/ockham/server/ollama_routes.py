"""Ollama's routes, as thin translations: its clients and front ends ask the same models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ockham.server.answer_schema import Schema, check_schema
from ockham.server.answer_wishes import ANY_OBJECT, WantedForm, called_function, drawing_wish, told_alternatives
from ockham.server.api_error import ApiError
from ockham.server.chat_answers import ChatForm
from ockham.server.chat_types import Tool, ToolFunction
from ockham.server.input_text import text_of_input
from ockham.server.json_response import json_response
from ockham.server.model_service import ModelService
from ockham.server.ollama_answers import OllamaForm, OllamaFrames, moment, whole_line
from ockham.server.ollama_types import (
    OllamaChatRequest,
    OllamaGenerateRequest,
    OllamaOptions,
    OllamaRequest,
    OllamaShowRequest,
)
from ockham.server.reply_stream import stream_answers, whole_answers
from ockham.server.request_body import check, read_body
from ockham.server.server_state import ServerState, headers_of
from ockham.version import __version__

_TAG = ":latest"


async def chat(state: ServerState, request: Request) -> Response:
    """Answer ``POST /api/chat``; without messages the model is loaded."""
    body = await read_body(request, OllamaChatRequest)
    service = find_service(state, body.model)
    if not body.messages:
        return await _load(service, body, {"message": {"role": "assistant", "content": ""}})
    if any(message.get("images") for message in body.messages):
        raise ApiError(400, "The model reads text alone: images cannot be answered", param="messages")
    functions = [check(_bare(tool), Tool).function for tool in body.tools or ()]
    return await _answer(state, request, body, body.messages, functions)


async def generate(state: ServerState, request: Request) -> Response:
    """Answer ``POST /api/generate``; without a prompt the model is loaded."""
    body = await read_body(request, OllamaGenerateRequest)
    if not body.prompt:
        return await _load(find_service(state, body.model), body, {"response": ""})
    return await _answer(state, request, body, body.prompt, ())


async def _answer(
    state: ServerState,
    request: Request,
    body: OllamaRequest,
    said: str | Sequence[dict[str, Any]],
    functions: Sequence[ToolFunction],
) -> Response:
    service = find_service(state, body.model)
    manifest = service.bundle.manifest
    text = text_of_input(said, manifest, "messages")
    function = called_function(functions, None, manifest)
    options = body.options or OllamaOptions()
    form = WantedForm(
        schema=_schema_of(body.format, function),
        functions=functions,
        function=function,
        tokens=told_alternatives(body),
        is_cut=bool(options.stop),
    )
    limit = options.num_predict if options.num_predict is not None and options.num_predict > 0 else None
    wanting = form.wanting(service, text, drawing_wish(options, limit), 1)
    chat_form = ChatForm(model=body.model, texts=[text], output=form)
    line_form = OllamaForm(model=body.model, text=text, is_chat=not isinstance(said, str), chat=chat_form)
    if body.stream is not False:
        return await stream_answers(state, request, wanting, OllamaFrames(line_form))
    (answer,) = await whole_answers(state, request, wanting)
    return json_response(whole_line(line_form, answer), headers=headers_of(service))


def _schema_of(wanted: str | dict[str, Any] | None, function: ToolFunction | None) -> Schema | None:
    if function is not None:
        return check_schema(function.parameters or ANY_OBJECT, "tools")
    if isinstance(wanted, dict):
        return check_schema(wanted, "format")
    if wanted not in (None, "", "json"):
        raise ApiError(400, "The format is neither json nor a JSON schema", param="format")
    return ANY_OBJECT if wanted else None


def _bare(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool without what clients of Ollama add to the form of the OpenAI API."""
    function = tool.get("function")
    known = ("name", "description", "parameters")
    bare = {name: function[name] for name in known if name in function} if isinstance(function, dict) else function
    return {"type": tool.get("type", "function"), "function": bare}


async def _load(service: ModelService, body: OllamaRequest, empty: dict[str, Any]) -> Response:
    """Load a model, as clients do before they ask."""
    await service.is_heard()
    service.touch()
    line = {"model": body.model, "created_at": moment(service.bundle.created), **empty}
    return json_response({**line, "done": True, "done_reason": "load"}, headers=headers_of(service))


def find_service(state: ServerState, name: str) -> ModelService:
    """Return the model of a name, with or without Ollama's tag. Raises `ApiError` (404)."""
    return state.service(name.removesuffix(_TAG))


async def list_tags(state: ServerState, request: Request) -> Response:  # noqa: ARG001 - the routes' signature
    """Answer ``GET /api/tags``: the models."""
    return json_response({"models": [_describe(service) for service in state.services.values()]})


async def list_loaded(state: ServerState, request: Request) -> Response:  # noqa: ARG001
    """Answer ``GET /api/ps``: the models that are loaded."""
    loaded = [service for service in state.services.values() if service.is_loaded]
    never = {"expires_at": "9999-12-31T23:59:59Z", "size_vram": 0, "context_length": 0}
    return json_response({"models": [{**_describe(service), **never} for service in loaded]})


async def show(state: ServerState, request: Request) -> Response:
    """Answer ``POST /api/show``: what one model is."""
    body = await read_body(request, OllamaShowRequest)
    service = find_service(state, body.model)
    manifest = service.bundle.manifest
    facts = {
        "general.architecture": manifest.kind,
        "general.basename": manifest.candidate.name,
        "ockham.task": manifest.task,
        "ockham.labels": list(manifest.labels),
        "ockham.inputs": list(manifest.inputs),
        "ockham.digest": service.bundle.digest,
    }
    description = _describe(service)
    shown = {"details": description["details"], "modified_at": description["modified_at"], "model_info": facts}
    texts = {"license": "", "modelfile": "", "parameters": "", "template": ""}
    capabilities = ["completion", *(["embedding"] if await service.embedding_width() else [])]
    return json_response({**texts, **shown, "capabilities": capabilities}, headers=headers_of(service))


async def tell_version(state: ServerState, request: Request) -> Response:  # noqa: ARG001
    """Answer ``GET /api/version``."""
    return json_response({"version": __version__})


def _describe(service: ModelService) -> dict[str, Any]:
    bundle = service.bundle
    details = {
        "parent_model": "",
        "format": "ockham",
        "family": bundle.manifest.kind,
        "families": [bundle.manifest.kind],
        "parameter_size": "",
        "quantization_level": "",
    }
    return {
        "name": f"{bundle.name}{_TAG}",
        "model": f"{bundle.name}{_TAG}",
        "modified_at": moment(bundle.created),
        "size": 0,
        "digest": bundle.digest.removeprefix("sha256:"),
        "details": details,
    }
