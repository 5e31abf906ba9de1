"""The OpenAPI document of a running server: its routes, with the models and labels that it serves now.

What clients send is written from the types that bodies are checked against, so the two cannot differ.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from ockham.server.chat_types import ChatRequest
from ockham.server.completion_routes import CompletionRequest
from ockham.server.decision_types import DecisionRequest, SystemOneRequest
from ockham.server.embedding_routes import EmbeddingRequest
from ockham.server.json_response import json_response
from ockham.server.model_service import ModelService
from ockham.server.ollama_types import (
    OllamaChatRequest,
    OllamaEmbedRequest,
    OllamaGenerateRequest,
    OllamaShowRequest,
)
from ockham.server.server_state import ServerState
from ockham.version import __version__

Schema = dict[str, Any]
_REFERENCE = "#/components/schemas/{model}"
_STATUSES = {
    "400": "The request is not valid.",
    "401": "The API key is missing or wrong.",
    "403": "Requests to this Host or from this Origin are not allowed.",
    "404": "There is no model of this name.",
    "408": "The request body did not arrive in time.",
    "413": "The request body is too large.",
    "415": "The request body is not JSON.",
    "429": "Too many requests are waiting, or too many wrong keys were sent. Retry-After says when to try again.",
    "503": "The model is not available at the moment.",
    "504": "The model did not answer in time.",
}
_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


_OLLAMA_ERROR: Schema = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
"""A text that is not blank."""
_QUESTION: Schema = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {"role": {"const": "user"}, "content": {"anyOf": [_TEXT, {"type": "array", "minItems": 1}]}},
}
"""The message that must be among those of a conversation."""
_EVENT: Schema = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
_SAID = "please send the invoice again"


class Operation(NamedTuple):
    """A route of the document: its body, what must be in its answer, and the media type of a stream."""

    path: str
    summary: str
    body: type[BaseModel] | None
    answer: Mapping[str, Schema]
    stream: str | None = None


_LIST: Schema = {"type": "array"}
_COUNTS: Schema = {"type": "object"}
_WORD: Schema = {"type": "string"}
_CHAT = {"id": _WORD, "object": _WORD, "model": _WORD, "choices": _LIST, "usage": _COUNTS}
_OLLAMA = {"model": _WORD, "created_at": _WORD, "done": {"type": "boolean"}}
ENCODER = "encoder"
"""The kind of model that makes vectors of texts."""
EVENTS, LINES = "text/event-stream", "application/x-ndjson"
OPERATIONS = (
    Operation("/v1/models", "List the models.", None, {"object": _WORD, "data": _LIST}),
    Operation("/api/tags", "List the models (Ollama).", None, {"models": _LIST}),
    Operation("/api/ps", "List the models that are loaded (Ollama).", None, {"models": _LIST}),
    Operation("/api/version", "Return the server's version (Ollama).", None, {"version": _WORD}),
    Operation(
        "/v1/decisions",
        "Answer questions about an input, with a probability for each choice.",
        DecisionRequest,
        {"model": _WORD, "answers": _LIST, "usage": _COUNTS},
    ),
    Operation(
        "/v1/systemone",
        "Answer questions about an input; questions and answers are maps.",
        SystemOneRequest,
        {"model": _WORD, "answers": _COUNTS, "usage": _COUNTS},
    ),
    Operation("/v1/chat/completions", "Answer a conversation, at once or as a stream.", ChatRequest, _CHAT, EVENTS),
    Operation("/v1/completions", "Answer prompts, at once or as a stream.", CompletionRequest, _CHAT, EVENTS),
    Operation("/api/chat", "Answer a conversation (Ollama).", OllamaChatRequest, _OLLAMA, LINES),
    Operation("/api/generate", "Answer a prompt (Ollama).", OllamaGenerateRequest, _OLLAMA, LINES),
    Operation("/api/show", "Describe a model (Ollama).", OllamaShowRequest, {"details": _COUNTS}),
    Operation(
        "/v1/embeddings", "Return the embedding of each text.", EmbeddingRequest, {"data": _LIST, "usage": _COUNTS}
    ),
    Operation("/api/embed", "Return the embedding of each text (Ollama).", OllamaEmbedRequest, {"embeddings": _LIST}),
)


async def show_document(state: ServerState, request: Request) -> Response:  # noqa: ARG001 - the routes' signature
    """Return the document of this server."""
    return json_response(document(state.services))


def document(services: Mapping[str, ModelService]) -> Schema:
    """Return the OpenAPI document for these models."""
    classifiers = {name: one for name, one in services.items() if one.bundle.manifest.task == "classify"}
    bodies = tuple(operation.body for operation in OPERATIONS if operation.body is not None)
    _, definitions = models_json_schema([(body, "validation") for body in bodies], ref_template=_REFERENCE)
    schemas: Schema = {**copy.deepcopy(definitions["$defs"]), "Error": _ERROR, "OllamaError": _OLLAMA_ERROR}
    _narrow(schemas, services, classifiers)
    examples = _examples(services, classifiers)
    named = {
        operation.path: _describe(operation, examples.get(operation.path))
        for operation in OPERATIONS
        if operation.body is None or operation.path in examples
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ockham", "version": __version__},
        "paths": named,
        "components": {"schemas": schemas, "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
        "security": [{"key": []}],
    }


def _describe(operation: Operation, example: Schema | None) -> Schema:
    answer = {"type": "object", "required": sorted(operation.answer), "properties": dict(operation.answer)}
    content: Schema = {"application/json": {"schema": answer}}
    if operation.stream is not None:
        content[operation.stream] = {"schema": _EVENT if operation.stream == EVENTS else {"type": "string"}}
    responses: Schema = {"200": {"description": "The answer.", "content": content}}
    kind = "OllamaError" if operation.path.startswith("/api/") else "Error"
    error = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=kind)}}}
    named = _STATUSES if operation.body is not None else ("401", "403")
    responses |= {status: {"description": _STATUSES[status], "content": error} for status in named}
    method: Schema = {"summary": operation.summary, "operationId": _name(operation.path), "responses": responses}
    if operation.body is None:
        return {"get": method}
    schema = {"$ref": _REFERENCE.format(model=operation.body.__name__)}
    method["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}
    return {"post": method}


def _name(path: str) -> str:
    return "_".join(part for part in path.replace("v1/", "").split("/") if part)


def _narrow(schemas: Schema, services: Mapping[str, ModelService], classifiers: Mapping[str, ModelService]) -> None:
    """Say in the schemas of bodies which models there are, which labels they have, and what a text must be."""
    labels = sorted({label for one in classifiers.values() for label in one.bundle.manifest.labels})
    for operation in OPERATIONS:
        if operation.body is not None:
            asked = classifiers if operation.body in (DecisionRequest, SystemOneRequest) else services
            if operation.body in (EmbeddingRequest, OllamaEmbedRequest):
                asked = {name: one for name, one in services.items() if one.bundle.manifest.kind == ENCODER}
            _properties(schemas, operation.body.__name__)["model"] = {"type": "string", "enum": sorted(asked)}
    _properties(schemas, "ChoiceOption")["value"] = {"enum": [*labels, *_truths(labels)]}
    _properties(schemas, "Level")["label"] = {"enum": labels}
    _properties(schemas, "SystemOneQuestion")["criteria"]["propertyNames"] = {"enum": labels}
    if not any(len(one.bundle.manifest.labels) == 2 for one in classifiers.values()):
        _leave_out(schemas, "PredicateQuestion")
    for name in ("ChatRequest", "OllamaChatRequest"):
        _properties(schemas, name)["messages"]["contains"] = _QUESTION
    for name, field in (("DecisionRequest", "input"), ("CompletionRequest", "prompt"), ("SystemOneRequest", "state")):
        _properties(schemas, name)[field]["anyOf"][0] = _TEXT
    _properties(schemas, "CompletionRequest")["prompt"]["anyOf"][1]["items"] = _TEXT


def _examples(services: Mapping[str, ModelService], classifiers: Mapping[str, ModelService]) -> dict[str, Schema]:
    """Return a body for each path."""
    said, model = [{"role": "user", "content": _SAID}], next(iter(services))
    examples: dict[str, Schema] = {
        "/v1/chat/completions": {"model": model, "messages": said},
        "/v1/completions": {"model": model, "prompt": _SAID},
        "/api/chat": {"model": model, "messages": said},
        "/api/generate": {"model": model, "prompt": _SAID},
        "/api/show": {"model": model},
    }
    for name in [name for name, one in services.items() if one.bundle.manifest.kind == ENCODER][:1]:
        examples["/v1/embeddings"] = examples["/api/embed"] = {"model": name, "input": _SAID}
    for name, classifier in list(classifiers.items())[:1]:
        labels = classifier.bundle.manifest.labels[:3]
        question = {"type": "choice", "instructions": "Which?", "choices": [{"value": label} for label in labels]}
        examples["/v1/decisions"] = {"model": name, "input": _SAID, "questions": [question]}
        asked = {"type": "choice", "criteria": dict.fromkeys(labels)}
        examples["/v1/systemone"] = {"model": name, "state": _SAID, "questions": {"label": asked}}
    return examples


def _properties(schemas: Schema, name: str) -> Schema:
    properties: Schema = schemas[name]["properties"]
    return properties


def _truths(labels: Sequence[str]) -> list[bool]:
    lower = [label.lower() for label in labels]
    return [value for value in (True, False) if lower.count(str(value).lower()) == 1]


def _leave_out(schemas: Schema, name: str) -> None:
    """Take a kind of question out of those that may be asked."""
    reference = _REFERENCE.format(model=name)
    items = _properties(schemas, "DecisionRequest")["questions"]["items"]
    items["oneOf"] = [one for one in items["oneOf"] if one["$ref"] != reference]
    mapping = items["discriminator"]["mapping"]
    items["discriminator"]["mapping"] = {key: value for key, value in mapping.items() if value != reference}
    del schemas[name]
