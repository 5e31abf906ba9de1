"""A few of many, from all over them: the first ones alone mislead where rows are sorted by label or by date."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Entry = TypeVar("Entry")


def evenly_spaced(entries: Sequence[Entry], most: int) -> list[Entry]:
    """Return at most so many entries (one at least) in their order, evenly spaced from the first to the last."""
    if len(entries) <= most:
        return list(entries)
    return [entries[index * (len(entries) - 1) // max(1, most - 1)] for index in range(most)]
