"""Documents that share a band, in groups that do not touch each other: each is decided on its own, in bounded memory.

The pairs of a document and a bucket (equal keys of one band) go to disk. Union-find over documents joins those that
meet in a bucket, over any number of steps, one part of the documents after the other; groups are put together to sets
of about so many words, and the pairs of each set to a file of its own. What becomes of a document depends on its group
alone, so sets can be decided in any order, and anywhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.curation.chunks import RANGES, Chunks, ChunkSource, chunks_of
from ockham.curation.executor import Executor, in_order
from ockham.curation.partitions import PartitionDecision, Partitions, key_ranges
from ockham.curation.spill import SpillFile
from ockham.store.atomic import disk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SET = 2_000_000
"""Words of the documents that are decided at once: about 60 MB. A single group of more is decided as a whole."""
_LOW = 0xFFFFFFFF
_STATE = [("root", "<u4"), ("weight", "<i8")]
_HEAVIER = [("document", "<u4"), ("weight", "<i8")]


def write_pairs(chunks: Chunks, decision: PartitionDecision, folder: Path, crew: Executor) -> list[Path]:
    """Write the pairs of a document (upper 32 bits) and a bucket, of buckets of two documents or more, into files.

    The files go to ``folder``, and ``crew`` looks for the buckets. Each file holds all pairs of its documents and of
    those they share a bucket with. At most 2^32 documents.
    """
    import numpy as np

    parts, alive = decision.parts, folder / "alive.bin"
    with disk(alive, "keeping what is needed on the way"), alive.open("wb") as file:
        for part in range(len(parts)):
            file.write((decision.part(part).reason == 0).data)
    spans = [(band, span) for band, ranges in enumerate(_range_counts(chunks).tolist()) for span in key_ranges(ranges)]
    arguments = ((chunks.source(), alive, band, span) for band, span in spans)
    pairs, edges = SpillFile(folder, "pairs", "<u8"), SpillFile(folder, "edges", "<u8")
    buckets = 0
    for members, numbers in in_order(crew, shared_buckets, arguments):
        pairs.add(parts.of(members), _pack(members, (numbers + np.uint64(buckets)) & np.uint64(_LOW)))
        same = numbers[1:] == numbers[:-1]
        document, neighbour = members[1:][same], members[:-1][same]
        later = np.maximum(document, neighbour)
        edges.add(parts.of(later), _pack(later, np.minimum(document, neighbour)))
        buckets += int(numbers[-1]) + 1 if len(numbers) else 0
    alive.unlink()
    joined = _Joined(folder)
    for part in reversed(range(len(parts))):
        _join(part, parts, pairs, edges, joined)
    edges.drop()
    return _split_pairs(folder, parts, pairs, joined)


class _Joined:
    """What is known of the groups when all parts were joined, each part alone.

    ``states``: for each document of a part its root in that part, and the weight of the group where that is a root;
    negative if the group goes on in an earlier part. ``asks``: of each that goes on, by the part of its link, that link
    (upper 32 bits) and its root. ``heavier``: the weight it brings along.
    """

    __slots__ = ("asks", "heavier", "states")

    def __init__(self, folder: Path) -> None:
        self.states = SpillFile(folder, "states", _STATE)
        self.asks = SpillFile(folder, "asks", "<u8")
        self.heavier = SpillFile(folder, "heavier", _HEAVIER)


def _join(part: int, parts: Partitions, pairs: SpillFile, edges: SpillFile, joined: _Joined) -> None:
    """Join the documents of a part, those behind it being joined already."""
    import numpy as np

    from ockham.curation.kernels.union_find import NONE, settle, unite

    first, end = parts.span(part)
    roots = np.arange(end - first, dtype=np.uint32)
    links = np.full(end - first, NONE, dtype=np.uint32)
    for block in edges.blocks(part):
        more = np.empty_like(block)
        more = np.unique(more[: unite(block, first, roots, links, more)])
        edges.add(parts.of(more >> np.uint64(32)), more)
    settle(roots)
    seen = np.zeros(end - first, dtype=np.bool_)
    for block in pairs.blocks(part):
        seen[_unpack(block)[0] - first] = True
    weights = np.bincount(roots, np.where(seen, parts.column(part, "words"), 0), end - first).astype(np.int64)
    for more in joined.heavier.blocks(part):
        np.add.at(weights, roots[more["document"].astype(np.int64) - first], more["weight"])
    linked = np.flatnonzero(links != NONE)
    if len(linked):
        link, holders = links[linked], parts.of(links[linked])
        heavier = np.empty(len(linked), dtype=_HEAVIER)
        heavier["document"], heavier["weight"] = link, weights[linked]
        joined.heavier.add(holders, heavier)
        joined.asks.add(holders, _pack(link, linked + first))
        weights[linked] = -1
    state = np.empty(end - first, dtype=_STATE)
    state["root"], state["weight"] = roots, weights
    joined.states.add(np.full(end - first, part), state)


def _split_pairs(folder: Path, parts: Partitions, pairs: SpillFile, joined: _Joined) -> list[Path]:
    """Split the pairs by the sets of their documents."""
    import numpy as np

    from ockham.curation.kernels.union_find import fill

    by_set, answers = SpillFile(folder, "set", "<u8"), SpillFile(folder, "answers", "<u8")
    number = held = 0
    for part in range(len(parts)):
        first, end = parts.span(part)
        state, sets = joined.states.read(part), np.zeros(end - first, dtype=np.uint32)
        for block in answers.blocks(part):
            document, set_numbers = _unpack(block)
            sets[document - first] = set_numbers
        roots, weights = np.ascontiguousarray(state["root"]), np.ascontiguousarray(state["weight"])
        number, held = fill(roots, weights, sets, (number, held, SET))
        for block in joined.asks.blocks(part):
            document, asker = _unpack(block)
            answers.add(parts.of(asker), _pack(asker, sets[document - first]))
        for block in pairs.blocks(part):
            by_set.add(sets[_unpack(block)[0] - first], block)
    for done in (pairs, answers, joined.states, joined.asks, joined.heavier):
        done.drop()
    return by_set.files()


def read_pairs(path: Path) -> NDArray[np.uint64]:
    """Read the pairs of a file, sorted, with buckets numbered through."""
    import numpy as np

    pairs = np.fromfile(path, dtype=np.uint64)
    half = np.uint64(32)
    documents = pairs >> half
    pairs <<= half
    pairs |= documents
    del documents  # a group may have very many pairs
    pairs.sort()
    buckets = pairs >> half
    new = np.append(False, buckets[1:] != buckets[:-1])[: len(pairs)]
    del buckets
    pairs <<= half
    pairs |= np.cumsum(new, dtype=np.uint64)
    pairs.sort()
    return pairs


def _pack(upper: NDArray[Any], lower: NDArray[Any]) -> NDArray[np.uint64]:
    """Put two numbers below 2^32 each into one."""
    import numpy as np

    return (upper.astype(np.uint64) << np.uint64(32)) | lower.astype(np.uint64)


def _unpack(pairs: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take two numbers out of one."""
    import numpy as np

    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(_LOW)).astype(np.int64)


