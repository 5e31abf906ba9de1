"""How much may wait: requests and tokens are counted when they come and when they are done, and no more are let in.

The queue is bounded here, for all models together; in what order its entries are answered is told by `fair_queue`.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ockham.server.api_error import ApiError

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionSpec:
    """What may be in the server at once, waiting or in hand."""

    requests: int = field(default=256, metadata={"min": 1})
    tokens: int = field(default=1_000_000, metadata={"min": 1})


class Admission:
    """The account of what is in the server."""

    def __init__(self, spec: AdmissionSpec, keys: Collection[str] = ()) -> None:
        """Begin with nothing. Half of the places are kept for the ``keys`` in equal shares: no key takes them all."""
        self.spec = spec
        self._reserved = spec.requests // (2 * len(keys)) if len(keys) > 1 else 0
        self._by_key = dict.fromkeys(keys, 0)
        self.requests = 0
        self.tokens = 0
        self.is_closed = False
        self._per_second = 20.0

    @contextmanager
    def admit(self, tokens: int, key: str = "") -> Iterator[None]:
        """Count a request until the block ends. Raises `ApiError`: 429 where too much waits, 503 when shutting down.

        A request that is alone in the server is let in whatever its length.
        """
        if self.is_closed:
            raise ApiError(503, "The server is shutting down", code="shutting_down", headers={"retry-after": "5"})
        kept = sum(max(0, self._reserved - count) for name, count in self._by_key.items() if name != key)
        full = self.requests + kept >= self.spec.requests
        if full or (self.requests and self.tokens + tokens > self.spec.tokens):
            raise self._overload()
        self.requests += 1
        self.tokens += tokens
        self._by_key[key] = self._by_key.get(key, 0) + 1
        try:
            yield
        finally:
            self._by_key[key] -= 1
            self.requests -= 1
            self.tokens -= tokens

    def note_rate(self, answers: int, seconds: float) -> None:
        """Take into account how fast requests were answered, for the advice when to come again."""
        self._per_second = 0.8 * self._per_second + 0.2 * answers / max(seconds, 1e-4)

    def _overload(self) -> ApiError:
        """Advise to come again when half of the queue is answered; at random times, so that not all come at once."""
        seconds = min(30.0, max(0.1, self.requests / 2 / max(self._per_second, 0.01)))
        seconds *= random.uniform(0.75, 1.5)  # noqa: S311 - nothing secret
        headers = {"retry-after": str(max(1, round(seconds))), "retry-after-ms": str(round(1000 * seconds))}
        message = "The server is busy: too many requests wait already"
        return ApiError(429, message, code="server_overloaded", headers=headers)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, without the model's tokenizer."""
    return 1 + len(text) // _CHARACTERS_PER_TOKEN
