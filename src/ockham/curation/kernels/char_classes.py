"""What each character is to the kernels: part of a word, a word of its own, or what stands between words."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.jit import compile_kernel
from ockham.data import minhash

Whole: TypeAlias = "int | np.integer[Any]"
BETWEEN, LETTER, DIGIT, ALONE = 0, 1, 2, 3
LIMIT = 0x32400
"""Code points from here on (none of them assigned to a script) stand between words."""
# Scripts that are written without spaces: Thai, Lao, Myanmar, Khmer, kana, Han. Each of their characters is a word.
_UNSPACED = (
    (0x0E00, 0x0F00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x3005, 0x3008), (0x3040, 0x3100), (0x31F0, 0x3200),
    (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0xFF66, 0xFFA0), (0x20000, LIMIT),
)  # fmt: skip


BLANK, HASH, DOT, MANY = 4, 8, 16, 32


class Alphabet(NamedTuple):
    """For every code point below `LIMIT`: its kind, and the code point it counts as (case folded).

    For the loops over bytes: ``plain`` is the folded byte inside a word, 0 between words, 255 where a longer character
    begins; ``traits`` are bits: LETTER, DIGIT, BLANK, HASH, DOT, and MANY where a longer character begins.
    """

    kinds: NDArray[np.uint8]
    folds: NDArray[np.uint32]
    plain: NDArray[np.uint8]
    traits: NDArray[np.uint8]


@lru_cache(maxsize=1)
def alphabet() -> Alphabet:
    """Make the tables from the Unicode data of this Python."""
    kinds = np.zeros(LIMIT, dtype=np.uint8)
    folds = np.arange(LIMIT, dtype=np.uint32)
    every = "".join(map(chr, range(0x20000)))
    classes = np.frombuffer("".join(map(unicodedata.category, every)).encode(), dtype=np.uint8)[::2]
    kinds[:0x20000][np.isin(classes, (ord("L"), ord("M")))] = LETTER
    kinds[:0x20000][classes == ord("N")] = DIGIT
    for code in np.flatnonzero(kinds[:0x20000] != BETWEEN).tolist():
        low = every[code].lower()
        if len(low) == 1:
            folds[code] = ord(low)
    for start, end in _UNSPACED:
        part = kinds[start:end]
        part[part == LETTER] = ALONE
    kinds[0x20000:] = ALONE
    first = kinds[:128]
    plain = np.full(256, 255, dtype=np.uint8)
    plain[:128] = np.where(first != BETWEEN, folds[:128], 0)
    traits = np.full(256, MANY, dtype=np.uint8)
    traits[:128] = np.where((first == LETTER) | (first == DIGIT), first, 0)
    traits[[9, 10, 11, 12, 13, 32]] = BLANK
    traits[ord("#")], traits[ord(".")] = HASH, DOT
    return Alphabet(kinds, folds, plain, traits)


@compile_kernel
def code_at(text: NDArray[np.uint8], at: Whole) -> tuple[Whole, int]:
    """Decode the character that begins at a byte of sound UTF-8: its code point and its number of bytes."""
    lead = np.int64(text[at])
    if lead < 0x80:
        return lead, 1
    second = np.int64(text[at + 1]) & 0x3F
    if lead < 0xE0:
        return ((lead & 0x1F) << 6) | second, 2
    third = np.int64(text[at + 2]) & 0x3F
    if lead < 0xF0:
        return ((lead & 0x0F) << 12) | (second << 6) | third, 3
    return ((lead & 0x07) << 18) | (second << 12) | (third << 6) | (np.int64(text[at + 3]) & 0x3F), 4


mixed: Callable[[np.uint64], np.uint64] = compile_kernel(minhash.mix_bits)
