"""Which language a text is in, by a classifier of fastText: the loops over characters and over its tables.

What is computed is what fastText 0.9 computes for such a model (Joulin et al., 2017, "Bag of tricks for efficient text
classification"; Bojanowski et al., 2017, for the n-grams of characters): the mean of the vectors of words and n-grams,
and the likeliest leaf of a Huffman tree of logistic regressions. One call for each text takes six times as long.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import LIMIT, Whole, code_at
from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.shingles import Texts

_SPACE, _ALPHA = 1, 2
_HASH_START = np.uint32(2166136261)
_HASH_STEP = np.uint32(16777619)
_TINY = 1e-5


class FastTextClassifier(NamedTuple):
    """A classifier of fastText, unpacked.

    ``vectors`` are those of words, then of n-grams (rows x size). Word w is ``spelling[begins[w]:begins[w + 1]]`` and
    is found through ``words``, a hash table of places (-1: free); ``grams`` gives the row of each n-gram's number (-1:
    it was not kept). ``left`` and ``right`` are the children of each node of the tree (-1: a leaf, which is a label),
    ``weights`` belong to the inner nodes. ``shape`` is: numbers of n-grams, least and most characters of one, the word
    that ends a line.
    """

    vectors: NDArray[np.float32]
    spelling: NDArray[np.uint8]
    begins: NDArray[np.int64]
    words: NDArray[np.int32]
    grams: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    weights: NDArray[np.float32]
    shape: NDArray[np.int64]


class _Sampling(NamedTuple):
    """What each code point is (`_signs`), its small letter (`_small`), and how many characters are looked at."""

    signs: NDArray[np.uint8]
    small: NDArray[np.int32]
    characters: int


class _Labels(NamedTuple):
    """The label of each text, and its probability."""

    labels: NDArray[np.int32]
    shares: NDArray[np.float32]


class _Room(NamedTuple):
    """Room for a sample, for one of its words, for rows of vectors, their mean, and nodes of the tree with scores."""

    line: NDArray[np.uint8]
    word: NDArray[np.uint8]
    rows: NDArray[np.int32]
    hidden: NDArray[np.float32]
    nodes: NDArray[np.int64]
    scores: NDArray[np.float32]


def classify(
    texts: Texts, classifier: FastTextClassifier, sample: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the label of each text (-1: no letter in its sample) and its probability.

    Looked at are ``sample`` characters in the middle of the text, without the words that are cut at their ends; in
    small letters where most are capitals, which the model has seldom seen.
    """
    number = len(texts.starts)
    labels = np.full(number, -1, dtype=np.int32)
    sure = np.zeros(number, dtype=np.float32)
    room = _Room(
        np.empty(4 * sample + 8, dtype=np.uint8),
        np.empty(4 * sample + 8, dtype=np.uint8),
        # A word of n characters has n + 2 with its brackets, so all words together at most three a character.
        np.empty((3 * sample + 8) * (int(classifier.shape[2]) + 1), dtype=np.int32),
        np.empty(classifier.vectors.shape[1], dtype=np.float32),
        np.empty(len(classifier.left) + 1, dtype=np.int64),
        np.empty(len(classifier.left) + 1, dtype=np.float32),
    )
    _classify_all(texts, classifier, _Sampling(_signs(), _small(), sample), room, _Labels(labels, sure))
    return labels, sure


def hash_table(keys: list[int], entries: list[tuple[int, ...]], width: int) -> NDArray[np.int32]:
    """Make a hash table with open addressing, half empty at least: (slots x width), -1 where a slot is free."""
    slots = 1 << (2 * len(keys) + 1).bit_length()
    table = np.full((slots, width), -1, dtype=np.int32)
    for key, entry in zip(keys, entries, strict=True):
        slot = key & (slots - 1)
        while table[slot, 0] >= 0:
            slot = (slot + 1) & (slots - 1)
        table[slot] = entry
    return table


