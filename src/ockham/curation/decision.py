"""What becomes of each document, and how a long column of keys is parted into pieces that fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockham.records import LabelDoubt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PART = 4_000_000
"""Keys that are sorted at once: about 200 MB."""

Work = Callable[[str, int, int], None]


@dataclass(slots=True, kw_only=True)
class Decision:
    """What becomes of each document: the place of its reason in `REASONS`, the one that stays instead, a score.

    13 bytes a document. ``near_looser`` and ``near_stricter`` are those of `CurationReport`; the ids of ``doubts`` are
    numbers of documents.
    """

    reason: NDArray[np.uint8]
    instead: NDArray[np.int64]
    score: NDArray[np.float32]
    raw_duplicates: int = 0
    near_looser: int = 0
    near_stricter: int = 0
    doubts: tuple[LabelDoubt, ...] = ()


def spans_of(counts: list[float]) -> list[tuple[int, int]]:
    """Part the 256 ranges of keys into spans of as many keys as may be sorted at once."""
    spans: list[tuple[int, int]] = []
    low, held = 0, 0.0
    for place, count in enumerate(counts):
        if held and held + count > _PART:
            spans.append((low, place))
            low, held = place, 0.0
        held += count
    return [*spans, (low, len(counts))]


def runs_of(changes: NDArray[np.bool_], number: int) -> NDArray[np.int64]:
    """Give where each run of equal entries begins and ends, from the places where one differs from the one before."""
    import numpy as np

    if not number:
        return np.zeros((0, 2), dtype=np.int64)
    starts = np.append(0, np.flatnonzero(changes) + 1)
    return np.stack([starts, np.append(starts[1:], number)], axis=1)
