"""What becomes of each document, part by part, and how long columns of keys are parted into pieces that fit in memory.

Nothing here grows with the number of documents: what is decided comes in any order, waits on disk by the part of its
document, and is looked at one part at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ockham.curation.chunks import Chunk, Chunks
from ockham.curation.spill import SpillFile
from ockham.curation.steps.examine import REASONS
from ockham.data.task import Kinds
from ockham.records import LabelIssue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PART = 2_000_000
"""Documents that are looked at together: 13 bytes each for what becomes of them, up to 60 while they are joined."""
KEYS = 4_000_000
"""Keys that are sorted at once: about 200 MB."""
_CHANGE = [("number", "<u4"), ("reason", "u1"), ("instead", "<i8"), ("score", "<f4")]

Work = Callable[[str, int, int], None]


class Partitions:
    """Documents in parts that are looked at one after the other: whole chunks, about so many documents together."""

    __slots__ = ("_chunks", "_firsts", "_size")

    def __init__(self, chunks: Chunks, most: int) -> None:
        """Part the chunks; one of more documents is a part of its own."""
        import numpy as np

        self._chunks: list[list[Chunk]] = []
        held = 0
        for chunk in chunks:
            if not self._chunks or (held and held + chunk.size > most):
                self._chunks.append([])
                held = 0
            self._chunks[-1].append(chunk)
            held += chunk.size
        self._firsts = np.array([part[0].first for part in self._chunks], dtype=np.int64)
        self._size = chunks.size

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self._chunks)

    def column(self, part: int, name: str) -> NDArray[Any]:
        """Read a column of the table for the documents of a part; there is at least one chunk."""
        import numpy as np

        return np.concatenate([chunk.table()[name] for chunk in self._chunks[part]])

    def of(self, documents: NDArray[Any]) -> NDArray[np.int64]:
        """Return the part of each document."""
        import numpy as np

        if len(self._chunks) == 1:
            return np.zeros(len(documents), dtype=np.int64)
        return np.searchsorted(self._firsts, documents.astype(np.int64), side="right") - 1

    def span(self, part: int) -> tuple[int, int]:
        """Return the number of the first document of a part, and the one behind its last."""
        return int(self._firsts[part]), int(self._firsts[part + 1]) if part + 1 < len(self._chunks) else self._size


class DedupDecision(NamedTuple):
    """Of some documents in a row: the place of the reason in `REASONS`, the one that stays instead or -1, a score."""

    reason: NDArray[np.uint8]
    instead: NDArray[np.int64]
    score: NDArray[np.float32]


class PartitionDecision:
    """What becomes of each document: what its own chunk says, and what is noted here, once for a document at most.

    ``raw_duplicates``, ``near_looser`` and ``near_stricter`` are those of `CurationReport`; the ids of ``doubts`` are
    numbers of documents; ``kinds`` are what the targets of labelled rows are.
    """

    __slots__ = ("_changes", "_last_part", "_standing", "doubts", "kinds", "near_looser", "near_stricter", "parts",
                 "raw_duplicates")  # fmt: skip

    def __init__(self, chunks: Chunks, folder: Path) -> None:
        """Begin with what the chunks say; what is noted waits in a folder, which must stay as long as this does."""
        self.parts = Partitions(chunks, PART)
        self._changes = SpillFile(folder, "changes", _CHANGE)
        self._standing = SpillFile(folder, "standing", "<u4")
        self._last_part: tuple[int, DedupDecision] | None = None
        self.raw_duplicates = self.near_looser = self.near_stricter = 0
        self.doubts: tuple[LabelIssue, ...] = ()
        self.kinds: Kinds | None = None

    def note(
        self,
        numbers: NDArray[np.int64],
        reason: str | NDArray[np.uint8],
        instead: NDArray[np.int64] | None = None,
        score: NDArray[np.float64] | None = None,
    ) -> None:
        """Leave out documents that stayed so far, for a reason of `REASONS` or the place of each one's there."""
        import numpy as np

        changes = np.empty(len(numbers), dtype=_CHANGE)
        changes["number"] = numbers
        changes["reason"] = REASONS.index(reason) if isinstance(reason, str) else reason
        changes["instead"] = -1 if instead is None else instead
        changes["score"] = math.nan if score is None else score
        self._changes.add(self.parts.of(numbers), changes)
        if instead is not None:
            self._standing.add(self.parts.of(instead), instead)
        self._last_part = None

    def part(self, part: int) -> DedupDecision:
        """Return what becomes of the documents of a part."""
        import numpy as np

        if self._last_part is None or self._last_part[0] != part:
            first, end = self.parts.span(part)
            decided = DedupDecision(
                self.parts.column(part, "reason"),
                np.full(end - first, -1, dtype=np.int64),
                np.full(end - first, np.nan, dtype=np.float32),
            )
            for changes in self._changes.blocks(part):
                indices = changes["number"].astype(np.int64) - first
                for name, column in decided._asdict().items():
                    column[indices] = changes[name]
            self._last_part = part, decided
        return self._last_part[1]

    def of(self, chunk: Chunk) -> DedupDecision:
        """Return what becomes of the documents of a chunk; chunks are asked for in order."""
        import numpy as np

        if not chunk.size:
            return DedupDecision(np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.float32))
        part = int(self.parts.of(np.array([chunk.first]))[0])
        decision, at = self.part(part), chunk.first - self.parts.span(part)[0]
        inside = slice(at, at + chunk.size)
        return DedupDecision(decision.reason[inside], decision.instead[inside], decision.score[inside])

    def largest(self, most: int) -> list[tuple[int, int]]:
        """Return the documents that stand for most others, and for how many; of equal ones the first."""
        import numpy as np

        survivors, counts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        for part in range(len(self.parts)):
            first, end = self.parts.span(part)
            times = np.zeros(end - first, dtype=np.int64)
            for numbers in self._standing.blocks(part):
                times += np.bincount(numbers.astype(np.int64) - first, minlength=end - first)
            stand = np.flatnonzero(times)
            survivors, counts = np.append(survivors, stand + first), np.append(counts, times[stand])
            order = np.argsort(-counts, kind="stable")[:most]
            survivors, counts = survivors[order], counts[order]
        return list(zip(survivors.tolist(), counts.tolist(), strict=True))


def key_ranges(counts: list[float]) -> list[tuple[int, int]]:
    """Part the 256 ranges of keys into spans of as many keys as may be sorted at once."""
    spans: list[tuple[int, int]] = []
    low, held = 0, 0.0
    for index, count in enumerate(counts):
        if held and held + count > KEYS:
            spans.append((low, index))
            low, held = index, 0.0
        held += count
    return [*spans, (low, len(counts))]


def sorted_runs(changes: NDArray[np.bool_], number: int) -> NDArray[np.int64]:
    """Return where each run of equal entries begins and ends, from whether each differs from the one before."""
    import numpy as np

    if not number:
        return np.zeros((0, 2), dtype=np.int64)
    starts = np.append(0, np.flatnonzero(changes) + 1)
    return np.stack([starts, np.append(starts[1:], number)], axis=1)
