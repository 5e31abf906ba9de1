"""Near-duplicates: candidates share a band of their MinHash signatures, and each is checked exactly.

A document is left out for one that stays, and the similarity to that very one is what was verified: a chain of small
changes never carries a text away. Documents are decided in one order (as they came, or the longest first), group by
group (`ockham.curation.components`), so nothing depends on chunks or workers, and memory is bounded.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.curation.chunks import Chunks, ChunkSource, chunks_of
from ockham.curation.components import SET, read_pairs, write_pairs
from ockham.curation.curate_spec import WIDTH, CurateSpec
from ockham.curation.executor import Executor, in_order
from ockham.curation.partitions import PartitionDecision, Work, sorted_runs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MOST = 256
"""Documents that stay and share a band with one: so many of them are compared with it, those that share most bands."""
_AT_ONCE = 4 * SET
"""Words of documents that are in memory together: about 250 MB at most."""
_CACHED = 4_000_000
"""Shingles that are kept at hand: 32 MB."""
_TOGETHER = 1_000_000
"""Shingles that a document is compared with at once."""
_STEP = 0.05
_BLOCK = 1_000_000
"""Pairs that are looked at at once."""
_LOW = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class NearScope:
    """An empty folder for what is needed on the way, whether only documents of one target are duplicates, who works."""

    folder: Path
    by_target: bool
    crew: Executor


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """What was decided over one set of documents: (who goes, who stays instead, how similar), and the two counts."""

    gone: tuple[tuple[int, int, float], ...]
    looser: int
    stricter: int


def decide_near(
    chunks: Chunks, decision: PartitionDecision, spec: CurateSpec, scope: NearScope, on_progress: Work
) -> None:
    """Leave out each document that is nearly the same as one before it that stays."""
    import numpy as np

    on_progress("documents that share a band", 0, 0)
    sets = write_pairs(chunks, decision, scope.folder, scope.crew)
    arguments = ((path, chunks.source(), spec, scope.by_target) for path in sets)
    for done, near in enumerate(in_order(scope.crew, near_of, arguments)):
        on_progress("near-duplicates", done, len(sets))
        if near.gone:
            numbers, others, similarities = map(np.array, zip(*near.gone, strict=True))
            decision.note(numbers, "near_duplicate", others, similarities)
        decision.near_looser += near.looser
        decision.near_stricter += near.stricter
        sets[done].unlink()


def near_of(path: Path, source: ChunkSource, spec: CurateSpec, by_target: bool) -> Near:
    """Decide the documents of one file of pairs; this runs in any process that reads the folders of the chunks."""
    with closing(chunks_of(source)) as chunks:
        return _decide_set(path, chunks, spec, by_target)


def _decide_set(path: Path, chunks: Chunks, spec: CurateSpec, by_target: bool) -> Near:
    pairs, numbers = _in_turn(read_pairs(path), chunks, spec)
    words = chunks.column("words", numbers)
    if int(words.sum()) > _AT_ONCE:  # one group of very many
        return _one_by_one(pairs, numbers, chunks, spec, by_target)
    return _at_once(pairs, numbers, chunks, spec, by_target)


def _in_turn(
    pairs: NDArray[np.uint64], chunks: Chunks, spec: CurateSpec
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Put the turn of each document for its number, the pairs sorted again, and return the documents in their turns.

    They are decided as they came, or the longest first, of equal length the first.
    """
    import numpy as np

    documents = pairs >> np.uint64(32)
    begins = np.append(True, documents[1:] != documents[:-1])[: len(documents)]
    numbers = documents[begins].astype(np.int64)
    del documents  # a group may have very many pairs
    turns = np.cumsum(begins, dtype=np.uint64)
    turns -= np.uint64(1)
    if spec.survivor == "longest":
        order = np.argsort(-chunks.column("size", numbers), kind="stable")
        turns, numbers = np.argsort(order).astype(np.uint64)[turns], numbers[order]
    turns <<= np.uint64(32)
    pairs &= np.uint64(_LOW)
    pairs |= turns
    if spec.survivor == "longest":
        pairs.sort()
    return pairs, numbers


