"""``POST /v1/completions``: the older form of chat, a prompt in and a text out."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, StrictStr
from starlette.requests import Request
from starlette.responses import Response

from ockham.server.answer_wishes import choose_seeds, drawing_wish
from ockham.server.api_error import ApiError
from ockham.server.chat_answers import DONE, event, failure, token_entry
from ockham.server.chat_types import Count, Penalty, Stop, StreamOptions
from ockham.server.input_text import text_of_input
from ockham.server.json_response import json_response
from ockham.server.open_reply import Said, Token
from ockham.server.reply_stream import Finished, Wanting, stream_answers, whole_answers
from ockham.server.request_body import read_body
from ockham.server.server_state import ServerState, headers_of, now
from ockham.server.strict_body import Strict
from ockham.server.token_usage import reply_usage


class CompletionRequest(Strict):
    """The body of ``POST /v1/completions``. Sampling parameters have an effect on text from a language model only."""

    model: str
    prompt: StrictStr | Annotated[list[str], Field(min_length=1, max_length=64)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    n: Annotated[int, Field(ge=1, le=8)] | None = None
    best_of: Annotated[int, Field(ge=1, le=8)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: int | None = None
    stop: Stop | None = None
    user: str | None = None


async def complete(state: ServerState, request: Request) -> Response:
    """Answer each prompt with what the model was made to give."""
    body = await read_body(request, CompletionRequest)
    service = state.service(body.model)
    manifest = service.bundle.manifest
    if (body.best_of or 1) > (body.n or 1):
        raise ApiError(400, "Answers are not chosen among others: best_of is n at most", param="best_of")
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    texts = [text_of_input(prompt, manifest, "prompt") for prompt in prompts]
    wish = {**drawing_wish(body, body.max_tokens), "whole": manifest.task == "generate"}
    wishes = choose_seeds({**wish, "alternatives": body.logprobs or 0}, body.n or 1)
    wanting = Wanting(
        service=service,
        texts=[text for text in texts for _ in wishes],
        wishes=wishes * len(texts),
        copies=(body.n or 1) // len(wishes),
    )
    frames = CompletionFrames(service.bundle.name, body, prompts, texts)
    if body.stream:
        return await stream_answers(state, request, wanting, frames)
    answers = await whole_answers(state, request, wanting)
    return json_response(frames.whole(answers), headers=headers_of(service))


class CompletionFrames:
    """The body of a whole answer, and the events of a stream."""

    media_type = "text/event-stream"

    def __init__(self, model: str, body: CompletionRequest, prompts: Sequence[str], texts: Sequence[str]) -> None:
        """Take what was asked."""
        self._body = body
        self._prompts = prompts
        self._texts = texts
        self._wants_usage = bool(body.stream_options and body.stream_options.include_usage)
        self._head: dict[str, Any] = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": now(),
            "model": model,
            "system_fingerprint": None,
        }

    def whole(self, answers: Sequence[Finished]) -> dict[str, Any]:
        """Return the body of whole answers."""
        choices = [
            self._choice(index, self._echo(index) + (answer.text or ""), answer.tokens, answer.finish)
            for index, answer in enumerate(answers)
        ]
        return {**self._head, "choices": choices, "usage": self._usage(answers)}

    def begin(self, index: int) -> bytes:
        """Write the prompt, where it is to be repeated."""
        return self._event(index, self._echo(index)) if self._body.echo else b""

    def piece(self, index: int, said: Said) -> bytes:
        """Write what is said."""
        return self._event(index, said.text, said.tokens)

    def finish(self, index: int, answer: Finished) -> bytes:
        """Write why no more is said."""
        return self._event(index, "", reason=answer.finish)

    def close(self, answers: Sequence[Finished]) -> bytes:
        """Write what it took, where that is asked, and the end."""
        usage = {**self._head, "choices": [], "usage": self._usage(answers)}
        return (event(usage) if self._wants_usage else b"") + DONE

    def fail(self, error: ApiError) -> bytes:
        """Write what went wrong, and the end."""
        return failure(error)

    def _echo(self, index: int) -> str:
        return self._prompts[index // (self._body.n or 1)] if self._body.echo else ""

    def _usage(self, answers: Sequence[Finished]) -> dict[str, Any]:
        return reply_usage(self._texts, [answer.decided.answer for answer in answers])

    def _event(self, index: int, text: str, tokens: Sequence[Token] = (), reason: str | None = None) -> bytes:
        usage = {"usage": None} if self._wants_usage else {}
        return event({**self._head, "choices": [self._choice(index, text, tokens, reason)], **usage})

    def _choice(self, index: int, text: str, tokens: Sequence[Token], reason: str | None) -> dict[str, Any]:
        alternatives = self._body.logprobs
        shares = None if alternatives is None or not tokens else _legacy_logprobs(tokens, alternatives)
        return {"index": index, "text": text, "finish_reason": reason, "logprobs": shares}


def _legacy_logprobs(tokens: Sequence[Token], alternatives: int) -> dict[str, Any]:
    entries = [token_entry(token, alternatives) for token in tokens]
    ends = list(itertools.accumulate(len(entry["token"]) for entry in entries))
    return {
        "tokens": [entry["token"] for entry in entries],
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": [{other["token"]: other["logprob"] for other in entry["top_logprobs"]} for entry in entries],
        "text_offset": [0, *ends[:-1]],
    }