def shared_buckets(
    source: ChunkSource, alive: Path, band: int, span: tuple[int, int]
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Find the documents that share their key of a band with another one, and the number of each one's bucket.

    This runs in any process that reads the chunks, and the file that says (a byte each) which documents stay so far.
    """
    import numpy as np

    keys, documents = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    with alive.open("rb") as file:
        for chunk in chunks_of(source):
            mine, of = chunk.band(band, *span)
            stay = np.frombuffer(os.pread(file.fileno(), chunk.size, chunk.first), dtype=np.bool_)[of - chunk.first]
            keys.append(mine[stay])
            documents.append(of[stay])
    return _in_buckets(np.concatenate(keys), np.concatenate(documents))


def _in_buckets(
    keys: NDArray[np.uint64], documents: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Return the documents whose key another one has too, those of a key together, and number the keys."""
    import numpy as np

    by_key = np.argsort(keys, kind="stable")
    keys, documents = keys[by_key], documents[by_key]
    same = np.append(keys[1:] == keys[:-1], False)[: len(keys)]
    behind = np.append(False, same[:-1])[: len(keys)]
    inside = same | behind
    numbers = (np.cumsum(same & ~behind)[inside] - 1).astype(np.uint64)
    return documents[inside].astype(np.uint32), numbers


def _range_counts(chunks: Chunks) -> NDArray[np.int64]:
    """Count the keys of each band in each range, over all chunks."""
    import numpy as np

    total: NDArray[np.int64] | None = None
    for chunk in chunks:
        counts = np.diff(chunk.ranges(), axis=1)
        total = counts if total is None else total + counts
    return np.zeros((0, RANGES), dtype=np.int64) if total is None else total
