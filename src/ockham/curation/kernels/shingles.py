"""Words, their n-grams, MinHash band keys, and the exact similarity of two texts.

A word is a run of letters, marks and digits, case folded; each character of a script without spaces is a word. A text
of fewer words than n has one shingle, all of its words; a text without words has none.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import ALONE, BETWEEN, LIMIT, Alphabet, Whole, code_at, mixed
from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.simd import WIDE, longer_bits_wide, lowest, plain_bits_wide
from ockham.curation.kernels.word_hash import START, number_of, plain_number, spell_by
from ockham.data.minhash import GOLDEN, PERMUTATIONS, Orders

_AHEAD = WIDE + np.uintp(8)
"""Bytes that may be read at once."""
_ONE = np.uintp(1)
_BIT = np.uint64(1)
_NONE = np.uint64(0)
_OTHER = np.uint64(0xD6E8FEB86659FD93)


class Texts(NamedTuple):
    """Texts in UTF-8 in one buffer: text i is ``data[starts[i]:ends[i]]``."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def gather_texts(texts: Texts, behind: int) -> Texts:
    """Put texts one after the other in a buffer of its own, a byte behind each."""
    ends = np.cumsum(texts.ends - texts.starts + 1) - 1
    starts = ends - (texts.ends - texts.starts)
    whole = len(ends) > 0 and len(texts.data) == ends[-1] + 1 and (texts.starts == starts).all()
    if whole and (texts.data[ends] == behind).all():
        return texts  # they stand so already
    data = np.full(int(ends[-1]) + 1 if len(ends) else 0, behind, dtype=np.uint8)
    _copy(texts, starts, data)
    return Texts(data, starts, ends)


@compile_kernel
def _copy(texts: Texts, starts: NDArray[np.int64], data: NDArray[np.uint8]) -> None:
    for i in range(len(starts)):
        to = np.uintp(starts[i])
        for at in range(np.uintp(texts.starts[i]), np.uintp(texts.ends[i])):
            data[to] = texts.data[at]
            to += _ONE


class _SketchRoom(NamedTuple):
    """Room for the words of the longest text, and for the least value under each order."""

    words: NDArray[np.uint64]
    least: NDArray[np.uint32]


class Sketches(NamedTuple):
    """For each text: its number of words, a 128-bit hash of them, and its band keys (texts x bands)."""

    words: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    keys: NDArray[np.uint64]


def texts_of(texts: list[bytes], behind: bytes = b"\0") -> Texts:
    """Put texts (sound UTF-8) one after the other, a byte behind each: a NUL, so that no pattern goes on behind it."""
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    ends = np.cumsum(sizes + 1) - 1
    return Texts(np.frombuffer(behind.join([*texts, b""]), dtype=np.uint8), ends - sizes, ends)


def characters_of(texts: Texts) -> NDArray[np.int64]:
    """Count the characters of each text."""
    counts = np.zeros(len(texts.starts), dtype=np.int64)
    _count_characters(texts, counts)
    return counts


def longest_of(texts: Texts) -> int:
    """Return the bytes of the longest text; 0 where there is none."""
    return int((texts.ends - texts.starts).max(initial=0))


def sketch(texts: Texts, letters: Alphabet, order: Orders, width: int, rows: int) -> Sketches:
    """Count and hash the words of each text and return its band keys; a text without words has keys that mean nothing.

    ``width`` is the number of words of an n-gram; no ``rows`` means no keys.
    """
    number = len(texts.starts)
    room = np.empty(longest_of(texts) + 1, dtype=np.uint64)
    bands = PERMUTATIONS // rows if rows else 0
    sketches = Sketches(
        np.zeros(number, dtype=np.int64),
        np.zeros((number, 2), dtype=np.uint64),
        np.zeros((number, bands), dtype=np.uint64),
    )
    least = np.empty(PERMUTATIONS, dtype=np.uint32)
    _sketch_all(texts, letters, order, (width, rows), _SketchRoom(room, least), sketches)
    return sketches


