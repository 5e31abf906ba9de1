"""What a text is written under, and what comes of it: limits, sampling, and the pieces as they are decoded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Entry = Mapping[str, Any]
"""What the engine tells of a token: ``token``, ``bytes``, ``logprob``, ``top_logprobs``."""


class StoppedError(Exception):
    """Whoever asked wants no answer any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a text, and what is known of its tokens; a text may be empty while the prompt is being read."""

    text: str
    tokens: Sequence[Entry] = ()


Hearer = Callable[[Piece], bool]
"""Hears every piece as soon as it is decoded, and now and then an empty one; returns whether to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn: each with its probability at a ``temperature`` above 0, among the ``top_p`` most probable.

    The penalties are taken from the logits of tokens that stand in the text already.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    def request(self) -> dict[str, Any]:
        """Return what the engine is told."""
        penalties = bool(self.presence_penalty or self.frequency_penalty)
        settings: dict[str, Any] = {"samplers": ["penalties"] if penalties else [], "seed": self.seed % (1 << 32)}
        if penalties:
            settings |= {"presence_penalty": self.presence_penalty, "frequency_penalty": self.frequency_penalty}
            settings |= {"repeat_last_n": -1}
        if self.temperature <= 0:
            return {**settings, "samplers": [*settings["samplers"], "top_k"], "top_k": 1}
        settings["samplers"] += ["temperature", "top_p"]
        return {**settings, "temperature": self.temperature, "top_p": self.top_p}


GREEDY = Sampling()
"""Always the most probable next token: how answers are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingLimits:
    """What a written text is bound by: tokens, a JSON schema (as JSON text), words that end it, and how it is drawn.

    A ``grammar`` of the engine's (llguidance) stands in the place of the schema.
    ``alternatives`` are the most probable tokens that are told of beside each one that was taken.
    """

    tokens: int
    schema: str | None = None
    grammar: str | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = GREEDY
    alternatives: int = 0

    def request(self) -> dict[str, Any]:
        """Return what the engine is told."""
        bounds: dict[str, Any] = {"stop": list(self.stop)} if self.stop else {}
        if self.grammar is not None:
            bounds["grammar"] = self.grammar
        elif self.schema is not None:
            bounds["json_schema"] = json.loads(self.schema)
        return {"max_tokens": self.tokens, "logprobs": max(1, self.alternatives), **self.sampling.request(), **bounds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """A text the model wrote: whether it came to its own end, how many tokens, and their mean log-probability."""

    text: str
    ended: bool
    tokens: int
    mean_logprob: float


class Completion:
    """A reply of the engine, put together from the parts that it streams."""

    def __init__(self, hearer: Hearer | None, *, is_told: bool) -> None:
        """Begin empty; ``hearer`` hears the parts, or where they are not told may stop them."""
        self._hearer = hearer
        self._is_told = is_told
        self._texts: list[str] = []
        self._entries: list[Entry] = []
        self._last: dict[str, Any] = {}
        self.is_stopped = False

    def take(self, part: dict[str, Any]) -> bool:
        """Take the next part; return whether no more are wanted."""
        self._last = part
        if "error" in part:
            return False
        choice = part["choices"][0] if part["choices"] else {}
        text, entries = choice.get("text", ""), (choice.get("logprobs") or {}).get("content") or []
        self._texts.append(text)
        self._entries += entries
        heard = Piece(text=text, tokens=entries) if self._is_told else Piece(text="")
        if self._hearer is not None and self._hearer(heard):
            self.is_stopped = True
        return self.is_stopped

    def reply(self) -> dict[str, Any]:
        """Return the reply as if it had come whole, or the engine's error. Raises `StoppedError`."""
        if self.is_stopped:
            raise StoppedError
        if "error" in self._last or not self._last:
            return self._last or {"error": {"type": "no reply"}}
        choice = self._last["choices"][0]
        whole = {"text": "".join(self._texts), "logprobs": {"content": self._entries}}
        return {**self._last, "choices": [{**choice, **whole}]}


class Trimmer:
    """Takes white space from both ends of a text that comes in pieces: what may be the end is held back."""

    def __init__(self) -> None:
        """Begin before the text."""
        self._tail = ""
        self._entries: list[Entry] = []
        self._begun = False

    def take(self, piece: Piece) -> Piece | None:
        """Return what can be told now; ``None`` while there is nothing."""
        self._entries += piece.tokens
        text = self._tail + piece.text
        text = text if self._begun else text.lstrip()
        whole = text.rstrip()
        self._tail = text[len(whole) :]
        if not whole:
            return None
        self._begun = True
        entries, self._entries = self._entries, []
        return Piece(text=whole, tokens=entries)

    def rest(self) -> Piece | None:
        """Return what is known of tokens that wrote nothing more."""
        return Piece(text="", tokens=self._entries) if self._entries else None
