"""An answer that is being given: its pieces as they come, and its end, which is told exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ockham.server.api_error import ApiError
from ockham.server.decision_answers import Decided

Token = Mapping[str, Any]
"""A token as the engine tells of it: ``token``, ``bytes``, ``logprob``, ``top_logprobs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A piece of an answer, and the tokens in it where they are known."""

    text: str
    tokens: Sequence[Token] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of an answer: what was decided, and why no more is said (``stop`` or ``length``)."""

    decided: Decided
    finish: str = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that an answer may wait in the queue, until its first piece once it is in hand, and take as a whole."""

    queue: float = 60.0
    first: float = 120.0
    total: float = 300.0


def turn_missed(seconds: float) -> ApiError:
    """Return what whoever waited too long in the queue is told."""
    message = f"The request waited {seconds:g} seconds, and its turn has not come"
    headers = {"retry-after": "5", "retry-after-ms": "5000"}
    return ApiError(429, message, code="queue_deadline_exceeded", headers=headers)


class OpenReply:
    """An answer to one text. Whoever reads it gets pieces, then its end or the error that took its place."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self.end: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.end.add_done_callback(self._close)
        self.is_begun = False
        self._pieces: asyncio.Queue[Said | None] = asyncio.Queue()
        self._timers: list[asyncio.TimerHandle] = []

    def say(self, piece: Said) -> None:
        """Take the next piece; nothing is said after the end."""
        if not self.end.done():
            self.is_begun = True
            self._pieces.put_nowait(piece)

    def finish(self, end: Ended) -> None:
        """Take the end."""
        if not self.end.done():
            self.end.set_result(end)

    def fail(self, error: ApiError) -> None:
        """End with an error, unless it has ended."""
        if not self.end.done():
            self.end.set_exception(error)

    def leave(self) -> None:
        """Want no more of it: whoever gives the answer stops."""
        self.end.cancel()

    def expire(self, seconds: float, error: ApiError, unless: Callable[[], bool] = lambda: False) -> None:
        """Fail when so much time has passed, unless something has happened by then."""

        def ring() -> None:
            if not unless():
                self.fail(error)

        self._timers.append(asyncio.get_running_loop().call_later(seconds, ring))

    async def parts(self) -> AsyncIterator[Said | Ended]:
        """Yield the pieces and the end. Raises `ApiError` where the answer failed."""
        while (piece := await self._pieces.get()) is not None:
            yield piece
        yield await self.end

    def _close(self, end: asyncio.Future[Ended]) -> None:
        for timer in self._timers:
            timer.cancel()
        self._pieces.put_nowait(None)
        if not end.cancelled():
            end.exception()  # heard, so that nothing is said of it where nobody reads on
