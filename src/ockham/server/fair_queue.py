"""A queue that takes turns between keys: one with many requests does not hold up one with few."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ockham.server.api_error import ApiError

T = TypeVar("T")


@dataclass(slots=True)
class Entry(Generic[T]):
    """A text that waits for its answer; whoever waits no more cancels the future."""

    key: str
    text: str
    tokens: int
    future: asyncio.Future[T] = field(repr=False)
    is_taken: bool = False


E = TypeVar("E", bound=Entry[Any])


class FairQueue(Generic[E]):
    """Entries by key; each key has its turn, and gives one entry in it."""

    def __init__(self) -> None:
        """Begin empty."""
        self._by_key: OrderedDict[str, deque[E]] = OrderedDict()

    def put(self, entry: E) -> None:
        """Append an entry to those of its key."""
        self._by_key.setdefault(entry.key, deque()).append(entry)

    def take(self, most: int, most_tokens: int) -> list[E]:
        """Take entries in turn, no more than fit; one alone fits whatever its length."""
        batch: list[E] = []
        tokens = 0
        while len(batch) < most and (entry := self._next()) is not None:
            if batch and tokens + entry.tokens > most_tokens:
                self._put_back(entry)
                break
            batch.append(entry)
            tokens += entry.tokens
        return batch

    def drain(self) -> list[E]:
        """Take all that waits."""
        entries = []
        while (entry := self._next()) is not None:
            entries.append(entry)
        return entries

    def __len__(self) -> int:
        """Return how many wait, those included that nobody waits for any more."""
        return sum(map(len, self._by_key.values()))

    def _next(self) -> E | None:
        """Take the next entry that somebody still waits for, and move its key to the end."""
        while self._by_key:
            key, entries = next(iter(self._by_key.items()))
            entry = entries.popleft()
            if entries:
                self._by_key.move_to_end(key)
            else:
                del self._by_key[key]
            if not entry.future.done():
                entry.is_taken = True
                return entry
        return None

    def _put_back(self, entry: E) -> None:
        entry.is_taken = False
        self._by_key.setdefault(entry.key, deque()).appendleft(entry)
        self._by_key.move_to_end(entry.key, last=False)


def fail_entries(entries: Sequence[Entry[Any]], error: ApiError) -> None:
    """Tell whoever still waits for these that they get no answer."""
    for entry in entries:
        if not entry.future.done():
            entry.future.set_exception(error)