def shingles(text: bytes, letters: Alphabet, width: int) -> NDArray[np.uint64]:
    """Return the set of a text's shingles: their hashes, sorted."""
    data = np.frombuffer(text, dtype=np.uint8)
    room = np.empty(len(data) + 1, dtype=np.uint64)
    grams: NDArray[np.uint64] = np.sort(room[: grams_of(data, letters, width, room)])
    return grams[: distinct(grams)]


@compile_kernel
def grams_of(text: NDArray[np.uint8], letters: Alphabet, width: int, out: NDArray[np.uint64]) -> int:
    """Write the hashes of a text's n-grams to ``out``, which has room for more than its bytes; return how many."""
    return combine(out, words_of(text, 0, len(text), letters, out), width)


@compile_kernel
def distinct(values: NDArray[np.uint64]) -> int:
    """Put the different ones of sorted values to the front; return their number."""
    number = 0
    for at in range(len(values)):
        if at == 0 or values[at] != values[at - 1]:
            values[number] = values[at]
            number += 1
    return number


@compile_kernel
def _count_characters(texts: Texts, counts: NDArray[np.int64]) -> None:
    for i in range(len(counts)):
        for at in range(texts.starts[i], texts.ends[i]):
            counts[i] += (texts.data[at] & 0xC0) != 0x80


@compile_kernel
def words_of(text: NDArray[np.uint8], begin: int, end: int, letters: Alphabet, out: NDArray[np.uint64]) -> int:
    """Write the hashes of the words of ``text[begin:end]`` to ``out`` and return their number.

    Where words begin and end is seen of 64 bytes at once; a word with a longer character is read again, one by one.
    """
    count = 0
    at = start = np.uintp(begin)  # unsigned, or each access asks first whether the index is negative
    stop = np.uintp(end)
    inside = _NONE
    while at < stop and at + _AHEAD <= np.uintp(len(text)):
        longer = min(lowest(longer_bits_wide(text, at)), stop - at)
        seen = (_BIT << np.uint64(longer)) - _BIT if longer < WIDE else ~_NONE
        plain = plain_bits_wide(text, at) & seen
        edges = (plain ^ ((plain << _BIT) | inside)) & seen
        while edges != _NONE:
            edge = at + lowest(edges)
            edges &= edges - _BIT
            if inside == _NONE:
                start = edge
            else:
                out[count] = mixed(plain_number(text, start, edge))
                count += 1
            inside ^= _BIT
        at += min(longer, WIDE)
        if longer < WIDE and at < stop:
            at, count = _one_by_one(text, (start if inside != _NONE else at, stop), letters, out, count, False)
            inside = _NONE
    return _one_by_one(text, (start if inside != _NONE else at, stop), letters, out, count, True)[1]


@compile_kernel
def _one_by_one(
    text: NDArray[np.uint8],
    span: tuple[np.uintp, np.uintp],
    letters: Alphabet,
    out: NDArray[np.uint64],
    count: int,
    whole: bool,
) -> tuple[np.uintp, int]:
    """Write the hashes of words behind the ``count`` of ``out``, looking at each character; return where it ends.

    That is at the end of the span where the ``whole`` of it is read, else where no word is open and ASCII goes on.
    """
    at, stop = span
    word = START, _NONE, _NONE
    inside = False
    while at < stop:
        plain = letters.plain[text[at]]
        if plain != 0 and plain != 255:
            word = spell_by(word, np.uint32(plain))
            inside = True
            at += _ONE
            continue
        kind = np.uint8(BETWEEN)
        code: Whole = 0
        if plain == 0:
            at += _ONE
        else:
            code, size = code_at(text, at)
            at += np.uintp(size)
            kind = letters.kinds[code] if code < LIMIT else np.uint8(BETWEEN)
        if kind != BETWEEN and kind != ALONE:
            word = spell_by(word, letters.folds[code])
            inside = True
            continue
        if inside:
            out[count] = mixed(number_of(word))
            count += 1
            word = START, _NONE, _NONE
            inside = False
        if kind == ALONE:
            out[count] = mixed(number_of(spell_by(word, np.uint32(code))))
            count += 1
        if not whole and at < stop and text[at] < 128:
            break
    if inside:
        out[count] = mixed(number_of(word))
        count += 1
    return at, count


