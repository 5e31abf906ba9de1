"""Near-duplicates: candidates share a band of their MinHash signatures, and each is checked exactly.

A document is left out for one that stays, and the similarity to that very one is what was verified: a chain of small
changes never carries a text away. Documents are decided in one order (as they came, or the longest first), so nothing
depends on chunks or workers. About 20 bytes are held for each band that a document shares with another one.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ockham.curation.chunks import RANGES, Chunks
from ockham.curation.decision import Decision, Work, runs_of, spans_of
from ockham.data.steps.examine import REASONS
from ockham.data.steps.spec import WIDTH, CurateSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST = 256
"""Documents that stay and share a band with one: so many of them are compared with it, those that share most bands."""
_CACHED = 4_000_000
"""Shingles that are kept at hand: 32 MB."""
_STEP = 0.05
_BLOCK = 1_000_000
"""Pairs that are looked at at once."""
_LOW = 0xFFFFFFFF


def decide_near(chunks: Chunks, decision: Decision, spec: CurateSpec, tell: Work, *, by_target: bool) -> None:
    """Leave out each document that is nearly the same as one before it that stays.

    ``by_target``: only documents of the same target are duplicates. At most 2^32 documents.
    """
    order = None if spec.survivor == "first" else _longest_first(chunks)
    kept = _Kept(_shared(chunks, decision, order))
    shingles = _Shingles(chunks)
    for done, (turn, mine) in enumerate(kept):
        if done % 1000 == 0:
            tell("near-duplicates", done, 0)
        number = turn if order is None else int(order[turn])
        turns = kept.candidates(mine)
        others = turns if order is None else order[turns].tolist()
        if by_target:
            others = [other for other in others if chunks.target(other) == chunks.target(number)]
        other, similarity = shingles.first_like(number, others, spec.similarity)
        if similarity >= spec.similarity:
            decision.reason[number] = REASONS.index("near_duplicate")
            decision.instead[number], decision.score[number] = other, similarity
            decision.near_stricter += similarity < spec.similarity + _STEP
        else:
            decision.near_looser += similarity >= spec.similarity - _STEP
            kept.add(turn, mine)


class _Kept:
    """The buckets (equal keys of one band), and the documents that stay in each; documents go by their turn."""

    def __init__(self, pairs: NDArray[np.uint64]) -> None:
        """Take pairs of a turn (upper 32 bits) and a bucket, sorted."""
        import numpy as np

        self._pairs = pairs
        number = max(
            (int((pairs[at : at + _BLOCK] & np.uint64(_LOW)).max()) + 1 for at in range(0, len(pairs), _BLOCK)),
            default=0,
        )
        counts = np.zeros(number, dtype=np.int64)
        for start in range(0, len(pairs), _BLOCK):
            part = (pairs[start : start + _BLOCK] & np.uint64(_LOW)).astype(np.int64)
            counts += np.bincount(part, minlength=number)
        self._begin = np.cumsum(counts) - counts
        self._end = self._begin.copy()
        self._turns = np.zeros(len(pairs), dtype=np.uint32)

    def __iter__(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give each turn with its buckets, in order."""
        import numpy as np

        at, pairs = 0, self._pairs
        while at < len(pairs):
            end = min(at + _BLOCK, len(pairs))
            while end < len(pairs) and pairs[end] >> np.uint64(32) == pairs[end - 1] >> np.uint64(32):
                end += 1
            turns = pairs[at:end] >> np.uint64(32)
            for start, stop in runs_of(turns[1:] != turns[:-1], len(turns)).tolist():
                yield int(turns[start]), (pairs[at + start : at + stop] & np.uint64(_LOW)).astype(np.int64)
            at = end

    def candidates(self, buckets: NDArray[np.int64]) -> list[int]:
        """Give the turns that stay in these buckets, in order; of too many, those that share the most buckets."""
        shared: Counter[int] = Counter()
        for begin, end in zip(self._begin[buckets].tolist(), self._end[buckets].tolist(), strict=True):
            if begin < end:
                shared.update(self._turns[begin:end].tolist())
        if len(shared) > _MOST:
            return sorted(sorted(shared, key=lambda turn: (-shared[turn], turn))[:_MOST])
        return sorted(shared)

    def add(self, turn: int, buckets: NDArray[np.int64]) -> None:
        """Let a turn stay in its buckets."""
        self._turns[self._end[buckets]] = turn
        self._end[buckets] += 1


