"""Where personal data may stand: short pieces of a buffer, so that the patterns read little of it.

A piece ends where no find of `ockham.curation.steps.redact` goes on: at a byte that stands in none of its patterns,
between a blank and a small letter, and behind a line end, unless blanks or the sign of a password follow. So what is
found in the pieces is what is found in the whole.
"""

from __future__ import annotations

import string

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.shingles import Texts, gather_texts
from ockham.curation.kernels.simd import WIDE, lowest, trace_bits_wide

_ONE = np.uintp(1)
_NEVER, _DIGIT = 1, 2
_FEW, _MANY, _DOTS, _CARD = 4, 6, 3, 13
"""Digits of an address of four numbers at least, its dots, the digits of anything else, and those of a card."""
_NATIONAL = 9
"""Digits of a national telephone number with its zero, at least."""
_ANNOUNCED = 7
"""Digits of a telephone number before which a word says that it is one, at least."""
_LONGEST = 15
"""Digits of the longest national number, the only one that may stand behind a point."""
_SIXTH = np.uintp(40)
"""More characters than an address of IP version 6 has."""
_REACH = 32
"""Bytes in which a telephone number is announced, `ockham.data.phone_numbers.CUE_REACH`."""
STEMS = (
    b"anr", b"app", b"cal", b"cel", b"chi", b"dia", b"dzw", b"fax", b"fon", b"gsm", b"han", b"hel", b"hot", b"il ",
    b"lig", b"lla", b"mei", b"mi ", b"mij", b"mob", b"mon", b"my ", b"num", b"pho", b"rea", b"rin", b"ruf", b"sms",
    b"tel", b"tex", b"tlf", b"wha",
)  # fmt: skip
"""How `ockham.data.phone_numbers.CUES` begin, where they do in ASCII."""
_STEMS = np.array([int.from_bytes(stem, "little") for stem in STEMS], dtype=np.int64)
_LETTERS = string.ascii_letters.encode()
_INSIDE = b"%+-@()/:\"'=._ \t\n\f\r"


