"""Answers that are written while they are heard: what a client asks of one beside its text, and what comes back."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ockham.llm.decoding import DecodingLimits, Hearer, Sampling
from ockham.records import Answer


class TooLongError(Exception):
    """A text does not fit into what the model reads at once: ``asked`` tokens where there is ``room`` for fewer."""

    def __init__(self, asked: int, room: int) -> None:
        """Take both numbers."""
        super().__init__(f"{asked} tokens, room for {room}")
        self.asked = asked
        self.room = room


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWish:
    """What is asked of a text that is written freely; without any of it the answer is the one that was measured.

    ``max_tokens`` never raises the bundle's own limit. ``schema`` is a JSON schema (as JSON text) to write under, and
    ``alternatives`` the most probable tokens that are told of beside each one. With ``whole`` a text that does not fit
    is refused; it is cut otherwise, as rows are.
    """

    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    schema: str | None = None
    alternatives: int = 0
    whole: bool = False

    def limits(self, own: DecodingLimits, *, is_free: bool) -> DecodingLimits:
        """Return what a text is written within: the bundle's ``own`` limits, and what is wished of free text."""
        tokens = own.tokens if self.max_tokens is None else min(own.tokens, self.max_tokens)
        if not is_free:
            return dataclasses.replace(own, tokens=tokens)
        sampling = Sampling(
            temperature=self.temperature or 0.0,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=self.seed or 0,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
        )
        return DecodingLimits(
            tokens=tokens, schema=self.schema, stop=self.stop, sampling=sampling, alternatives=self.alternatives
        )


MEASURED = ReplyWish()
"""Nothing is wished: the answer is the one that was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenReply:
    """An answer, and whether it came to its own end; if not, a limit cut it."""

    answer: Answer
    ended: bool


@runtime_checkable
class ReplyModel(Protocol):
    """A model that answers ``places`` texts side by side, each while it is heard."""

    @property
    def places(self) -> int:
        """How many texts are answered side by side."""
        ...

    def reply(self, text: str, wish: ReplyWish, hearer: Hearer) -> WrittenReply:
        """Answer a text. The pieces of a text that is written freely are heard; together they are the answer.

        Raises `StoppedError` once ``hearer`` wants no more, and `TooLongError`.
        """
        ...
