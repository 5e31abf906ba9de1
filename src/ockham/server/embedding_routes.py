"""``POST /v1/embeddings``, and Ollama's ``/api/embed`` and ``/api/embeddings``: the vectors that an encoder makes."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, StrictStr
from starlette.requests import Request
from starlette.responses import Response

from ockham.readers.table import unusable
from ockham.server.admission import estimate_tokens
from ockham.server.api_error import ApiError
from ockham.server.asking import while_connected
from ockham.server.json_response import json_response
from ockham.server.model_service import ModelService
from ockham.server.ollama_routes import find_service
from ockham.server.ollama_types import OllamaEmbeddingsRequest, OllamaEmbedRequest
from ockham.server.request_body import read_body
from ockham.server.server_state import ServerState, headers_of
from ockham.server.strict_body import Strict

MOST_TEXTS = 2_048


class EmbeddingRequest(Strict):
    """The body of ``POST /v1/embeddings``. Tokens are refused, and so are dimensions other than the model's."""

    model: str
    input: StrictStr | Annotated[list[str], Field(min_length=1, max_length=MOST_TEXTS)]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


async def embed(state: ServerState, request: Request) -> Response:
    """Answer with a vector of length 1 for each text."""
    body = await read_body(request, EmbeddingRequest)
    service = state.service(body.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors, tokens = await _vectors(state, request, service, texts, body.dimensions)
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _pack(vector) if body.encoding_format == "base64" else vector,
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}
    answer = {"object": "list", "data": data, "model": service.bundle.name, "usage": usage}
    return json_response(answer, headers=headers_of(service))


async def embed_for_ollama(state: ServerState, request: Request) -> Response:
    """Answer ``POST /api/embed``."""
    body = await read_body(request, OllamaEmbedRequest)
    began = time.monotonic_ns()
    service = find_service(state, body.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors, tokens = await _vectors(state, request, service, texts, body.dimensions)
    took = {"total_duration": time.monotonic_ns() - began, "load_duration": 0, "prompt_eval_count": sum(tokens)}
    return json_response({"model": body.model, "embeddings": vectors, **took}, headers=headers_of(service))


async def embed_one_for_ollama(state: ServerState, request: Request) -> Response:
    """Answer ``POST /api/embeddings``, the older form."""
    body = await read_body(request, OllamaEmbeddingsRequest)
    service = find_service(state, body.model)
    vectors, _ = await _vectors(state, request, service, [body.prompt], None)
    return json_response({"embedding": vectors[0]}, headers=headers_of(service))


async def _vectors(
    state: ServerState, request: Request, service: ModelService, texts: Sequence[str], dimensions: int | None
) -> tuple[list[list[float]], list[int]]:
    """Return the vector of each text and its tokens. Raises `ApiError`: 400 for what has none, 429, 499, 503, 504."""
    request.scope["ockham.model"] = service.bundle.name
    for number, text in enumerate(texts):
        fault = unusable(text)
        if fault is not None or not text.strip():
            what = "is empty" if fault is None else f"cannot be read: {fault.replace('the record', 'it')}"
            raise ApiError(400, f"Text {number + 1} of {len(texts)} {what}", param="input")
    with state.admission.admit(sum(map(estimate_tokens, texts)), request.scope["ockham.key"]):
        width = await service.embedding_width()
        if not width:
            message = f"The model {service.bundle.name} makes no vectors of texts; an encoder does"
            raise ApiError(400, message, code="wrong_task", param="model")
        if dimensions not in (None, width):
            raise ApiError(400, f"The vectors of the model have {width} dimensions", param="dimensions")
        return await while_connected(request, service.embed(texts), state.answer_seconds)


def _pack(vector: Sequence[float]) -> str:
    """Write numbers as clients unpack them: 32 bits each, the smallest byte first, in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