def find_pii_regions(data: NDArray[np.uint8]) -> tuple[Texts, NDArray[np.int64]]:
    """Return the pieces of a buffer in which something may be, a NUL behind each, and where they begin in it."""
    kinds = np.full(256, _NEVER, dtype=np.uint8)
    kinds[list(_LETTERS + _INSIDE)] = 0
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    room = np.empty((2, len(data) // 2 + 1), dtype=np.int64)
    begins, ends = room[:, : _traces(data, kinds, room)].copy()
    return gather_texts(Texts(data, begins, ends), 0), begins


@compile_kernel
def _traces(data: NDArray[np.uint8], kinds: NDArray[np.uint8], out: NDArray[np.int64]) -> int:
    """Write down the pieces; every byte is looked at a bounded number of times."""
    end = np.uintp(len(data))
    at = done = counted = np.uintp(0)
    number = 0
    while at < end:
        ahead = lowest(trace_bits_wide(data, at)) if at + WIDE <= end else np.uintp(0)
        if ahead > np.uintp(0):
            at += ahead
            continue
        digit = kinds[data[at]] == _DIGIT
        if (digit and at >= counted) or (not digit and _is_trace(data, at, end)):
            begin, behind = _piece(data, kinds, at, done)
            if not digit or _may_count(data, kinds, begin, behind):
                out[0, number], out[1, number] = np.int64(begin), np.int64(behind)
                number += 1
                at = done = behind
                continue
            counted = behind
        at += _ONE
    return number


@compile_kernel
def _piece(
    data: NDArray[np.uint8], kinds: NDArray[np.uint8], at: np.uintp, done: np.uintp
) -> tuple[np.uintp, np.uintp]:
    """Return the piece that a byte is in; what is before ``done`` was returned already."""
    end = np.uintp(len(data))
    begin, behind = at, at + _ONE
    while begin > done and not _parts(data, kinds, begin):
        begin -= _ONE
    while behind < end and not _parts(data, kinds, behind):
        behind += _ONE
    return begin, behind


@compile_kernel
def _parts(data: NDArray[np.uint8], kinds: NDArray[np.uint8], at: np.uintp) -> bool:
    """Tell whether no find goes on from the byte before to this one."""
    before, byte = data[at - _ONE], data[at]
    if kinds[before] == _NEVER or kinds[byte] == _NEVER:
        return True
    if before == 32:
        return bool(97 <= byte <= 122)
    return _is_blank(before) and not (_is_blank(byte) or byte == 58 or byte == 61)


@compile_kernel
def _may_count(data: NDArray[np.uint8], kinds: NDArray[np.uint8], begin: np.uintp, end: np.uintp) -> bool:
    """Tell whether the digits of a piece may be a number that means something: dates and the like are not.

    Beside characters that are not ASCII there may be digits that are none either, which belong to a number too.
    """
    foreign = (begin > np.uintp(0) and data[begin - _ONE] >= 128) or (end < np.uintp(len(data)) and data[end] >= 128)
    digits = dots = chain = before = 0
    shaped = foreign
    at = behind = begin
    while at < end:
        if kinds[data[at]] != _DIGIT:
            dots += data[at] == 46
            at += _ONE
            continue
        start = at
        while at < end and kinds[data[at]] == _DIGIT:
            at += _ONE
        run = int(at - start)
        between = _sign_between(data, behind, start) if before > 0 else 0
        chain = run + (chain if between in (32, 45) else 0)
        if run > _LONGEST and _before(data, start, 1) == 46:  # a fraction: no number of the kinds begins behind a point
            chain = 0
        shaped |= chain >= _CARD or _is_shaped(before, between, run) or _is_lettered(data, start, at, begin, end)
        if not shaped and _begins_number(data, start):
            shaped = _is_number(data, start, end)
        digits += run
        before, behind = run, at
    return (shaped and digits >= _MANY) or (digits >= _FEW and dots >= _DOTS)


@compile_kernel
def _sign_between(data: NDArray[np.uint8], behind: np.uintp, start: np.uintp) -> int:
    """Return the sign between two runs of digits; up to two blanks may fill it up, as `with_plain_gap_bytes` does."""
    if start - behind > np.uintp(3):
        return 0
    for at in range(behind + _ONE, start):
        if data[at] != 32:
            return 0
    return int(data[behind])


@compile_kernel
def _is_shaped(before: int, between: int, run: int) -> bool:
    """Tell whether two runs of digits with one sign between them may stand in a phone number, or an American one."""
    if between in (32, 45, 46, 47) and 3 <= before <= 4 and 3 <= run <= 4:
        return True
    return between == 45 and before == 3 and run == 2


@compile_kernel
def _begins_number(data: NDArray[np.uint8], start: np.uintp) -> bool:
    """Tell whether a telephone number may begin with a run of digits, from the two bytes before it."""
    last, second_last = _before(data, start, 1), _before(data, start, 2)
    if _is_word(last) or last == 43 or last == 44 or last == 45 or last == 46 or last == 47:
        return False
    return not (last == 32 and 48 <= second_last <= 57)


@compile_kernel
def _is_number(data: NDArray[np.uint8], start: np.uintp, end: np.uintp) -> bool:
    """Tell whether a run of digits and those behind it may be a telephone number.

    It begins with a zero, a bracket stands around its first digits, or a word announces it.
    """
    digits = gap = runs = 0
    zero, bracket = data[start] == 48, _before(data, start, 1) == 40
    at = start
    while at < end and gap < 5 and digits <= 16:
        byte = data[at]
        if 48 <= byte <= 57:
            runs += gap > 0 or digits == 0
            digits += 1
            gap = 0
        elif byte == 32 or byte == 46 or byte == 47 or byte == 45 or byte == 40 or byte == 41:
            gap += 1
        else:
            break
        at += _ONE
    if digits >= _NATIONAL and (zero or bracket) and not _is_date(data, start, end):
        return True
    return digits >= _ANNOUNCED and _is_announced(data, start)


@compile_kernel
def _is_date(data: NDArray[np.uint8], start: np.uintp, end: np.uintp) -> bool:
    """Tell whether digits begin as in 01.02.2024: two, a sign, two, the same sign, four."""
    if start + np.uintp(10) > end or (start + np.uintp(10) < end and 48 <= data[start + np.uintp(10)] <= 57):
        return False
    for place in range(10):
        byte = data[start + np.uintp(place)]
        if place == 2 or place == 5:
            if byte != data[start + np.uintp(2)] or not 45 <= byte <= 47:
                return False
        elif not 48 <= byte <= 57:
            return False
    return bool(data[start] <= 51 and data[start + np.uintp(3)] <= 49)


@compile_kernel
def _is_announced(data: NDArray[np.uint8], start: np.uintp) -> bool:
    """Tell whether a word for a telephone number may stand before it; what is not ASCII may be one."""
    letters = 0
    for far in range(1, _REACH + 1):
        byte = _before(data, start, far)
        if byte >= 128:
            return True
        if 65 <= byte <= 90:
            byte |= 32
        letters = ((letters << 8) | byte) & 0xFFFFFF
        for stem in _STEMS:
            if letters == stem:
                return True
    return False


@compile_kernel
def _is_lettered(data: NDArray[np.uint8], start: np.uintp, at: np.uintp, begin: np.uintp, end: np.uintp) -> bool:
    """Tell whether a run of digits has a plus or capital letters before it, or many digits one behind, as in codes."""
    if start > begin:
        sign = int(data[start - _ONE])
        if sign == 32 and start - begin > _ONE:
            sign = int(data[start - np.uintp(2)])
        if sign == 43 or _is_capital(sign):
            return True
    if at - start < np.uintp(7) or at == end:
        return False
    after = int(data[at + _ONE]) if data[at] == 45 and at + _ONE < end else int(data[at])
    return _is_capital(after)


@compile_kernel
def _is_capital(byte: int) -> bool:
    return 65 <= byte <= 90


@compile_kernel
def _is_trace(data: NDArray[np.uint8], at: np.uintp, end: np.uintp) -> bool:
    """Tell whether a sign other than a digit stands as in some find."""
    byte = data[at]
    last, second_last, third_last = _before(data, at, 1), _before(data, at, 2), _before(data, at, 3)
    after = int(data[at + _ONE]) if at + _ONE < end else 0
    if byte == 58 or byte == 61:
        return _is_named(data, at) or (byte == 58 and _is_sixth(data, at, end))
    if byte == 45:  # sk-, xoxb-, -----BEGIN
        return bool(
            (last == 107 and second_last == 115)
            or (second_last == 120 and third_last == 111)
            or (last == 45 and after == 66)
        )
    if byte == 95:  # ghp_, github_pat_, hf_, sk_live_
        is_token = (second_last == 104 and third_last == 103) or (
            last == 116 and second_last == 97 and third_last == 112
        )
        return bool(
            is_token or (last == 102 and second_last == 104) or (last == 107 and (after == 108 or after == 116))
        )
    if byte == 73:  # AKIA, ASIA, AIza
        return bool((after == 65 and (last == 75 or last == 83)) or (last == 65 and after == 122))
    return bool(byte == 64 or (byte == 74 and last == 121))  # a@b, eyJ


@compile_kernel
def _is_named(data: NDArray[np.uint8], at: np.uintp) -> bool:
    """Tell whether key, secret, password, passwd or token may stand before a sign: by their last two letters."""
    far = 1
    while far < 4 and _is_blank(_before(data, at, far)):
        far += 1
    if _before(data, at, far) in (34, 39):
        far += 1
    last, other = _before(data, at, far) | 32, _before(data, at, far + 1) | 32
    if last == 100:
        return bool(other == 114 or other == 119)
    return bool(other == 101 and (last == 121 or last == 116 or last == 110))


@compile_kernel
def _is_blank(byte: int) -> bool:
    return byte == 32 or 9 <= byte <= 13


@compile_kernel
def _before(data: NDArray[np.uint8], at: np.uintp, far: int) -> int:
    return int(data[at - np.uintp(far)]) if at >= np.uintp(far) else 0


@compile_kernel
def _is_sixth(data: NDArray[np.uint8], at: np.uintp, end: np.uintp) -> bool:
    """Tell whether a colon may stand in an address of IP version 6: colons and hexadecimal digits that stand alone."""
    first, behind = at, at + _ONE
    while first > np.uintp(0) and at - first < _SIXTH and _is_colon_or_hex(int(data[first - _ONE])):
        first -= _ONE
    while behind < end and behind - at < _SIXTH and _is_colon_or_hex(int(data[behind])):
        behind += _ONE
    before = _before(data, first, 1)
    if before == 46 or _is_word(before) or (behind < end and _is_word(int(data[behind]))):
        return False
    colons = 0
    for index in range(first, behind):
        colons += data[index] == 58
    return colons > 1


@compile_kernel
def _is_word(byte: int) -> bool:
    return byte == 95 or 48 <= byte <= 57 or 97 <= (byte | 32) <= 122


@compile_kernel
def _is_colon_or_hex(byte: int) -> bool:
    return bool(48 <= byte <= 58 or 97 <= (byte | 32) <= 102)