def _longest_first(chunks: Chunks) -> NDArray[np.uint32]:
    """Give the documents in the order of their turns: the longest first, of equal length the first."""
    import numpy as np

    sizes = np.concatenate([np.zeros(0, np.int64), *(chunk.load("table")["size"] for chunk in chunks)])
    return np.argsort(-sizes, kind="stable").astype(np.uint32)


def _shared(chunks: Chunks, decision: Decision, order: NDArray[np.uint32] | None) -> NDArray[np.uint64]:
    """Find the buckets of two documents or more: pairs of a turn (upper 32 bits) and a bucket, sorted."""
    import numpy as np

    turns = None if order is None else np.argsort(order, kind="stable").astype(np.uint64)
    found, number = [np.zeros(0, dtype=np.uint64)], 0
    for band, counts in enumerate(_range_counts(chunks).tolist()):
        for low, high in spans_of(counts):
            parts = [chunk.band(band, low, high) for chunk in chunks]
            keys = np.concatenate([part[0] for part in parts])
            documents = np.concatenate([part[1] for part in parts])
            alive = decision.reason[documents] == 0
            keys, documents = keys[alive], documents[alive]
            by_key = np.argsort(keys, kind="stable")
            keys, documents = keys[by_key], documents[by_key]
            same = np.append(keys[1:] == keys[:-1], False)[: len(keys)]
            behind = np.append(False, same[:-1])[: len(keys)]
            inside = same | behind
            buckets = (number - 1 + np.cumsum(same & ~behind)[inside]).astype(np.uint64)
            number += int((same & ~behind).sum())
            members = documents[inside].astype(np.uint64) if turns is None else turns[documents[inside]]
            found.append((members << np.uint64(32)) | buckets)
    pairs = np.concatenate(found)
    found.clear()
    pairs.sort()
    return pairs


def _range_counts(chunks: Chunks) -> NDArray[np.int64]:
    """Count the keys of each band in each range, over all chunks."""
    import numpy as np

    total: NDArray[np.int64] | None = None
    for chunk in chunks:
        counts = np.diff(chunk.load("ranges"), axis=1)
        total = counts if total is None else total + counts
    return np.zeros((0, RANGES), dtype=np.int64) if total is None else total


class _Shingles:
    """The shingles of documents, read when they are needed; the ones used last are kept at hand."""

    def __init__(self, chunks: Chunks) -> None:
        from ockham.data.kernels.characters import alphabet

        self._chunks, self._letters = chunks, alphabet()
        self._cache: OrderedDict[int, NDArray[np.uint64]] = OrderedDict()
        self._held = 0

    def first_like(self, number: int, others: list[int], threshold: float) -> tuple[int, float]:
        """Find the first document that is as similar to one as the threshold says, with the exact Jaccard similarity.

        Where there is none, the most similar one is given; pairs that their sizes alone keep far below are passed over.
        """
        from ockham.data.kernels.shingles import jaccard

        mine = self._of(number)
        least = (threshold - _STEP) * len(mine)
        most = len(mine) / (threshold - _STEP)
        best = (-1, 0.0)
        for other in others:
            theirs = self._of(other)
            if least <= len(theirs) <= most:
                similarity = jaccard(mine, theirs)
                if similarity > best[1]:
                    best = (other, similarity)
                    if similarity >= threshold:
                        break
        return best

    def _of(self, number: int) -> NDArray[np.uint64]:
        from ockham.data.kernels.shingles import shingles

        found = self._cache.get(number)
        if found is None:
            found = shingles(self._chunks.text(number), self._letters, WIDTH)
            self._cache[number] = found
            self._held += len(found)
            while self._held > _CACHED and len(self._cache) > 2:
                self._held -= len(self._cache.popitem(last=False)[1])
        else:
            self._cache.move_to_end(number)
        return found
