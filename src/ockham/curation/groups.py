"""Documents that share a band, in groups that do not touch each other: each is decided on its own, in bounded memory.

The pairs of a document and a bucket (equal keys of one band) go to disk. Union-find over documents joins those that
meet in a bucket, over any number of steps; groups are put together to sets of about so many pairs, and the pairs of
each set to a file of its own. What becomes of a document depends on its group alone, so sets can be decided in any
order, and anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.curation.chunks import RANGES, Chunks, Given, chunks_of
from ockham.curation.decision import Decision, spans_of
from ockham.curation.pools import Crew, in_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SET = 2_000_000
"""Words of the documents that are decided at once: about 60 MB. A single group of more is decided as a whole."""
_BLOCK = 1_000_000
"""Pairs that are read at once."""
_NAME = "pairs.bin"


def write_pairs(
    chunks: Chunks, decision: Decision, turns: NDArray[np.uint32] | None, where: tuple[Path, Crew]
) -> list[Path]:
    """Write the pairs of a turn (upper 32 bits) and a bucket, of buckets of two documents or more, into files.

    ``where`` is an empty folder, and who looks for the buckets. ``turns`` give the place of each document in the order
    in which they are decided (``None``: as they came). Each file holds all pairs of its documents and of those they
    share a bucket with. At most 2^32 documents.
    """
    import numpy as np

    from ockham.data.kernels.unions import sets_of, unite

    folder, crew = where
    np.save(folder / "reasons.npy", decision.reason)
    spans = [(band, span) for band, ranges in enumerate(_range_counts(chunks).tolist()) for span in spans_of(ranges)]
    given = ((chunks.given(), folder / "reasons.npy", band, span) for band, span in spans)
    parents = np.arange(chunks.size, dtype=np.uint32)
    seen = np.zeros(chunks.size, dtype=np.bool_)
    total = buckets = 0
    with (folder / _NAME).open("wb") as file:
        for members, places in in_order(crew, shared, given):
            if len(members):
                mine = members if turns is None else turns[members]
                unite(members, places, parents, seen)
                file.write(((mine.astype(np.uint64) << np.uint64(32)) | (places + np.uint64(buckets))).data)
                buckets += int(places[-1]) + 1
                total += len(members)
    if not total:
        return []
    words = np.concatenate([chunk.table()["words"].astype(np.uint32) for chunk in chunks])
    words[~seen] = 0
    number = sets_of(parents, words, SET)
    if number == 1:
        return [folder / _NAME]
    return _parted(folder, parents if turns is None else parents[np.argsort(turns, kind="stable")], number)


def read_pairs(path: Path) -> NDArray[np.uint64]:
    """Read the pairs of a file, sorted, with buckets numbered through."""
    import numpy as np

    pairs = np.fromfile(path, dtype=np.uint64)
    low = np.uint64(0xFFFFFFFF)
    _, places = np.unique(pairs & low, return_inverse=True)
    pairs &= ~low
    pairs |= places.astype(np.uint64)
    pairs.sort()
    return pairs


def _parted(folder: Path, sets: NDArray[np.uint32], number: int) -> list[Path]:
    """Part the pairs by the sets of their turns."""
    import numpy as np

    paths = [folder / f"set-{place:06d}.bin" for place in range(number)]
    for pairs in _blocks(folder / _NAME):
        chosen = sets[pairs >> np.uint64(32)]
        order = np.argsort(chosen, kind="stable")
        bounds = np.searchsorted(chosen[order], np.arange(number + 1))
        for place in np.flatnonzero(np.diff(bounds)).tolist():
            with paths[place].open("ab") as file:
                file.write(pairs[order[bounds[place] : bounds[place + 1]]].data)
    (folder / _NAME).unlink()
    return paths


def _blocks(path: Path) -> Iterator[NDArray[np.uint64]]:
    import numpy as np

    with path.open("rb") as file:
        while len(data := file.read(8 * _BLOCK)):
            yield np.frombuffer(data, dtype=np.uint64)


def shared(
    given: Given, reasons: Path, band: int, span: tuple[int, int]
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Find the documents that share their key of a band with another one, and the number of each one's bucket.

    This runs in any process that reads the chunks, and the file of what is decided so far.
    """
    import numpy as np

    found = np.load(reasons, mmap_mode="r", allow_pickle=False)
    parts = [chunk.band(band, *span) for chunk in chunks_of(given)]
    keys = np.concatenate([part[0] for part in parts])
    documents = np.concatenate([part[1] for part in parts])
    alive = found[documents] == 0
    keys, documents = keys[alive], documents[alive]
    by_key = np.argsort(keys, kind="stable")
    keys, documents = keys[by_key], documents[by_key]
    same = np.append(keys[1:] == keys[:-1], False)[: len(keys)]
    behind = np.append(False, same[:-1])[: len(keys)]
    inside = same | behind
    places = (np.cumsum(same & ~behind)[inside] - 1).astype(np.uint64)
    return documents[inside].astype(np.uint32), places


def _range_counts(chunks: Chunks) -> NDArray[np.int64]:
    """Count the keys of each band in each range, over all chunks."""
    import numpy as np

    total: NDArray[np.int64] | None = None
    for chunk in chunks:
        counts = np.diff(chunk.ranges(), axis=1)
        total = counts if total is None else total + counts
    return np.zeros((0, RANGES), dtype=np.int64) if total is None else total
