"""Answers in the form of Ollama's routes: whole, or as the lines of a stream. Values only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import orjson

from ockham.server.answer_wishes import check_written
from ockham.server.api_error import ApiError
from ockham.server.chat_answers import ChatForm, token_entry
from ockham.server.open_reply import Said, Token
from ockham.server.reply_stream import Finished
from ockham.server.token_usage import usage_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaForm:
    """How a request is answered: ``is_chat`` with messages, else with texts; ``chat`` says what else is wanted."""

    model: str
    text: str
    is_chat: bool
    chat: ChatForm
    began: int = field(default_factory=time.monotonic_ns)

    def line(self, text: str, tokens: Sequence[Token], more: dict[str, Any]) -> dict[str, Any]:
        """Return an object that holds a text, or the call that it is."""
        call = self.chat.call(text) if self.is_chat and text else None
        message: dict[str, Any] = {"role": "assistant", "content": text if call is None else ""}
        if call is not None:
            function = {"name": call["name"], "arguments": orjson.loads(call["arguments"])}
            message["tool_calls"] = [{"function": function}]
        alternatives = self.chat.output.tokens
        entries = [] if alternatives is None else [token_entry(token, alternatives) for token in tokens]
        return {
            "model": self.model,
            "created_at": moment(time.time()),
            **({"message": message} if self.is_chat else {"response": text}),
            **({"logprobs": entries} if entries else {}),
            **more,
        }

    def last(self, answer: Finished) -> dict[str, Any]:
        """Return what the end says: why, and what it took."""
        usage = usage_of([self.text], [answer.decided.answer])
        took = time.monotonic_ns() - self.began
        counts = {"prompt_eval_count": usage.read, "eval_count": usage.written}
        durations = {"total_duration": took, "load_duration": 0, "prompt_eval_duration": 0, "eval_duration": took}
        return {"done": True, "done_reason": answer.finish, **durations, **counts}


def whole_line(form: OllamaForm, answer: Finished) -> dict[str, Any]:
    """Return the body of a whole answer. Raises `ApiError` (500) for one that does not fit the schema."""
    check_written(answer, form.chat.output.held_schema)
    return form.line(answer.text or "", answer.tokens, form.last(answer))


class OllamaFrames:
    """The lines of a stream."""

    media_type = "application/x-ndjson"

    def __init__(self, form: OllamaForm) -> None:
        """Write one answer of this form."""
        self._form = form

    def begin(self, index: int) -> bytes:  # noqa: ARG002 - there is one answer
        """Write nothing: the first piece is the first line."""
        return b""

    def piece(self, index: int, said: Said) -> bytes:  # noqa: ARG002
        """Write what is said."""
        return orjson.dumps(self._form.line(said.text, said.tokens, {"done": False})) + b"\n"

    def finish(self, index: int, answer: Finished) -> bytes:  # noqa: ARG002
        """Write that it is over, and what it took. Raises `ApiError` (500) where it does not fit the schema."""
        check_written(answer, self._form.chat.output.held_schema)
        return orjson.dumps(self._form.line("", (), self._form.last(answer))) + b"\n"

    def close(self, answers: Sequence[Finished]) -> bytes:  # noqa: ARG002
        """Write nothing more."""
        return b""

    def fail(self, error: ApiError) -> bytes:
        """Write what went wrong, which is the end."""
        return orjson.dumps({"error": error.message}) + b"\n"


def moment(seconds: float) -> str:
    """Return a time, in seconds since 1970, as Ollama writes it."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