@compile_kernel
def combine(words: NDArray[np.uint64], count: int, width: int) -> int:
    """Replace word hashes, in their place, by those of the n-grams that begin there; return the number of n-grams."""
    size = min(width, count)
    if size == 0:
        return 0
    for at in range(count - size + 1):
        value = np.uint64(size)
        for offset in range(size):
            value = value * GOLDEN + words[at + offset]
        words[at] = mixed(value)
    return count - size + 1


@compile_kernel
def _hash_words(words: NDArray[np.uint64], count: int) -> tuple[np.uint64, np.uint64]:
    first = np.uint64(count)
    second = ~np.uint64(count)
    for at in range(count):
        first = (first ^ words[at]) * GOLDEN
        first ^= first >> np.uint64(32)
        second = (second + words[at]) * _OTHER
        second ^= second >> np.uint64(29)
    return mixed(first), mixed(second)


@compile_kernel
def _minima(values: NDArray[np.uint64], count: int, order: Orders, least: NDArray[np.uint32]) -> None:
    """Find the least value under each order; four values at a time, so that each order is loaded once for four."""
    for k in range(PERMUTATIONS):
        least[k] = np.uint32(0xFFFFFFFF)
    at = 0
    while at < count:
        upper_0 = np.uint32(values[at] >> np.uint64(32))
        upper_1 = np.uint32(values[min(at + 1, count - 1)] >> np.uint64(32))
        upper_2 = np.uint32(values[min(at + 2, count - 1)] >> np.uint64(32))
        upper_3 = np.uint32(values[min(at + 3, count - 1)] >> np.uint64(32))
        at += 4
        for k in range(PERMUTATIONS):
            a = order.factors[k]
            b = order.terms[k]
            first = min(np.uint32(upper_0 * a + b), np.uint32(upper_1 * a + b))
            second = min(np.uint32(upper_2 * a + b), np.uint32(upper_3 * a + b))
            least[k] = min(least[k], first, second)


@compile_kernel
def _sketch_all(
    texts: Texts,
    letters: Alphabet,
    order: Orders,
    shape: tuple[int, int],
    room: _SketchRoom,
    sketches: Sketches,
) -> None:
    width, rows = shape
    words, least = room
    for i in range(len(texts.starts)):
        count = words_of(texts.data, texts.starts[i], texts.ends[i], letters, words)
        sketches.words[i] = count
        first, second = _hash_words(words, count)
        sketches.hashes[i, 0] = first
        sketches.hashes[i, 1] = second
        if rows == 0:
            continue
        count = combine(words, count, width)
        _minima(words, count, order, least)
        for band in range(PERMUTATIONS // rows):
            key = np.uint64(band)
            for row in range(rows):
                key = (key ^ np.uint64(least[band * rows + row])) * GOLDEN
                key ^= key >> np.uint64(32)
            sketches.keys[i, band] = mixed(key)


@compile_kernel
def first_alike(
    mine: NDArray[np.uint64], others: NDArray[np.uint64], ends: NDArray[np.int64], limits: tuple[float, float]
) -> tuple[int, float]:
    """Find the first of some sets whose Jaccard similarity with one reaches the first limit, else the most similar one.

    The sets are sorted and stand one after the other in ``others``; ``ends`` is where each ends. Those that their sizes
    alone keep below the second limit are passed over. Returns the index of the set (-1: none) and the similarity.
    """
    best = -1
    most = 0.0
    begin = 0
    for index in range(len(ends)):
        size = ends[index] - begin
        if limits[1] * len(mine) <= size and size * limits[1] <= len(mine):
            similarity = jaccard(mine, others[begin : ends[index]])
            if similarity > most:
                best, most = index, similarity
                if most >= limits[0]:
                    break
        begin = ends[index]
    return best, most


@compile_kernel
def jaccard(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> float:
    """Return |A and B| / |A or B| of two sorted sets of shingles; 0 where one is empty."""
    at = other = both = 0
    while at < len(first) and other < len(second):
        left, right = first[at], second[other]
        both += left == right
        at += left <= right
        other += left >= right
    either = len(first) + len(second) - both
    return both / either if both > 0 else 0.0
