"""Read the body of a request: JSON within limits, checked against its type, and no word of it in what is refused."""

from __future__ import annotations

import asyncio
import json
import re
import time
from functools import cache
from typing import Any, NoReturn, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import Message

from ockham.server.api_error import ApiError
from ockham.server.strict_body import Strict

M = TypeVar("M", bound=BaseModel)
MOST_BYTES = 20 << 20
BODY_SECONDS = 30.0
_MOST_ERRORS = 3
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escape that may be half of a character."""
_OWN_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a parameter of this API",
    "union_tag_invalid": "is of an unknown type",
    "union_tag_not_found": "has no type",
    "literal_error": "is not one of the allowed values",
}
"""Words for errors whose own would repeat what the client sent."""


async def read_body(request: Request, kind: type[M]) -> M:
    """Read a body as ``kind``. Raises `ApiError`: 400, 408, 413, 415."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise ApiError(415, "The body must be JSON, with the header Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "The body must not be compressed")
    value = parse_json(await _read_bytes(request))
    if not isinstance(value, dict):
        raise ApiError(400, "The body must be a JSON object")
    return check(value, kind)


async def _read_bytes(request: Request) -> bytes:
    length = request.headers.get("content-length")
    if length is not None and int(length) > MOST_BYTES:
        raise _too_large()
    message = await _next_message(request, BODY_SECONDS)
    if not message.get("more_body"):
        return bytes(message["body"])
    chunks, size = [message["body"]], len(message["body"])
    end = time.monotonic() + BODY_SECONDS
    while message.get("more_body"):
        message = await _next_message(request, end - time.monotonic())
        size += len(message["body"])
        if size > MOST_BYTES:
            raise _too_large()
        chunks.append(message["body"])
    return b"".join(chunks)


async def _next_message(request: Request, seconds: float) -> Message:
    """Return the next part of a body. Raises `ApiError`: 408 where it does not come in time, 400 where the client left.

    The task itself is cancelled when time is up: one of its own for each part would cost more than reading it.
    """
    task, is_late = asyncio.current_task(), False

    def give_up() -> None:
        nonlocal is_late
        is_late = True
        if task is not None:
            task.cancel()

    timer = asyncio.get_running_loop().call_later(max(0.0, seconds), give_up)
    try:
        message = await request.receive()
    except asyncio.CancelledError:
        if not is_late:
            raise
        late = ApiError(408, "The body did not arrive in time", headers={"connection": "close"})
        raise late from None
    finally:
        timer.cancel()
    if message["type"] == "http.disconnect":
        raise ApiError(400, "The client left before its body was read")
    return message


def _too_large() -> ApiError:
    return ApiError(413, f"The body has more than {MOST_BYTES >> 20} MiB", headers={"connection": "close"})


def parse_json(data: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse JSON strictly: UTF-8, no NaN, no key twice, no half characters. Raises `ApiError` (400)."""
    try:
        if _HALF.search(data):
            orjson.loads(data)  # refuses them where they are no pair
        return _DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, _DuplicateKeyError) else "it is not valid JSON in UTF-8"
        raise ApiError(400, f"The body cannot be read: {what}") from None


class _DuplicateKeyError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise _DuplicateKeyError("an object has the same key twice")
    return record


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def check(value: object, kind: type[M]) -> M:
    """Hold a JSON value against its type. Raises `ApiError` (400) that names the first parameters that are wrong."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False, include_context=False)
        places = [_place(one["loc"]) for one in errors]
        words = [f"{place or 'the body'} {_words(one)}" for place, one in zip(places, errors, strict=True)]
        raise ApiError(400, "; ".join(dict.fromkeys(words[:_MOST_ERRORS])), param=places[0] or None) from None


def _place(location: tuple[int | str, ...]) -> str:
    """Name where an error is by indexes and the names of parameters, without keys that the client made up."""
    out = ""
    for part in location:
        if isinstance(part, int):
            out += f"[{part}]"
        elif part in _parameters():
            out += f".{part}" if out else part
    return out


@cache
def _parameters() -> frozenset[str]:
    """Return the name of every parameter of every body."""
    return frozenset(name for body in Strict.__subclasses__() for name in body.model_fields)


def _words(error: Any) -> str:  # noqa: ANN401 - pydantic's own type of a dict
    kind = str(error["type"])
    return _OWN_WORDS.get(kind, f"is not as it must be: {str(error['msg']).removeprefix('Value error, ')}")
