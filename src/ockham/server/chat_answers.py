"""Answers in the form of the chat API: whole, or as the events of a stream. Values only, nothing is asked here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from ockham.server.chat_types import ChatRequest
from ockham.server.decision_answers import Decided
from ockham.server.token_usage import Usage, chat_usage

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """What a model answered to a conversation; ``text`` is ``None`` where it declined."""

    id: str
    created: int
    model: str
    text: str | None
    decided: Decided
    usage: Usage


REFUSAL = "The model gives no answer to this input."


def completion(answer: ChatAnswer, request: ChatRequest) -> dict[str, Any]:
    """Return the body of a whole answer."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text,
        "refusal": REFUSAL if answer.text is None else None,
        "annotations": [],
    }
    choices = [
        {"index": index, "message": message, "finish_reason": "stop", "logprobs": logprobs(answer, request)}
        for index in range(request.n or 1)
    ]
    return {**_head(answer, "chat.completion"), "choices": choices, "usage": chat_usage(answer.usage)}


def chunks(answer: ChatAnswer, request: ChatRequest) -> Iterator[bytes]:
    """Yield the events of a stream: who speaks, what is said, that it is over, what it took where that is asked."""
    wants_usage = bool(request.stream_options and request.stream_options.include_usage)
    head = {**_head(answer, "chat.completion.chunk"), **({"usage": None} if wants_usage else {})}
    said = {"content": answer.text} if answer.text is not None else {"refusal": REFUSAL}
    for index in range(request.n or 1):
        first = {"role": "assistant", "content": "", "refusal": None}
        yield event({**head, "choices": [_delta(index, first)]})
        yield event({**head, "choices": [{**_delta(index, said), "logprobs": logprobs(answer, request)}]})
        yield event({**head, "choices": [_delta(index, {}, "stop")]})
    if wants_usage:
        yield event({**head, "choices": [], "usage": chat_usage(answer.usage)})
    yield DONE


def event(value: dict[str, Any]) -> bytes:
    """Write one event of a stream."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _head(answer: ChatAnswer, kind: str) -> dict[str, Any]:
    return {
        "id": answer.id,
        "object": kind,
        "created": answer.created,
        "model": answer.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _delta(index: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": reason, "logprobs": None}


def logprobs(answer: ChatAnswer, request: ChatRequest) -> dict[str, Any] | None:
    """Return the log-probabilities of an answer, where they are asked for and known: a label counts as one token."""
    if not request.logprobs or answer.text is None or answer.decided.answer.confidence is None:
        return None
    shares = answer.decided.probabilities or {answer.text: answer.decided.answer.confidence}
    best = sorted(shares.items(), key=lambda pair: -pair[1])[: request.top_logprobs or 0]
    own = _token(answer.text, answer.decided.answer.confidence)
    return {"content": [{**own, "top_logprobs": [_token(*pair) for pair in best]}], "refusal": None}


def _token(text: str, probability: float) -> dict[str, Any]:
    return {"token": text, "logprob": math.log(max(probability, 1e-300)), "bytes": list(text.encode())}
