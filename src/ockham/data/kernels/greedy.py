"""Near-duplicates of one set of documents, decided in order, all in memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.data.kernels.characters import Alphabet
from ockham.data.kernels.compiler import compiled_with_arrays
from ockham.data.kernels.shingles import Texts, distinct, grams_of, jaccard


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


def shingles_of(texts: Texts, letters: Alphabet, width: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Give the sets of shingles of all texts one after the other, each sorted, and where each begins."""
    starts = np.zeros(len(texts.starts) + 1, dtype=np.int64)
    room = np.empty(int((texts.ends - texts.starts).sum()) // 2 + len(starts) + 1, dtype=np.uint64)
    longest = int((texts.ends - texts.starts).max(initial=0)) + 1
    used = _all_shingles(texts, letters, width, (np.empty(longest, dtype=np.uint64), room, starts))
    if used < 0:  # texts of which most bytes are a word of their own
        room = np.empty(int((texts.ends - texts.starts).sum()) + len(starts), dtype=np.uint64)
        used = _all_shingles(texts, letters, width, (np.empty(longest, dtype=np.uint64), room, starts))
    return room[:used], starts


def decided(members: Members, limits: tuple[float, float], most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Decide each document: the one before it that it goes for, -1 where it stays, and the similarity to it.

    One goes for the first that stays, shares a bucket with it and is as similar as the first limit says. Of those that
    share a bucket so many are compared, the ones that share most buckets; those that sizes alone keep below the second
    limit are passed over. Of one that stays the similarity is the greatest that was seen.
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
    _decide(members, (*limits, most), instead, similarity, room)
    return instead, similarity


@compiled_with_arrays
def _all_shingles(
    texts: Texts,
    letters: Alphabet,
    width: int,
    out: tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]],
) -> int:
    """Write all sets; -1 where there is no room for them."""
    room, found, starts = out
    used = 0
    for i in range(len(texts.starts)):
        count = grams_of(texts.data[texts.starts[i] : texts.ends[i]], letters, width, room)
        grams = room[:count]
        grams.sort()
        count = distinct(grams)
        if used + count > len(found):
            return -1
        for k in range(count):
            found[used + k] = room[k]
        used += count
        starts[i + 1] = used
    return used


@compiled_with_arrays
def _decide(
    members: Members,
    limits: tuple[float, float, int],
    instead: NDArray[np.int64],
    similarity: NDArray[np.float64],
    room: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> None:
    threshold, least, most = limits
    begins, buckets, rooms = members.begins, members.buckets, members.rooms
    shingles, starts, targets = members.shingles, members.starts, members.targets
    number = len(instead)
    inside, stay, shared, found = room
    for one in range(number):
        count = _gather_shared((begins[one], begins[one + 1]), (buckets, rooms, inside, stay), found, shared)
        count = _chosen(found, count, shared, most)
        mine = shingles[starts[one] : starts[one + 1]]
        for at in range(count):
            other = found[at]
            size = starts[other + 1] - starts[other]
            if targets[other, 0] != targets[one, 0] or targets[other, 1] != targets[one, 1]:
                continue
            if least * len(mine) > size or size * least > len(mine):
                continue
            alike = jaccard(mine, shingles[starts[other] : starts[other + 1]])
            if alike > similarity[one]:
                similarity[one] = alike
                if alike >= threshold:
                    instead[one] = other
                    break
        if instead[one] < 0:
            for place in range(begins[one], begins[one + 1]):
                bucket = buckets[place]
                stay[rooms[bucket] + inside[bucket]] = one
                inside[bucket] += 1


@compiled_with_arrays
def _gather_shared(
    span: tuple[int, int],
    held: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
    found: NDArray[np.int64],
    shared: NDArray[np.int64],
) -> int:
    """Find the documents that stay in some buckets, and count in how many of them; give their number."""
    buckets, rooms, inside, stay = held
    count = 0
    for place in range(span[0], span[1]):
        bucket = buckets[place]
        for at in range(rooms[bucket], rooms[bucket] + inside[bucket]):
            other = stay[at]
            if shared[other] == 0:
                found[count] = other
                count += 1
            shared[other] += 1
    return count


@compiled_with_arrays
def _chosen(found: NDArray[np.int64], count: int, shared: NDArray[np.int64], most: int) -> int:
    """Sort what was found; of too many keep those that share most buckets, of equal ones the first."""
    if count > most:
        for at in range(count):  # those that share most come first
            found[at] |= (255 - min(shared[found[at]], 255)) << 32
        found[:count].sort()
        for at in range(count):
            found[at] &= 0xFFFFFFFF
    for at in range(count):  # for the next document
        shared[found[at]] = 0
    count = min(count, most)
    found[:count].sort()
    return count