def hash_of(word: bytes) -> int:
    """Hash a word as fastText does: FNV-1a over its bytes as signed numbers."""
    state = int(_HASH_START)
    for byte in word:
        state = ((state ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * int(_HASH_STEP)) & 0xFFFFFFFF
    return state


@lru_cache(maxsize=1)
def _signs() -> NDArray[np.uint8]:
    """For each code point below `LIMIT`: whether Python calls it a space, and whether a letter."""
    signs = np.zeros(LIMIT, dtype=np.uint8)
    every = "".join(map(chr, range(LIMIT)))
    classes = np.frombuffer("".join(map(unicodedata.category, every)).encode(), dtype=np.uint8)[::2]
    signs[classes == ord("L")] = _ALPHA
    signs[[code for code in range(0x3001) if every[code].isspace()]] = _SPACE
    return signs


@lru_cache(maxsize=1)
def _small() -> NDArray[np.int32]:
    """For each code point below `LIMIT`: its small letter if that has as many bytes, else itself; -1 - it if small."""
    small = np.arange(LIMIT, dtype=np.int32)
    for code in range(LIMIT):
        character = chr(code)
        lower = character.lower()
        if lower != character and len(lower) == 1 and len(lower.encode()) == len(character.encode()):
            small[code] = ord(lower)
        elif character.islower():
            small[code] = -1 - code
    return small


@compile_kernel
def _classify_all(
    texts: Texts,
    classifier: FastTextClassifier,
    sampling: _Sampling,
    room: _Room,
    out: _Labels,
) -> None:
    signs, small, sample = sampling
    line, word, rows, hidden, nodes, scores = room
    labels, sure = out
    for i in range(len(labels)):
        begin, end = _sample(texts.data[texts.starts[i] : texts.ends[i]], sample, signs, line)
        if end > begin:
            _soften(line[begin:end], small)
            _mean(line[begin:end], classifier, hidden, word, rows)
            labels[i], sure[i] = _likeliest(classifier, hidden, nodes, scores)


@compile_kernel
def _sample(text: NDArray[np.uint8], sample: int, signs: NDArray[np.uint8], room: NDArray[np.uint8]) -> tuple[int, int]:
    """Write the middle of a text into the room, blanks made single; return its begin and end (equal: no letter)."""
    chars = 0
    for at in range(len(text)):
        chars += (text[at] & 0xC0) != 0x80
    skip = max(0, (chars - sample) // 2)
    at = skip if chars == len(text) else 0
    for _ in range(skip if at == 0 else 0):
        at += 1
        while at < len(text) and (text[at] & 0xC0) == 0x80:
            at += 1
    size = blanks = taken = 0
    gap = letter = False
    while at < len(text) and taken < sample:
        code, width = code_at(text, at)
        taken += 1
        if code < LIMIT and signs[code] == _SPACE:
            gap = size > 0
        else:
            if gap:
                room[size] = 32
                size += 1
                blanks += 1
                gap = False
            for k in range(width):
                room[size + k] = text[at + k]
            size += width
        at += width
    begin = 0
    if skip > 0 and blanks > 2:
        begin, size = _inner(room, size)
    at = begin
    while at < size and not letter:
        code, width = code_at(room, at)
        letter = bool(code < LIMIT and signs[code] == _ALPHA)
        at += width
    return (begin, size) if letter else (0, 0)


@compile_kernel
def _soften(line: NDArray[np.uint8], small: NDArray[np.int32]) -> None:
    """Put small letters in the place of capitals where there are more of these."""
    at = more = 0
    while at < len(line):
        code, width = code_at(line, at)
        if code < LIMIT:
            more += -1 if small[code] < 0 else int(small[code] != code)
        at += width
    at = 0
    while more > 0 and at < len(line):
        code, width = code_at(line, at)
        if code < LIMIT and small[code] >= 0 and small[code] != code:
            _write(line, at, np.int64(small[code]), width)
        at += width


@compile_kernel
def _write(line: NDArray[np.uint8], at: int, code: Whole, width: int) -> None:
    """Encode a character over another one of as many bytes."""
    for k in range(width - 1, 0, -1):
        line[at + k] = 0x80 | (code & 0x3F)
        code >>= 6
    line[at] = code if width == 1 else ((0xF00 >> width) & 0xFF) | code


@compile_kernel
def _inner(room: NDArray[np.uint8], size: int) -> tuple[int, int]:
    """Leave out the first word and the last one."""
    begin = 0
    while room[begin] != 32:
        begin += 1
    while room[size - 1] != 32:
        size -= 1
    return begin + 1, size - 1


@compile_kernel
def _mean(
    line: NDArray[np.uint8],
    classifier: FastTextClassifier,
    hidden: NDArray[np.float32],
    word: NDArray[np.uint8],
    rows: NDArray[np.int32],
) -> None:
    """Write the mean vector of a line to ``hidden``: of its words, of their n-grams, and of the word that ends it.

    ``word`` and ``rows`` are room for one word and for the rows of all of them.
    """
    vectors = classifier.vectors
    word[0] = 60  # <
    size = 1
    count = 0
    ended = False
    for at in range(len(line) + 1):
        if at < len(line) and line[at] != 32:
            word[size] = line[at]
            size += 1
            continue
        index = _find_word(word[1:size], classifier)
        if index >= 0:
            rows[count] = index
            count += 1
        if index == classifier.shape[3]:
            ended = True
            break
        word[size] = 62  # >
        count = _add_grams(word[: size + 1], classifier, rows, count)
        size = 1
    if not ended:
        rows[count] = classifier.shape[3]
        count += 1
    hidden[:] = 0
    for k in range(count):
        _add(hidden, vectors, rows[k])
    hidden *= np.float32(1.0 / count)


@compile_kernel
def _add(hidden: NDArray[np.float32], vectors: NDArray[np.float32], row: Whole) -> None:
    for k in range(len(hidden)):
        hidden[k] += vectors[row, k]


@compile_kernel
def _step(state: np.uint32, byte: np.uint8) -> np.uint32:
    """Take one byte, as a signed number, into an FNV-1a hash of 32 bits."""
    signed = np.uint32(byte) if byte < 128 else np.uint32(byte) | np.uint32(0xFFFFFF00)
    return np.uint32((np.uint32(state) ^ signed) * _HASH_STEP)


@compile_kernel
def _find_word(word: NDArray[np.uint8], classifier: FastTextClassifier) -> int:
    state = _HASH_START
    for byte in word:
        state = _step(state, byte)
    mask = np.uint32(len(classifier.words) - 1)
    slot = state & mask
    while classifier.words[slot] >= 0:
        index = classifier.words[slot]
        begin = classifier.begins[index]
        if classifier.begins[index + 1] - begin == len(word):
            same = True
            for k in range(len(word)):
                same = same and classifier.spelling[begin + k] == word[k]
            if same:
                return int(index)
        slot = (slot + np.uint32(1)) & mask
    return -1


@compile_kernel
def _add_grams(word: NDArray[np.uint8], classifier: FastTextClassifier, rows: NDArray[np.int32], count: int) -> int:
    """Note the rows of the n-grams of characters of a word in its brackets, those that were kept; return how many."""
    grams, least, most = classifier.grams, classifier.shape[1], classifier.shape[2]
    numbers = np.uint32(classifier.shape[0])
    for begin in range(len(word)):
        if (word[begin] & 0xC0) == 0x80:
            continue
        state = _HASH_START
        at = begin
        for width in range(1, most + 1):
            if at >= len(word):
                break
            state = _step(state, word[at])
            at += 1
            while at < len(word) and (word[at] & 0xC0) == 0x80:
                state = _step(state, word[at])
                at += 1
            if width < least or (width == 1 and (begin == 0 or at == len(word))):
                continue
            # No branch: whether an n-gram was kept cannot be foreseen, and its row is far away in memory.
            row = grams[state % numbers]
            rows[count] = row
            count += row >= 0
    return count


@compile_kernel
def _likeliest(
    classifier: FastTextClassifier, hidden: NDArray[np.float32], nodes: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[int, float]:
    """Walk the tree to the likeliest leaf, leaving out what cannot be likelier than the best one so far."""
    left, right, weights = classifier.left, classifier.right, classifier.weights
    leaves = len(weights)
    nodes[0] = len(left) - 1
    scores[0] = 0
    waiting = 1
    label = -1
    best = np.float32(-np.inf)
    least = np.float32(np.log(_TINY))
    while waiting > 0:
        waiting -= 1
        node, score = nodes[waiting], scores[waiting]
        if score < least or (label >= 0 and score < best):
            continue
        if left[node] < 0:
            label, best = node, score
            continue
        value = np.float32(0)
        for k in range(len(hidden)):
            value += hidden[k] * weights[node - leaves, k]
        share = np.float32(1.0 / (1.0 + np.exp(-value)))
        # The likelier child is looked at first, so that most others cannot be likelier any more.
        last = 1 if value >= 0 else 0
        nodes[waiting + last] = right[node]
        scores[waiting + last] = score + np.float32(np.log(share + _TINY))
        nodes[waiting + 1 - last] = left[node]
        scores[waiting + 1 - last] = score + np.float32(np.log(np.float32(1.0 - share) + _TINY))
        waiting += 2
    return label, np.exp(best)
