"""Responses in JSON, written by orjson."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

from ockham.server.api_error import ApiError


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:  # noqa: ANN401
    """Return a response with a JSON body."""
    return Response(orjson.dumps(value), status, dict(headers or {}), "application/json")


def error_response(error: ApiError, path: str = "") -> Response:
    """Return the response that tells a client of an error: in Ollama's form where its routes are asked."""
    body = {"error": error.message} if path.startswith("/api/") else error.body()
    return json_response(body, error.status, error.headers)
