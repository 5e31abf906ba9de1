"""Which texts need a closer look: one pass over the bytes, so that the slow repairs see suspects alone."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import LIMIT, Whole, code_at
from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.shingles import Texts
from ockham.curation.kernels.simd import WIDE as WIDE_LANES
from ockham.curation.kernels.simd import lowest, marked_bits_wide

MOJIBAKE, CONTROL, TAG, ENTITY, WIDE, AT, DIGITS, LOOSE = 1, 2, 4, 8, 16, 32, 64, 128
# What cp1252 shows for the bytes 80 to 9F: seen behind a letter of the range C2 to F4, they may be a broken character.
_CP1252 = np.array(
    [0x20AC, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x017D, 0x2018,
     0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x017E, 0x0178],
    dtype=np.int64,
)  # fmt: skip


def repair_flags(texts: Texts) -> NDArray[np.uint8]:
    """Mark each text: may hold mojibake, control characters, tags, entities; is not ASCII; has @; has many digits.

    `LOOSE` says that its characters may not be composed (NFC); where it is missing they are.
    """
    flags = np.zeros(len(texts.starts), dtype=np.uint8)
    kinds = np.zeros(256, dtype=np.uint8)
    kinds[:32] = kinds[127] = CONTROL
    kinds[[9, 10]] = 0
    kinds[ord("0") : ord("9") + 1] = DIGITS
    kinds[ord("@")], kinds[ord("<")], kinds[ord("&")] = AT, TAG, ENTITY
    kinds[128:] = WIDE
    _mark_all(texts, kinds, _CP1252, _loose(), flags)
    return flags


@lru_cache(maxsize=1)
def _loose() -> NDArray[np.bool_]:
    """For each code point below `LIMIT`: whether a text that holds it may not be in the form NFC.

    Text of characters that stand for themselves, combine with none before them and are no second half of a composed
    one is in that form (Unicode Standard Annex 15, section 9; above `LIMIT` no character is otherwise).
    """
    is_loose = np.zeros(LIMIT, dtype=np.bool_)
    for code in range(0x80, LIMIT):
        char = chr(code)
        parts = unicodedata.decomposition(char)
        if parts and parts[0] != "<":
            is_loose[[int(part, 16) for part in parts.split()[1:]]] = True
        is_loose[code] |= unicodedata.combining(char) > 0 or not unicodedata.is_normalized("NFC", char)
    is_loose[0x1161:0x1176] = is_loose[0x11A8:0x11C3] = True  # Hangul, which is composed by arithmetic
    return is_loose


@compile_kernel
def _mark_all(
    texts: Texts,
    kinds: NDArray[np.uint8],
    broken: NDArray[np.int64],
    loose: NDArray[np.bool_],
    flags: NDArray[np.uint8],
) -> None:
    for i in range(len(flags)):
        flags[i] = _mark(texts.data[texts.starts[i] : texts.ends[i]], kinds, broken, loose)


@compile_kernel
def _mark(
    text: NDArray[np.uint8], kinds: NDArray[np.uint8], broken: NDArray[np.int64], loose: NDArray[np.bool_]
) -> Whole:
    seen = np.uint8(0)
    digits = 0
    before: Whole = 0
    at = np.uintp(0)
    end = np.uintp(len(text))
    while at < end:
        kind = kinds[text[at]]
        if kind == 0:
            at += lowest(marked_bits_wide(text, at)) if at + WIDE_LANES <= end else np.uintp(1)
            before = 0
        elif kind == WIDE:
            code, size = code_at(text, at)
            seen |= np.uint8(_wide(code, before, broken))
            if code < LIMIT and loose[code]:
                seen |= np.uint8(LOOSE)
            before = code
            at += np.uintp(size)
        else:
            before = 0
            at += np.uintp(1)
            if kind == DIGITS:
                digits += 1
            elif kind in (TAG, ENTITY):
                if at < end and _opens(text[at], kind):
                    seen |= kind
            else:
                seen |= kind
    return seen | (DIGITS if digits >= 4 else 0)


@compile_kernel
def _opens(after: Whole, kind: Whole) -> bool:
    """Tell whether the character behind < or & can begin a tag or an entity."""
    low = after | 32
    return bool((97 <= low <= 122) or (after in (47, 33) if kind == TAG else after == 35))


@compile_kernel
def _wide(code: Whole, before: Whole, broken: NDArray[np.int64]) -> int:
    if code < 0xA0 or code in (0xFEFF, 0x200B, 0x2060, 0xFFFD):
        return WIDE | CONTROL | (MOJIBAKE if code < 0xA0 or code == 0xFFFD else 0)
    if 0xC2 <= before <= 0xF4:
        if code < 0xC0:
            return WIDE | MOJIBAKE
        if code > 0x150:
            for other in broken:
                if code == other:
                    return WIDE | MOJIBAKE
    return WIDE
