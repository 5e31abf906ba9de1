"""How a word is spelled, as one number: its folded characters, taken in eight bytes at a time.

An ASCII character is one byte, another one three, of which the last is no ASCII: so no two spellings are the same
bytes, and it does not matter where a word is cut into runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import Whole
from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.simd import LANES, eight, plain_bits, zeros_below

START = np.uint64(0xCBF29CE484222325)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_BLANKS = np.uint64(0x2020202020202020)
_EIGHT = np.uint64(8)
_ZERO = np.uint64(0)
Spelling = tuple[np.uint64, np.uint64, np.uint64]
"""The hash of all whole eights, the bytes behind them, and eight times the number of these."""


@compile_kernel
def run_of(text: NDArray[np.uint8], at: np.uintp, end: np.uintp) -> np.uintp:
    """Count the ASCII letters and digits from a place on, sixteen at most; 0 where so many bytes cannot be read."""
    if at + LANES > np.uintp(len(text)):
        return np.uintp(0)
    return min(zeros_below(~plain_bits(text, at)), end - at)


@compile_kernel
def spell(word: Spelling, text: NDArray[np.uint8], at: np.uintp, size: np.uintp) -> Spelling:
    """Take in some ASCII letters and digits, sixteen at most, of a place from which sixteen bytes may be read."""
    # Letters are folded by this bit; digits have it.
    low = eight(text, at) | _BLANKS
    if size >= np.uintp(8):
        word = _take_in(word, low, np.uint64(64))
        low = eight(text, at + np.uintp(8)) | _BLANKS
        size -= np.uintp(8)
    bits = np.uint64(size) * _EIGHT
    return _take_in(word, low & ((np.uint64(1) << bits) - np.uint64(1)) if bits < np.uint64(64) else low, bits)


@compile_kernel
def spell_by(word: Spelling, code: Whole) -> Spelling:
    """Take in one character, folded."""
    if code < 0x80:
        return _take_in(word, np.uint64(code), _EIGHT)
    return _take_in(word, np.uint64(code) | np.uint64(0x800000), np.uint64(24))


@compile_kernel
def plain_number(text: NDArray[np.uint8], begin: np.uintp, end: np.uintp) -> np.uint64:
    """Return the number of a word of ASCII letters and digits; eight bytes behind it must be there to be read."""
    state = START
    size = np.uint64(end - begin)
    while size >= _EIGHT:
        state = _mixed_in(state, eight(text, begin) | _BLANKS)
        begin += np.uintp(8)
        size -= _EIGHT
    mask = (np.uint64(1) << (size * _EIGHT)) - np.uint64(1)
    return _mixed_in(state, (eight(text, begin) | _BLANKS) & mask)


@compile_kernel
def number_of(word: Spelling) -> np.uint64:
    """Return the number of a whole word."""
    return _mixed_in(word[0], word[1])


@compile_kernel
def _take_in(word: Spelling, more: np.uint64, bits: np.uint64) -> Spelling:
    state, held, fill = word
    if fill == _ZERO and bits < np.uint64(64):
        return state, more, bits
    held |= more << fill
    total = fill + bits
    if total < np.uint64(64):
        return state, held, total
    state = _mixed_in(state, held)
    held = more >> (np.uint64(64) - fill) if fill > _ZERO else _ZERO
    return state, held, total - np.uint64(64)


@compile_kernel
def _mixed_in(state: np.uint64, value: np.uint64) -> np.uint64:
    state = (state ^ value) * _FACTOR
    return state ^ (state >> np.uint64(32))