def _at_once(
    pairs: NDArray[np.uint64], numbers: NDArray[np.int64], chunks: Chunks, spec: CurateSpec, by_target: bool
) -> Near:
    """Decide documents whose shingles fit into memory together."""
    import numpy as np

    from ockham.curation.kernels.char_classes import alphabet
    from ockham.curation.kernels.greedy_dedup import Members, decide_greedily, shingles_of
    from ockham.curation.kernels.shingles import texts_of

    shingles, starts = shingles_of(texts_of(chunks.texts(numbers)), alphabet(), WIDTH)
    ahead = pairs >> np.uint64(32)
    buckets = (pairs & np.uint64(_LOW)).astype(np.int64)
    begins = np.append(np.flatnonzero(np.append(True, ahead[1:] != ahead[:-1])), len(pairs))
    targets = chunks.targets(numbers) if by_target else np.zeros((len(numbers), 2), dtype=np.uint64)
    rooms = np.append(0, np.cumsum(np.bincount(buckets)))
    members = Members(begins, buckets, rooms, shingles, starts, targets)
    threshold = spec.similarity
    instead, similarity = decide_greedily(members, (threshold, threshold - _STEP), _MOST)
    goes = np.flatnonzero(instead >= 0)
    gone = zip(numbers[goes].tolist(), numbers[instead[goes]].tolist(), similarity[goes].tolist(), strict=True)
    return Near(
        gone=tuple(gone),
        looser=int(((instead < 0) & (similarity >= threshold - _STEP)).sum()),
        stricter=int((similarity[goes] < threshold + _STEP).sum()),
    )


def _one_by_one(
    pairs: NDArray[np.uint64], numbers: NDArray[np.int64], chunks: Chunks, spec: CurateSpec, by_target: bool
) -> Near:
    """Decide documents of which only some are in memory at a time."""
    survivors = _Survivors(pairs)
    shingles = _Shingles(chunks)
    gone: list[tuple[int, int, float]] = []
    looser = stricter = 0
    for turn, mine in survivors:
        number, others = int(numbers[turn]), numbers[survivors.candidates(mine)].tolist()
        if by_target and others:
            target = chunks.target(number)
            others = [other for other in others if chunks.target(other) == target]
        other, similarity = shingles.first_like(number, others, spec.similarity)
        if similarity >= spec.similarity:
            gone.append((number, other, similarity))
            stricter += similarity < spec.similarity + _STEP
        else:
            looser += similarity >= spec.similarity - _STEP
            survivors.add(turn, mine)
    return Near(gone=tuple(gone), looser=looser, stricter=stricter)


class _Survivors:
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
        """Yield each turn with its buckets, in order."""
        import numpy as np

        at, pairs = 0, self._pairs
        while at < len(pairs):
            end = min(at + _BLOCK, len(pairs))
            while end < len(pairs) and pairs[end] >> np.uint64(32) == pairs[end - 1] >> np.uint64(32):
                end += 1
            turns = pairs[at:end] >> np.uint64(32)
            for start, stop in sorted_runs(turns[1:] != turns[:-1], len(turns)).tolist():
                yield int(turns[start]), (pairs[at + start : at + stop] & np.uint64(_LOW)).astype(np.int64)
            at = end

    def candidates(self, buckets: NDArray[np.int64]) -> list[int]:
        """Return the turns that stay in these buckets, in order; of too many, those that share the most buckets."""
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


class _Shingles:
    """The shingles of documents, read when they are needed; the ones used last are kept at hand."""

    def __init__(self, chunks: Chunks) -> None:
        import numpy as np

        from ockham.curation.kernels.char_classes import alphabet

        self._chunks, self._letters = chunks, alphabet()
        self._cache: OrderedDict[int, NDArray[np.uint64]] = OrderedDict()
        self._room = np.empty(1 << 16, dtype=np.uint64)
        self._held = 0

    def first_like(self, number: int, others: list[int], threshold: float) -> tuple[int, float]:
        """Find the first document that is as similar to one as the threshold says, with the exact Jaccard similarity.

        Where there is none, the most similar one is given; pairs that their sizes alone keep far below are passed over.
        """
        import numpy as np

        from ockham.curation.kernels.shingles import first_alike

        best, most = -1, 0.0
        mine = self._of(number)
        begin = 0
        while begin < len(others) and most < threshold:
            held, end = 0, begin
            sets: list[NDArray[np.uint64]] = []
            while end < len(others) and held < _TOGETHER:
                sets.append(self._of(others[end]))
                held += len(sets[-1])
                end += 1
            ends = np.cumsum([len(shingles) for shingles in sets])
            index, similarity = first_alike(mine, np.concatenate(sets), ends, (threshold, threshold - _STEP))
            if similarity > most:
                best, most = others[begin + index], float(similarity)
            begin = end
        return best, most

    def _of(self, number: int) -> NDArray[np.uint64]:
        import numpy as np

        from ockham.curation.kernels.shingles import distinct, grams_of

        shingles = self._cache.get(number)
        if shingles is not None:
            self._cache.move_to_end(number)
            return shingles
        text = self._chunks.text(number)
        if len(self._room) <= len(text):
            self._room = np.empty(2 * len(text), dtype=np.uint64)
        grams = self._room[: grams_of(np.frombuffer(text, dtype=np.uint8), self._letters, WIDTH, self._room)]
        grams.sort()
        shingles = grams[: distinct(grams)].copy()
        self._cache[number] = shingles
        self._held += len(shingles)
        while self._held > _CACHED and len(self._cache) > 2:
            self._held -= len(self._cache.popitem(last=False)[1])
        return shingles
