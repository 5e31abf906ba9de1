"""Which n-grams of words come twice, and how many characters they take; and the hash table that counts them.

A longer n-gram comes twice only where both shorter ones in it do, so each width looks at what the one before has left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.jit import compile_kernel

WIDEST = 10
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NONE = np.uint64(0)
_LEAST_SLOTS = 16
Table = tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]
"""Room for the n-gram that begins at each word, for places of words, their slots, and a table of keys and counts."""


def slots_for(entries: int) -> int:
    """Return the slots of a hash table that so many entries fit into."""
    return max(_LEAST_SLOTS, 1 << (2 * entries).bit_length())


@compile_kernel
def repeated_grams(
    words: NDArray[np.uint64], sizes: NDArray[np.int64], room: Table, number: int, out: NDArray[np.int64]
) -> None:
    """Count the characters of the most frequent 2-, 3- and 4-gram, and of the 5- to 10-grams that stood before.

    ``words`` are the hashes of so many words, ``sizes`` their characters; ``out`` is for the nine counts.
    """
    grams, positions = room[:2]
    left = number
    for at in range(number):
        positions[at] = at
        grams[at] = words[at]
    for width in range(2, WIDEST + 1):
        left = _widen(words, room, (number, left), width)
        if width == 2:
            left = _maybe_often(room, left)
        chars = _top(sizes, room, left, width)
        left = _often(room, left)
        if left == 0:  # no n-gram comes twice, so no longer one does
            return
        out[width - 2] = chars if width <= 4 else _same(sizes, room, left, width)


@compile_kernel
def _widen(words: NDArray[np.uint64], room: Table, numbers: tuple[int, int], width: int) -> int:
    """Make n-grams one word wider, where the one behind comes twice as well; return how many there are."""
    grams, positions = room[:2]
    number, left = numbers
    count = 0
    for k in range(left):
        at = positions[k]
        if at + width <= number and (width == 2 or (k + 1 < left and positions[k + 1] == at + 1)):
            value = grams[at] * _GOLDEN + words[at + width - 1]
            grams[at] = value ^ (value >> np.uint64(32))
            positions[count] = at
            count += 1
    return count


@compile_kernel
def _maybe_often(room: Table, left: int) -> int:
    """Keep the places of n-grams that may come twice: those whose bit, of some that many share, was set before.

    Most n-grams of most texts are alone, and two bits are found sooner than a place in the table of counts.
    """
    grams, positions, _, keys, _ = room
    size = _LEAST_SLOTS // 2
    while 8 * size < left:
        size *= 2
    mask = np.uint64(64 * size - 1)
    keys[: 2 * size] = _NONE  # fewer than there are: counting as many n-grams takes four times the room
    for k in range(left):
        bit = (grams[positions[k]] >> np.uint64(1)) & mask
        word = bit >> np.uint64(6)
        seen = np.uint64(1) << (bit & np.uint64(63))
        keys[np.uint64(size) + word] |= keys[word] & seen
        keys[word] |= seen
    count = 0
    for k in range(left):
        bit = (grams[positions[k]] >> np.uint64(1)) & mask
        positions[count] = positions[k]
        count += int((keys[np.uint64(size) + (bit >> np.uint64(6))] >> (bit & np.uint64(63))) & np.uint64(1))
    return count


@compile_kernel
def _top(sizes: NDArray[np.int64], room: Table, left: int, width: int) -> int:
    """Count all n-grams; return the characters that the most frequent one takes, over all of its places."""
    grams, positions, slots, keys, counts = room
    mask = clear(keys, left)
    most = 1
    chars = 0
    for k in range(left):
        slot = count_value(keys, counts, mask, grams[positions[k]])
        slots[k] = slot
        times = counts[slot]
        if times > 1 and times >= most:
            taken = times * _length(sizes, positions[k], width)
            chars = taken if times > most else max(chars, taken)
            most = times
    return chars


@compile_kernel
def _often(room: Table, left: int) -> int:
    """Keep the places of n-grams that were counted more than once; return how many there are."""
    _, positions, slots, _, counts = room
    count = 0
    for k in range(left):
        positions[count] = positions[k]
        count += counts[slots[k]] > 1
    return count


@compile_kernel
def _same(sizes: NDArray[np.int64], room: Table, left: int, width: int) -> int:
    """Return the characters of the n-grams that stood before, none counted twice."""
    grams, positions, _, keys, counts = room
    mask = clear(keys, left)
    free = chars = 0
    for k in range(left):
        at = positions[k]
        if at >= free and counts[count_value(keys, counts, mask, grams[at])] > 1:
            chars += _length(sizes, at, width)
            free = at + width
    return chars


@compile_kernel
def _length(sizes: NDArray[np.int64], at: int, width: int) -> int:
    size = 0
    for offset in range(width):
        size += sizes[at + offset]
    return size


@compile_kernel
def clear(keys: NDArray[np.uint64], entries: int) -> np.uint64:
    """Empty as much of the table as so many entries need, and return its mask."""
    slots = _LEAST_SLOTS
    while slots < 2 * entries:
        slots *= 2
    keys[:slots] = _NONE
    return np.uint64(slots - 1)


@compile_kernel
def count_value(keys: NDArray[np.uint64], counts: NDArray[np.int64], mask: np.uint64, value: np.uint64) -> np.uint64:
    """Count a value in the table and return its slot."""
    value |= np.uint64(1)
    slot = (value >> np.uint64(1)) & mask
    while keys[slot] != value:
        if keys[slot] == _NONE:
            keys[slot] = value
            counts[slot] = 0
            break
        slot = (slot + np.uint64(1)) & mask
    counts[slot] += 1
    return slot
