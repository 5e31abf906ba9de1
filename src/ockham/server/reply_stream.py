"""Answers as every API gives them: whole, or as a stream of frames with exactly one end.

Chat, completions and Ollama differ in their frames alone. Nothing is sent before the first piece is there, so that what
fails until then has its own status; what fails later is told in the stream, and is never an end like any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ockham.server.admission import estimate_tokens
from ockham.server.api_error import ApiError
from ockham.server.asking import while_connected
from ockham.server.decision_answers import Decided
from ockham.server.model_service import ModelService
from ockham.server.open_reply import OpenReply, Said, Token
from ockham.server.server_state import ServerState, headers_of

_log = logging.getLogger(__name__)
Shape = Callable[[str], str | None]
"""Answer → the same in another form; ``None`` where it cannot have that form. May raise `ApiError`."""
_MOST_TOLD = 20
"""Labels that are told of with their probabilities, as tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanting:
    """Texts for one model, each with what is wished of its answer (`ockham.models.replies.ReplyWish`).

    Each answer is given ``copies`` times, as clients that want several answers have it. ``shape`` puts a whole answer
    into the form that was asked for; nothing of it is said before.
    """

    service: ModelService
    texts: Sequence[str]
    wishes: Sequence[Mapping[str, Any]]
    copies: int = 1
    shape: Shape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A whole answer; ``text`` is ``None`` where the model declined."""

    text: str | None
    tokens: tuple[Token, ...]
    finish: str
    decided: Decided


class Frames(Protocol):
    """How one API writes a stream."""

    media_type: str

    def begin(self, index: int) -> bytes:
        """Write what stands before an answer."""
        ...

    def piece(self, index: int, said: Said) -> bytes:
        """Write a piece of an answer."""
        ...

    def finish(self, index: int, answer: Finished) -> bytes:
        """Write that an answer is over, and why."""
        ...

    def close(self, answers: Sequence[Finished]) -> bytes:
        """Write the end of a stream that went well."""
        ...

    def fail(self, error: ApiError) -> bytes:
        """Write the end of a stream that failed."""
        ...


async def whole_answers(state: ServerState, request: Request, wanting: Wanting) -> list[Finished]:
    """Return the answer to each text. Raises `ApiError`, as `stream_answers`."""
    with contextlib.ExitStack() as held:
        replies = await _open(state, request, wanting, held)

        async def read_all() -> list[Finished]:
            parts = [part for reply in replies async for part in _parts(state, reply, wanting.shape)]
            return [part for part in parts if isinstance(part, Finished) for _ in range(wanting.copies)]

        return await while_connected(request, read_all(), state.answer_seconds)


async def stream_answers(state: ServerState, request: Request, wanting: Wanting, frames: Frames) -> Response:
    """Return the stream of the answers, one after the other, once there is something to say.

    Raises `ApiError` for what fails until then: 400, 429 and 503 as `Admission.admit`, 499, 503, 504.
    """
    with contextlib.ExitStack() as held:
        replies = await _open(state, request, wanting, held)
        sources = [_parts(state, reply, wanting.shape) for reply in replies]

        async def first_part() -> Said | Finished:
            return await anext(sources[0])

        first = await while_connected(request, first_part(), state.answer_seconds)
        return ReplyStream(first, sources, frames, held.pop_all(), wanting)


async def _open(state: ServerState, request: Request, wanting: Wanting, held: contextlib.ExitStack) -> list[OpenReply]:
    """Let a request in and begin its answers; they are left when what is ``held`` is let go."""
    service = wanting.service
    request.scope["ockham.model"] = service.bundle.name
    held.enter_context(state.admission.admit(sum(map(estimate_tokens, wanting.texts)), request.scope["ockham.key"]))
    replies = []
    for text, wish in zip(wanting.texts, wanting.wishes, strict=True):
        replies.append(await service.open_reply(text, request.scope["ockham.key"], wish))
        held.callback(replies[-1].leave)
    return replies


async def _parts(state: ServerState, reply: OpenReply, shape: Shape | None) -> AsyncIterator[Said | Finished]:
    """Yield what is said, and the whole at the end; nothing is said before the end where it may be in doubt."""
    tokens: list[Token] = []
    is_whole = True
    async for part in reply.parts():
        if isinstance(part, Said):
            tokens += part.tokens
            if state.min_confidence is None and shape is None:
                is_whole = False
                yield part
            continue
        text = state.text_of(part.decided)
        tokens = tokens or label_tokens(part.decided)
        text = text if text is None or shape is None else shape(text)
        if text and is_whole:
            yield Said(text=text, tokens=tokens)
        yield Finished(text=text, tokens=tuple(tokens), finish=part.finish, decided=part.decided)


def label_tokens(decided: Decided) -> list[Token]:
    """Return an answer that is not written token by token as one token, beside the other labels."""
    text, confidence = decided.answer.value, decided.answer.confidence
    if text is None or confidence is None:
        return []
    shares = decided.probabilities or {text: confidence}
    best = sorted(shares.items(), key=lambda pair: -pair[1])[:_MOST_TOLD]
    return [{**_token(text, confidence), "top_logprobs": [_token(*pair) for pair in best]}]


def _token(text: str, probability: float) -> dict[str, Any]:
    return {"token": text, "logprob": math.log(max(probability, 1e-300)), "bytes": list(text.encode())}


class ReplyStream(Response):
    """A stream of frames; whatever it holds is let go when it ends, or the client leaves."""

    def __init__(
        self,
        first: Said | Finished,
        sources: Sequence[AsyncIterator[Said | Finished]],
        frames: Frames,
        held: contextlib.ExitStack,
        wanting: Wanting,
    ) -> None:
        """Take the first part, which has come already, and where the others come from."""
        self._first = first
        self._sources = sources
        self._frames = frames
        self._held = held
        self._copies = wanting.copies
        headers = {**headers_of(wanting.service), "cache-control": "no-cache"}
        super().__init__(headers=headers, media_type=frames.media_type)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream; end early where nobody reads any more."""
        leaving = asyncio.create_task(_wait_for_disconnect(receive))
        sending = asyncio.create_task(self._send(scope, send))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                scope["ockham.error"] = "client_left"
        finally:
            self._held.close()
            for task in (leaving, sending):
                task.cancel()
            await asyncio.gather(leaving, sending, return_exceptions=True)

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async for frame in self._write():
                await send({"type": "http.response.body", "body": frame, "more_body": True})
            last = b""
        except ApiError as error:
            scope["ockham.error"] = error.code or "error"
            last = self._frames.fail(error)
        except Exception as error:  # the client hears that it failed, and no more
            _log.error("a stream failed: %s", type(error).__name__)
            scope["ockham.error"] = "internal_error"
            last = self._frames.fail(ApiError(500, "The server failed to answer", code="internal_error"))
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _write(self) -> AsyncIterator[bytes]:
        answers: list[Finished] = []
        part: Said | Finished | None = self._first
        for source in self._sources:
            yield self._frames.begin(len(answers))
            while True:
                part = await anext(source) if part is None else part
                if isinstance(part, Finished):
                    break
                yield self._frames.piece(len(answers), part)
                part = None
            answer, part = part, None
            yield self._frames.finish(len(answers), answer)
            answers.append(answer)
            for _ in range(1, self._copies):
                yield self._frames.begin(len(answers))
                if answer.text:
                    yield self._frames.piece(len(answers), Said(text=answer.text, tokens=answer.tokens))
                yield self._frames.finish(len(answers), answer)
                answers.append(answer)
        yield self._frames.close(answers)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
