"""How much of a test row stands in a text: containment of its word n-grams, not similarity.

A short test row inside a long document has next to no Jaccard similarity with it, but all of its n-grams stand there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import Alphabet
from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.shingles import Texts, combine, longest_of, shingles, words_of

FEW = 8
"""A test row of so many n-grams or fewer must stand in a text as a whole: parts of it are common phrases."""


class Index(NamedTuple):
    """The n-grams of all test rows.

    ``slots`` is a hash table over places in ``grams`` (-1: free); gram g stands in the rows
    ``rows[starts[g]:starts[g + 1]]``; row r has ``sizes[r]`` different n-grams, of which ``needed[r]`` make a leak.
    """

    slots: NDArray[np.int64]
    grams: NDArray[np.uint64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    sizes: NDArray[np.int64]
    needed: NDArray[np.int64]


class _Room(NamedTuple):
    """Room for the words of a text; the last text that had each entry and each row; the n-grams it has of a row."""

    words: NDArray[np.uint64]
    seen: NDArray[np.int64]
    begun: NDArray[np.int64]
    hits: NDArray[np.int64]


class _Leaks(NamedTuple):
    """For each text: the test row of which it holds the most, or -1, and that share."""

    rows: NDArray[np.int64]
    shares: NDArray[np.float64]


def index_of(rows: list[bytes], letters: Alphabet, width: int, containment: float) -> Index:
    """Index test rows (sound UTF-8) by their word n-grams; ``containment`` is the share of them that makes a leak."""
    sets = [shingles(row, letters, width) for row in rows]
    sizes = np.array([len(grams_of_row) for grams_of_row in sets], dtype=np.int64)
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *sets])
    owners = np.repeat(np.arange(len(rows), dtype=np.int64), sizes)
    order = np.argsort(hashes, kind="stable")
    grams, starts = np.unique(hashes[order], return_index=True)
    needed = np.where(sizes <= FEW, sizes, np.ceil(containment * sizes).astype(np.int64))
    slots = np.full(1 << (2 * len(grams) + 2).bit_length(), -1, dtype=np.int64)
    _fill(slots, grams)
    return Index(slots, grams, np.append(starts, len(hashes)).astype(np.int64), owners[order], sizes, needed)


def leaks(texts: Texts, letters: Alphabet, index: Index, width: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return for each text the test row of which it holds the most, or -1 where no row leaks, and that share."""
    number = len(texts.starts)
    row = np.full(number, -1, dtype=np.int64)
    share = np.zeros(number, dtype=np.float64)
    if len(index.grams):
        room = np.empty(longest_of(texts) + 1, dtype=np.uint64)
        seen = np.full(len(index.rows), -1, dtype=np.int64)
        begun = np.full(len(index.sizes), -1, dtype=np.int64)
        hits = np.zeros(len(index.sizes), dtype=np.int64)
        _find_all(texts, letters, index, width, _Room(room, seen, begun, hits), _Leaks(row, share))
    return row, share


@compile_kernel
def _fill(slots: NDArray[np.int64], grams: NDArray[np.uint64]) -> None:
    mask = np.uint64(len(slots) - 1)
    for gram in range(len(grams)):
        slot = grams[gram] & mask
        while slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = gram


@compile_kernel
def _look_up(index: Index, value: np.uint64) -> int:
    """Return the index of an n-gram, -1 where no test row has it."""
    mask = np.uint64(len(index.slots) - 1)
    slot = value & mask
    while index.slots[slot] >= 0:
        if index.grams[index.slots[slot]] == value:
            return int(index.slots[slot])
        slot = (slot + np.uint64(1)) & mask
    return -1


@compile_kernel
def _find_all(
    texts: Texts,
    letters: Alphabet,
    index: Index,
    width: int,
    room: _Room,
    leaks: _Leaks,
) -> None:
    words, seen, begun, hits = room
    rows, shares = leaks
    for i in range(len(texts.starts)):
        count = words_of(texts.data, texts.starts[i], texts.ends[i], letters, words)
        for at in range(combine(words, count, width)):
            gram = _look_up(index, words[at])
            if gram < 0:
                continue
            for entry in range(index.starts[gram], index.starts[gram + 1]):
                if seen[entry] == i:
                    continue
                seen[entry] = i
                row = index.rows[entry]
                hits[row] = hits[row] + 1 if begun[row] == i else 1
                begun[row] = i
                share = hits[row] / index.sizes[row]
                better = share > shares[i] or (share == shares[i] and row < rows[i])
                if hits[row] >= index.needed[row] and better:
                    rows[i] = row
                    shares[i] = share
