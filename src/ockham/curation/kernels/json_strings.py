"""Strings of JSON, copied as orjson writes them, and their texts (RFC 8259, section 7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.char_classes import Whole
from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.simd import WIDE, copy_wide, escape_bits_wide, lowest, special_bits_wide

FAILED = np.uintp(0)
"""Instead of a place: the string is none for this loop."""
ONE = np.uintp(1)
_QUOTE, _ESCAPE, _CONTROL, _WIDE = 1, 2, 3, 4
_SHORT = np.zeros(256, dtype=np.uint8)
_SHORT[[8, 9, 10, 12, 13, 34, 92]] = [98, 116, 110, 102, 114, 34, 92]
"""Behind a backslash, the letter that a character is written with."""
_MEANT = np.zeros(256, dtype=np.uint8)
_MEANT[[98, 116, 110, 102, 114, 34, 92, 47]] = [8, 9, 10, 12, 13, 34, 92, 47]
"""The character that a letter behind a backslash means."""


def kinds() -> NDArray[np.uint8]:
    """Tell for each byte what it is inside of a string: plain, or one of quote, escape, control, longer character."""
    classes = np.zeros(256, dtype=np.uint8)
    classes[:32] = _CONTROL
    classes[128:] = _WIDE
    classes[34], classes[92] = _QUOTE, _ESCAPE
    return classes


@compile_kernel
def string(
    data: NDArray[np.uint8],
    at: np.uintp,
    end: np.uintp,
    kinds: NDArray[np.uint8],
    rows: NDArray[np.uint8],
    to: np.uintp,
) -> tuple[np.uintp, np.uintp]:
    """Copy a string with its quotes; return the places behind it in the line (0: not for this loop) and in the copy."""
    if data[at] != 34:
        return FAILED, to
    rows[to] = 34
    at, to = at + ONE, to + ONE
    while at < end:
        at, to = _copy_plain(data, at, end, rows, to)
        kind = kinds[data[at]] if at < end else _CONTROL
        if kind == _WIDE:
            width = _width(data, at, end)
            if width == 0:
                break
            for _ in range(width):
                rows[to] = data[at]
                at += ONE
                to += ONE
        elif kind == _ESCAPE:
            at, to = _escape(data, at, end, rows, to)
            if at == FAILED:
                break
        elif kind == _QUOTE:
            rows[to] = 34
            return at + ONE, to + ONE
        else:
            break
    return FAILED, to


@compile_kernel
def _copy_plain(
    data: NDArray[np.uint8], at: np.uintp, end: np.uintp, rows: NDArray[np.uint8], to: np.uintp
) -> tuple[np.uintp, np.uintp]:
    """Copy the characters of a string that stand for themselves; return where that ends in both."""
    while at < end:
        if at + WIDE > np.uintp(len(data)) or to + WIDE > np.uintp(len(rows)):
            break
        copy_wide(data, at, rows, to)
        plain = lowest(special_bits_wide(data, at))
        at, to = at + plain, to + plain
        if plain < WIDE:
            return at, to
    while at < end and 32 <= data[at] < 128 and data[at] != 34 and data[at] != 92:
        rows[to] = data[at]
        at, to = at + ONE, to + ONE
    return at, to


@compile_kernel
def _width(data: NDArray[np.uint8], at: np.uintp, end: np.uintp) -> int:
    """Return the bytes of a character of more than one, 0 where they are not sound UTF-8 (RFC 3629, section 4)."""
    lead = data[at]
    width = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if lead < 0xC2 or lead > 0xF4 or at + np.uintp(width) > end:
        return 0
    for k in range(1, width):
        if data[at + np.uintp(k)] & 0xC0 != 0x80:
            return 0
    second = data[at + ONE]
    if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
        return 0
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return 0
    return width


@compile_kernel
def _escape(
    data: NDArray[np.uint8], at: np.uintp, end: np.uintp, rows: NDArray[np.uint8], to: np.uintp
) -> tuple[np.uintp, np.uintp]:
    """Copy one escape as orjson writes it: the character itself, or its short form."""
    if at + ONE >= end:
        return FAILED, to
    letter = data[at + ONE]
    code: Whole = np.int64(-1)
    width = 2
    if letter == 117:
        code = _hexadecimal(data, at + np.uintp(2), end)
        width = 6
        if code >= 0xD800 and code < 0xE000:
            low: Whole = np.int64(-1)
            if code < 0xDC00 and at + np.uintp(7) < end and data[at + np.uintp(6)] == 92:
                low = _hexadecimal(data, at + np.uintp(8), end) if data[at + np.uintp(7)] == 117 else np.int64(-1)
            if low < 0xDC00 or low > 0xDFFF:
                return FAILED, to
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            width = 12
    else:
        code = np.int64(_MEANT[letter])
    if code <= 0:
        return FAILED, to
    return at + np.uintp(width), _write_character(code, rows, to)


@compile_kernel
def _hexadecimal(data: NDArray[np.uint8], at: np.uintp, end: np.uintp) -> Whole:
    """Read four hexadecimal digits, -1 where they are none."""
    value = np.int64(0)
    if at + np.uintp(4) > end:
        return np.int64(-1)
    for k in range(4):
        byte = np.int64(data[at + np.uintp(k)])
        if byte >= 48 and byte <= 57:
            value = value * 16 + byte - 48
        elif (byte | 32) >= 97 and (byte | 32) <= 102:
            value = value * 16 + (byte | 32) - 87
        else:
            return np.int64(-1)
    return value


@compile_kernel
def _write_character(code: Whole, rows: NDArray[np.uint8], to: np.uintp) -> np.uintp:
    """Write a character of a string as orjson does."""
    if code < 0x80:
        if _SHORT[code] != 0:
            rows[to], rows[to + ONE] = 92, _SHORT[code]
            return to + np.uintp(2)
        if code >= 32:
            rows[to] = code
            return to + ONE
        low = code & 15
        rows[to], rows[to + ONE], rows[to + np.uintp(2)], rows[to + np.uintp(3)] = 92, 117, 48, 48
        rows[to + np.uintp(4)] = 48 + (code >> 4)
        rows[to + np.uintp(5)] = 48 + low if low < 10 else 87 + low
        return to + np.uintp(6)
    if code < 0x800:
        rows[to] = 0xC0 | (code >> 6)
        rows[to + ONE] = 0x80 | (code & 0x3F)
        return to + np.uintp(2)
    if code < 0x10000:
        rows[to] = 0xE0 | (code >> 12)
        rows[to + ONE] = 0x80 | ((code >> 6) & 0x3F)
        rows[to + np.uintp(2)] = 0x80 | (code & 0x3F)
        return to + np.uintp(3)
    rows[to] = 0xF0 | (code >> 18)
    rows[to + ONE] = 0x80 | ((code >> 12) & 0x3F)
    rows[to + np.uintp(2)] = 0x80 | ((code >> 6) & 0x3F)
    rows[to + np.uintp(3)] = 0x80 | (code & 0x3F)
    return to + np.uintp(4)


@compile_kernel
def unescape(rows: NDArray[np.uint8], span: NDArray[np.int64], texts: NDArray[np.uint8], to: np.uintp) -> np.uintp:
    """Write the text of a string that orjson would have written, without its escapes; return where it ends."""
    if span[0] < 0:
        return to
    at, end = np.uintp(span[0]), np.uintp(span[1])
    while at < end:
        if at + WIDE <= np.uintp(len(rows)) and to + WIDE <= np.uintp(len(texts)):
            copy_wide(rows, at, texts, to)
            plain = min(lowest(escape_bits_wide(rows, at)), end - at)
            at, to = at + plain, to + plain
            if at >= end or plain == WIDE:
                continue
        if rows[at] != 92:
            texts[to] = rows[at]
            at, to = at + ONE, to + ONE
            continue
        if rows[at + ONE] == 117:
            texts[to] = _hexadecimal(rows, at + np.uintp(2), end)
            at += np.uintp(6)
        else:
            texts[to] = _MEANT[rows[at + ONE]]
            at += np.uintp(2)
        to += ONE
    return to
