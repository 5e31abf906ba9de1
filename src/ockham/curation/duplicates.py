"""Which documents say what another one says: equal ones by their hashes, near-duplicates by bands and exact similarity.

Hashes and keys travel, texts never do. A near-duplicate is left out for a document that stays, and the similarity to
that very one is what was verified: a chain of small changes never carries a text away. Documents are decided in one
order (as they came, or the longest first), so nothing depends on chunks or workers.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockham.curation.chunks import RANGES, Chunks
from ockham.data.steps.examine import REASONS
from ockham.data.steps.spec import WIDTH, CurateSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PART = 4_000_000
"""Keys that are sorted at once: about 200 MB."""
_MOST = 256
"""Documents that stay and share a band with one: so many of them are compared with it, those that share most bands."""
_CACHED = 4_000_000
"""Shingles that are kept at hand: 32 MB."""
_STEP = 0.05

Work = Callable[[str, int, int], None]


@dataclass(slots=True, kw_only=True)
class Decision:
    """What becomes of each document: the place of its reason in `REASONS`, the one that stays instead, a score.

    23 bytes a document: the only memory that grows with their number. ``near_looser`` and ``near_stricter`` are those
    of `CurationReport`.
    """

    reason: NDArray[np.uint8]
    instead: NDArray[np.int64]
    score: NDArray[np.float32]
    raw_duplicates: int = 0
    near_looser: int = 0
    near_stricter: int = 0


def decide(chunks: Chunks, spec: CurateSpec, steps: tuple[str, ...], tell: Work) -> Decision:
    """Decide every document, beginning with what its own chunk says about it."""
    import numpy as np

    decision = Decision(
        reason=np.concatenate([np.zeros(0, np.uint8), *(chunk.load("table")["reason"] for chunk in chunks)]),
        instead=np.full(chunks.size, -1, dtype=np.int64),
        score=np.full(chunks.size, np.nan, dtype=np.float32),
    )
    labels = "labels" in steps and _are_labels(chunks)
    parts = _spans([chunks.size / RANGES] * RANGES)
    for done, (low, high) in enumerate(parts):
        tell("equal documents", done, len(parts))
        _equal(chunks, decision, (low, high), steps, labels)
    if "near" in steps:
        _near(chunks, decision, spec, tell, by_target="labels" in steps)
    return decision


def _spans(counts: list[float]) -> list[tuple[int, int]]:
    """Part the 256 ranges of keys into spans of as many keys as may be sorted at once."""
    spans: list[tuple[int, int]] = []
    low, held = 0, 0.0
    for place, count in enumerate(counts):
        if held and held + count > _PART:
            spans.append((low, place))
            low, held = place, 0.0
        held += count
    return [*spans, (low, len(counts))]


def _are_labels(chunks: Chunks) -> bool:
    """Tell labels from free text: each label comes ten times on average."""
    import numpy as np

    seen = np.zeros(0, dtype=np.uint64)
    for chunk in chunks:
        seen = np.unique(np.concatenate([seen, chunk.load("hashes")[:, 4]]))
    return len(seen) * 10 <= chunks.size or len(seen) <= 20


def _equal(chunks: Chunks, decision: Decision, span: tuple[int, int], steps: tuple[str, ...], labels: bool) -> None:
    """Decide the documents whose words are equal; ``span`` are the ranges of hashes that are looked at."""
    import numpy as np

    words, numbers = _gather(chunks, span, 2)
    raw, everyone = _gather(chunks, span, 0)
    readable = decision.reason[everyone] != REASONS.index("unreadable")
    _, counts = np.unique(raw[readable][:, :2], axis=0, return_counts=True) if readable.any() else (0, np.zeros(0))
    decision.raw_duplicates += int(counts.sum() - len(counts))
    alive = decision.reason[numbers] == 0
    words, numbers = words[alive], numbers[alive]
    order = np.lexsort((numbers, words[:, 3], words[:, 2]))
    words, numbers = words[order], numbers[order]
    runs = _runs((words[1:, 2:4] != words[:-1, 2:4]).any(axis=1), len(numbers))
    for start, end in runs[np.diff(runs, axis=1)[:, 0] > 1].tolist():
        _group(decision, words[start:end], numbers[start:end].tolist(), steps, labels)


def _gather(chunks: Chunks, span: tuple[int, int], column: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Read the hashes of the documents whose hash in a column lies in a span of ranges, with their numbers."""
    import numpy as np

    found, numbers = [np.zeros((0, 6), dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for chunk in chunks:
        hashes = chunk.load("hashes")
        ranges = hashes[:, column] >> np.uint64(56)
        inside = np.flatnonzero((ranges >= span[0]) & (ranges < span[1]))
        found.append(hashes[inside])
        numbers.append(inside + chunk.first)
    return np.concatenate(found), np.concatenate(numbers)


def _group(
    decision: Decision, hashes: NDArray[np.uint64], numbers: list[int], steps: tuple[str, ...], labels: bool
) -> None:
    """Decide documents of the same words: contradictions all go; of equal ones the first stays."""
    targets = [tuple(row) for row in hashes[:, 4:6].tolist()]
    if labels and len(set(targets)) > 1:
        for number in numbers:
            decision.reason[number] = REASONS.index("conflicting_label")
        return
    if "exact" not in steps:
        return
    first: dict[tuple[int, ...], int] = {}
    for place, (number, target) in enumerate(zip(numbers, targets, strict=True)):
        stays = first.setdefault(target, place)
        if stays != place:
            same = (hashes[stays, :2] == hashes[place, :2]).all()
            decision.reason[number] = REASONS.index("exact_duplicate" if same else "normalised_duplicate")
            decision.instead[number] = numbers[stays]


def _near(chunks: Chunks, decision: Decision, spec: CurateSpec, tell: Work, *, by_target: bool) -> None:
    """Leave out each document that is nearly the same as one before it that stays."""
    members, buckets = _shared(chunks, decision)
    shingles = _Shingles(chunks)
    kept: dict[int, list[int]] = defaultdict(list)
    sizes = None if spec.survivor == "first" else _sizes(chunks)
    for done, (number, mine) in enumerate(_in_order(members, buckets, sizes)):
        if done % 1000 == 0:
            tell("near-duplicates", done, 0)
        others = _candidates([kept[bucket] for bucket in mine], _rank(sizes))
        if by_target:
            others = [other for other in others if chunks.target(other) == chunks.target(number)]
        other, similarity = shingles.first_like(number, others, spec.similarity)
        if similarity >= spec.similarity:
            decision.reason[number] = REASONS.index("near_duplicate")
            decision.instead[number], decision.score[number] = other, similarity
            decision.near_stricter += similarity < spec.similarity + _STEP
        else:
            decision.near_looser += similarity >= spec.similarity - _STEP
            for bucket in mine:
                kept[bucket].append(number)


def _candidates(kept: list[list[int]], rank: Callable[[int], tuple[int, int]]) -> list[int]:
    """Give the documents that stay and share a band, in order; of too many, those that share the most bands."""
    shared = Counter(other for group in kept for other in group)
    if len(shared) > _MOST:
        return sorted(sorted(shared, key=lambda other: (-shared[other], rank(other)))[:_MOST], key=rank)
    return sorted(shared, key=rank)


def _rank(sizes: NDArray[np.int64] | None) -> Callable[[int], tuple[int, int]]:
    return lambda number: (0 if sizes is None else -int(sizes[number]), number)


def _sizes(chunks: Chunks) -> NDArray[np.int64]:
    import numpy as np

    return np.concatenate([np.zeros(0, np.int64), *(chunk.load("table")["size"] for chunk in chunks)])


def _shared(chunks: Chunks, decision: Decision) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the buckets (equal keys of one band) of two documents or more: a member and its bucket, pair by pair."""
    import numpy as np

    counts = _range_counts(chunks)
    members, buckets, number = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)], 0
    for band, row in enumerate(counts.tolist()):
        for low, high in _spans(row):
            parts = [chunk.band(band, low, high) for chunk in chunks]
            keys = np.concatenate([part[0] for part in parts])
            documents = np.concatenate([part[1] for part in parts])
            alive = decision.reason[documents] == 0
            keys, documents = keys[alive], documents[alive]
            order = np.argsort(keys, kind="stable")
            keys, documents = keys[order], documents[order]
            same = np.append(keys[1:] == keys[:-1], False)[: len(keys)]
            inside = same | np.append(False, same[:-1])[: len(keys)]
            begins = inside & ~np.append(False, same[:-1])[: len(keys)]
            members.append(documents[inside])
            buckets.append(number + np.cumsum(begins)[inside])
            number += int(begins.sum())
    return np.concatenate(members), np.concatenate(buckets)


def _range_counts(chunks: Chunks) -> NDArray[np.int64]:
    """Count the keys of each band in each range, over all chunks."""
    import numpy as np

    total: NDArray[np.int64] | None = None
    for chunk in chunks:
        counts = np.diff(chunk.load("ranges"), axis=1)
        total = counts if total is None else total + counts
    return np.zeros((0, RANGES), dtype=np.int64) if total is None else total


def _in_order(
    members: NDArray[np.int64], buckets: NDArray[np.int64], sizes: NDArray[np.int64] | None
) -> Iterator[tuple[int, list[int]]]:
    """Give each document with its buckets, in the order in which they are decided."""
    import numpy as np

    keys = (buckets, members) if sizes is None else (buckets, members, -sizes[members])
    order = np.lexsort(keys)
    members, buckets = members[order], buckets[order]
    for start, end in _runs(members[1:] != members[:-1], len(members)).tolist():
        yield int(members[start]), buckets[start:end].tolist()


def _runs(changes: NDArray[np.bool_], number: int) -> NDArray[np.int64]:
    """Give where each run of equal entries begins and ends, from the places where one differs from the one before."""
    import numpy as np

    if not number:
        return np.zeros((0, 2), dtype=np.int64)
    starts = np.append(0, np.flatnonzero(changes) + 1)
    return np.stack([starts, np.append(starts[1:], number)], axis=1)


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
