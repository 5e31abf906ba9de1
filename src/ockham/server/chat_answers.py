"""Answers in the form of the chat API: whole, or as the frames of a stream. Values only, nothing is asked here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ockham.server.answer_wishes import WantedForm, check_written
from ockham.server.api_error import ApiError
from ockham.server.open_reply import Said, Token
from ockham.server.reply_stream import Finished
from ockham.server.server_state import now
from ockham.server.token_usage import reply_usage

DONE = b"data: [DONE]\n\n"
REFUSAL = "The model gives no answer to this input."


def event(value: dict[str, Any]) -> bytes:
    """Write one event of a stream."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def failure(error: ApiError) -> bytes:
    """Write the end of a stream that failed."""
    return event(error.body()) + DONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatForm:
    """How a conversation is answered: by which model, to which texts, in which form."""

    model: str
    texts: Sequence[str]
    output: WantedForm
    wants_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=now)

    def head(self, kind: str) -> dict[str, Any]:
        """Return what stands in the answer and in every frame of it."""
        names = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**names, "service_tier": "default", "system_fingerprint": None}

    def call(self, text: str) -> dict[str, str] | None:
        """Return the call that an answer is: the function's name and its arguments; ``None`` where it is none."""
        if self.output.function is not None:
            return {"name": self.output.function.name, "arguments": text}
        names = [function.name for function in self.output.functions]
        try:
            value = orjson.loads(text) if names else None
        except orjson.JSONDecodeError:
            return None
        if not isinstance(value, dict) or value.keys() != {"name", "arguments"} or value["name"] not in names:
            return None
        arguments = value["arguments"]
        return {"name": value["name"], "arguments": orjson.dumps(arguments).decode()}

    def logprobs(self, tokens: Sequence[Token]) -> dict[str, Any] | None:
        """Return what is told of tokens, where it is asked for and known."""
        alternatives = self.output.tokens
        if alternatives is None or not tokens:
            return None
        return {"content": [token_entry(token, alternatives) for token in tokens], "refusal": None}


def token_entry(token: Token, alternatives: int) -> dict[str, Any]:
    """Return a token as the API tells of it."""
    best: Sequence[Mapping[str, Any]] = token.get("top_logprobs", ())
    return {**_bare(token), "top_logprobs": [_bare(other) for other in best[:alternatives]]}


def _bare(token: Mapping[str, Any]) -> dict[str, Any]:
    return {"token": token["token"], "logprob": max(float(token["logprob"]), -9999.0), "bytes": token.get("bytes")}


def _call_entry(call: Mapping[str, str]) -> dict[str, Any]:
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": dict(call)}


def completion(form: ChatForm, answers: Sequence[Finished]) -> dict[str, Any]:
    """Return the body of whole answers. Raises `ApiError` (500) for one that does not fit the schema."""
    for answer in answers:
        check_written(answer, form.output.held_schema)
    choices = [_choice(form, index, answer) for index, answer in enumerate(answers)]
    usage = reply_usage(form.texts, [answer.decided.answer for answer in answers])
    return {**form.head("chat.completion"), "choices": choices, "usage": usage}


def _choice(form: ChatForm, index: int, answer: Finished) -> dict[str, Any]:
    call = None if answer.text is None else form.call(answer.text)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text if call is None else None,
        "refusal": REFUSAL if answer.text is None else None,
        "annotations": [],
        **({} if call is None else {"tool_calls": [_call_entry(call)]}),
    }
    finish = answer.finish if call is None else "tool_calls"
    return {"index": index, "message": message, "finish_reason": finish, "logprobs": form.logprobs(answer.tokens)}


class ChatFrames:
    """The events of a stream: who speaks, what is said, that it is over, and what it took where that is asked."""

    media_type = "text/event-stream"

    def __init__(self, form: ChatForm) -> None:
        """Write answers of this form."""
        self._form = form
        self._head = {**form.head("chat.completion.chunk"), **({"usage": None} if form.wants_usage else {})}

    def begin(self, index: int) -> bytes:
        """Write who speaks."""
        return self._event(index, {"role": "assistant", "content": "", "refusal": None})

    def piece(self, index: int, said: Said) -> bytes:
        """Write what is said, or which function is called."""
        call = self._form.call(said.text)
        delta = {"content": said.text} if call is None else {"tool_calls": [{"index": 0, **_call_entry(call)}]}
        return self._event(index, delta, said.tokens)

    def finish(self, index: int, answer: Finished) -> bytes:
        """Write why no more is said. Raises `ApiError` (500) for an answer that does not fit the schema."""
        check_written(answer, self._form.output.held_schema)
        if answer.text is None:
            return self._event(index, {"refusal": REFUSAL}) + self._event(index, {}, reason=answer.finish)
        reason = answer.finish if self._form.call(answer.text) is None else "tool_calls"
        return self._event(index, {}, reason=reason)

    def close(self, answers: Sequence[Finished]) -> bytes:
        """Write what it took, where that is asked, and the end."""
        if not self._form.wants_usage:
            return DONE
        usage = reply_usage(self._form.texts, [answer.decided.answer for answer in answers])
        return event({**self._head, "choices": [], "usage": usage}) + DONE

    def fail(self, error: ApiError) -> bytes:
        """Write what went wrong, and the end."""
        return failure(error)

    def _event(
        self, index: int, delta: dict[str, Any], tokens: Sequence[Token] = (), reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": self._form.logprobs(tokens)}
        return event({**self._head, "choices": [choice]})
