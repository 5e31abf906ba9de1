"""The slots of an engine, lent to one request at a time: to whoever had a slot before, if it is free.

What a slot has in its cache is of use to the same asker alone: another one stands on another adapter, or begins its
prompts otherwise.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_LOOK_SECONDS = 0.05
"""Whoever waits for a slot looks so often whether the answer is still wanted."""


class SharedSlots:
    """Slots by number, from 0."""

    def __init__(self, count: int) -> None:
        """Begin with all of them free."""
        self._free = list(range(count))
        self._owners: dict[int, int] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, owner: object, check: Callable[[], None] = lambda: None) -> Iterator[int]:
        """Lend a slot: the one that ``owner`` had last, or the one that was free for the longest time.

        While none is free ``check`` is called now and then; what it raises ends the waiting.
        """
        slot = self._wait(id(owner), check)
        try:
            yield slot
        finally:
            with self._changed:
                self._free.append(slot)
                self._changed.notify()

    def _wait(self, owner: int, check: Callable[[], None]) -> int:
        while True:
            with self._changed:
                if self._free or self._changed.wait(_LOOK_SECONDS):
                    own = [slot for slot in self._free if self._owners.get(slot) == owner]
                    for slot in (*own, *self._free)[:1]:
                        self._free.remove(slot)
                        self._owners[slot] = owner
                        return slot
            check()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineShare:
    """What a model is told of an engine that others use too.

    ``adapter`` is the place of its own adapter among all, and ``is_batch_invariant`` what `batch_invariance` says, so
    that it is tried once and not for each model.
    """

    slots: SharedSlots
    adapter: int
    is_batch_invariant: bool
