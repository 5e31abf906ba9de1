"""Near-duplicates of one set of documents, decided in order, all in memory."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import Alphabet
from ockham.curation.kernels.jit import compile_kernel, compile_kernel_with_arrays
from ockham.curation.kernels.shingles import Texts, distinct, grams_of, jaccard, longest_of
from ockham.curation.kernels.simd import ones

_MOST_BITS = 2048
_SPARSE = 8
"""Bits for each shingle of a document at least, so that few shingles share one; at most twice as many."""


class Members(NamedTuple):
    """Documents in the order in which they are decided.

    Document d stands in the buckets ``buckets[begins[d]:begins[d + 1]]``; bucket b has room for
    ``rooms[b + 1] - rooms[b]`` documents. The shingles of d are ``shingles[starts[d]:starts[d + 1]]``, sorted. Only
    documents of equal ``targets`` are duplicates.
    """

    begins: NDArray[np.int64]
    buckets: NDArray[np.int64]
    rooms: NDArray[np.int64]
    shingles: NDArray[np.uint64]
    starts: NDArray[np.int64]
    targets: NDArray[np.uint64]


class _Limits(NamedTuple):
    """The similarity of a duplicate, the least one that is looked at, and the most documents that are compared."""

    threshold: float
    least: float
    most: int


class _Outcome(NamedTuple):
    """For each document: the one it goes for, or -1, and the similarity to it."""

    instead: NDArray[np.int64]
    similarity: NDArray[np.float64]


def shingles_of(texts: Texts, letters: Alphabet, width: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the sets of shingles of all texts one after the other, each sorted, and where each begins."""
    starts = np.zeros(len(texts.starts) + 1, dtype=np.int64)
    room = np.empty(int((texts.ends - texts.starts).sum()) // 2 + longest_of(texts) + 1, dtype=np.uint64)
    if not _all_grams(texts, letters, width, room, starts):  # texts of which most bytes are a word of their own
        room = np.empty(int((texts.ends - texts.starts).sum()) + longest_of(texts) + 1, dtype=np.uint64)
        _all_grams(texts, letters, width, room, starts)
    for begin, end in pairwise(starts.tolist()):  # numpy sorts with vectors, numba does not
        room[begin:end].sort()
    return room[: _distinct_of_each(room, starts)], starts


def decide_greedily(
    members: Members, limits: tuple[float, float], most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Decide each document: the one before it that it goes for, -1 where it stays, and the similarity to it.

    One goes for the first that stays, shares a bucket with it and is as similar as the first limit says. Of those that
    share a bucket so many are compared, the ones that share most buckets; those below the second limit are passed
    over. Of one that stays the similarity is the greatest that was seen.
    """
    number = len(members.begins) - 1
    instead = np.full(number, -1, dtype=np.int64)
    similarity = np.zeros(number, dtype=np.float64)
    room = (
        np.zeros(len(members.rooms), dtype=np.int64),
        np.empty(len(members.buckets), dtype=np.int64),
        np.zeros(number, dtype=np.int64),
        np.empty(number, dtype=np.int64),
    )
    bits = bits_of(members.shingles, members.starts)
    _decide(members, bits, _Limits(*limits, most), _Outcome(instead, similarity), room)
    return instead, similarity


@compile_kernel
def _all_grams(
    texts: Texts, letters: Alphabet, width: int, room: NDArray[np.uint64], starts: NDArray[np.int64]
) -> bool:
    """Write the n-grams of all texts, and where each text's begin; tell whether there was room for them."""
    used = 0
    for i in range(len(texts.starts)):
        text = texts.data[texts.starts[i] : texts.ends[i]]
        if used + len(text) >= len(room):
            return False
        used += grams_of(text, letters, width, room[used:])
        starts[i + 1] = used
    return True


@compile_kernel
def _distinct_of_each(grams: NDArray[np.uint64], starts: NDArray[np.int64]) -> int:
    """Put the different ones of each text one after the other, change where they begin; return how many there are."""
    used = begin = 0
    for i in range(1, len(starts)):
        count = distinct(grams[begin : starts[i]])
        for k in range(count):
            grams[used + k] = grams[begin + k]
        begin = starts[i]
        used += count
        starts[i] = used
    return used


def bits_of(shingles: NDArray[np.uint64], starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the shingles of each document as bits (documents x words), which tell most pairs to be far apart."""
    number = max(1, len(starts) - 1)
    size = 64
    while size < min(_MOST_BITS, _SPARSE * len(shingles) / number):
        size *= 2
    bits = np.zeros((len(starts) - 1, size // 64), dtype=np.uint64)
    _set_bits(shingles, starts, bits)
    return bits


@compile_kernel
def _set_bits(shingles: NDArray[np.uint64], starts: NDArray[np.int64], bits: NDArray[np.uint64]) -> None:
    """Set a bit for each shingle of each document, by its lowest bits."""
    last = np.uint64(64 * bits.shape[1] - 1)
    for i in range(len(bits)):
        for at in range(starts[i], starts[i + 1]):
            bit = shingles[at] & last
            bits[i, bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))


@compile_kernel
def most_alike(first: NDArray[np.uint64], second: NDArray[np.uint64], first_size: int, second_size: int) -> float:
    """Return a Jaccard similarity that two sets of so many shingles do not exceed, by their bits.

    Behind each bit that one set has alone is a shingle that the other has not.
    """
    without = others = 0
    for k in range(len(first)):
        without += ones(first[k] & ~second[k])
        others += ones(second[k] & ~first[k])
    both = min(first_size - without, second_size - others)
    return both / (first_size + second_size - both) if both > 0 else 0.0


@compile_kernel_with_arrays
def _decide(
    members: Members,
    bits: NDArray[np.uint64],
    limits: _Limits,
    out: _Outcome,
    room: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    threshold, least, most = limits
    instead, similarity = out
    begins, buckets, rooms = members.begins, members.buckets, members.rooms
    shingles, starts, targets = members.shingles, members.starts, members.targets
    number = len(instead)
    inside, stay, shared, candidates = room
    for document in range(number):
        count = _gather_shared(
            (begins[document], begins[document + 1]), (buckets, rooms, inside, stay), candidates, shared
        )
        count = _select_nearest(candidates, count, shared, most)
        mine = shingles[starts[document] : starts[document + 1]]
        for at in range(count):
            other = candidates[at]
            if targets[other, 0] != targets[document, 0] or targets[other, 1] != targets[document, 1]:
                continue
            if most_alike(bits[document], bits[other], len(mine), starts[other + 1] - starts[other]) < least:
                continue
            alike = jaccard(mine, shingles[starts[other] : starts[other + 1]])
            if alike > similarity[document]:
                similarity[document] = alike
                if alike >= threshold:
                    instead[document] = other
                    break
        if instead[document] < 0:
            for entry in range(begins[document], begins[document + 1]):
                bucket = buckets[entry]
                stay[rooms[bucket] + inside[bucket]] = document
                inside[bucket] += 1


@compile_kernel_with_arrays
def _gather_shared(
    span: tuple[int, int],
    held: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    candidates: NDArray[np.int64],
    shared: NDArray[np.int64],
) -> int:
    """Find the documents that stay in some buckets, and count in how many of them; return their number."""
    buckets, rooms, inside, stay = held
    count = 0
    for entry in range(span[0], span[1]):
        bucket = buckets[entry]
        for at in range(rooms[bucket], rooms[bucket] + inside[bucket]):
            other = stay[at]
            if shared[other] == 0:
                candidates[count] = other
                count += 1
            shared[other] += 1
    return count


@compile_kernel_with_arrays
def _select_nearest(candidates: NDArray[np.int64], count: int, shared: NDArray[np.int64], most: int) -> int:
    """Sort the candidates; of too many keep those that share most buckets, of equal ones the first."""
    if count > most:
        for at in range(count):  # those that share most come first
            candidates[at] |= (255 - min(shared[candidates[at]], 255)) << 32
        candidates[:count].sort()
        for at in range(count):
            candidates[at] &= 0xFFFFFFFF
    for at in range(count):  # for the next document
        shared[candidates[at]] = 0
    count = min(count, most)
    candidates[:count].sort()
    return count
