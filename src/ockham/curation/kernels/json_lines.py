"""JSON lines read in one pass over their bytes: what each row is when it is written again, and the texts in it.

A line is taken here only where the strict parser (`ockham.readers.json_file`) would take it and give the same values:
UTF-8 and JSON are checked byte by byte, and whatever is rare (a key that stands twice or is escaped, numbers that are
written otherwise than orjson writes them, half a character, deep nesting) makes the line one for that parser. RFC 8259.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ockham.curation.kernels.jit import compile_kernel
from ockham.curation.kernels.json_strings import FAILED, ONE, kinds, string, unescape
from ockham.curation.kernels.shingles import Texts

BLANK, SOUND, UNSURE = 0, 1, 2
_DEEP = 16
_MANY_KEYS = 64
_DIGITS = 15
_SLACK = 64
"""Bytes at the end of a buffer, so that the last ones can be copied in lanes too."""
_KEY, _VALUE, _MAY_END, _BEHIND = 1, 2, 4, 12
"""What may come next: a key, a value, the end of what is open, or (with the end) a comma."""
_START = np.uint64(0xCBF29CE484222325)
_STEP = np.uint64(0x100000001B3)


class Read(NamedTuple):
    """What was read of a block of lines.

    Line i is ``data[lines.starts[i]:lines.ends[i]]`` without its line end. Where ``verdicts[i]`` is `SOUND`, the row as
    orjson writes it, its input (several joined by line ends) and its target stand at i in ``rows``, ``texts`` and
    ``targets``; a line end stands behind each row and a NUL behind each text. For other lines they are empty.
    """

    verdicts: NDArray[np.uint8]
    lines: Texts
    rows: Texts
    texts: Texts
    targets: Texts


class _Columns(NamedTuple):
    """The names of the columns to read, one after the other; the last one is the target's if there is one."""

    names: NDArray[np.uint8]
    begins: NDArray[np.int64]
    inputs: int


class _Room(NamedTuple):
    """Where the values of the columns stand in the row, and what is open: kinds, numbers, keys of objects."""

    spans: NDArray[np.int64]
    stack: NDArray[np.int64]
    owners: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    kinds: NDArray[np.uint8]


def read_lines(data: NDArray[np.uint8], inputs: tuple[str, ...], target: str | None) -> Read:
    """Read whole lines (the last line end may be missing), each an object, and take the columns out of them."""
    ends = np.flatnonzero(data == 10).astype(np.int64)
    if len(data) and data[-1] != 10:
        ends = np.append(ends, len(data))
    number = len(ends)
    lines = Texts(data, np.append(0, ends[:-1] + 1)[:number].astype(np.int64), ends)
    names = [name.encode("utf-8", "surrogatepass") for name in (*inputs, *([] if target is None else [target]))]
    columns = _Columns(np.frombuffer(b"".join(names), np.uint8), np.cumsum([0, *map(len, names)]), len(inputs))
    room = _Room(
        np.empty((len(names), 2), dtype=np.int64),
        np.empty((_DEEP + 1, 2), dtype=np.int64),
        np.empty(_MANY_KEYS, dtype=np.int64),
        np.empty(_MANY_KEYS, dtype=np.uint64),
        kinds(),
    )
    read = Read(
        np.zeros(number, dtype=np.uint8),
        lines,
        _room_for(len(data) + 2 * number + _SLACK, number),
        _room_for(len(data) + (len(inputs) + 2) * number + _SLACK, number),
        _room_for(0 if target is None else len(data) + 2 * number + _SLACK, number),
    )
    used = _read_all(read, columns, room)
    return read._replace(
        rows=read.rows._replace(data=read.rows.data[: used[0]]),
        texts=read.texts._replace(data=read.texts.data[: used[1]]),
        targets=read.targets._replace(data=read.targets.data[: used[2]]),
    )


def _room_for(size: int, number: int) -> Texts:
    return Texts(np.empty(size, dtype=np.uint8), np.zeros(number, dtype=np.int64), np.zeros(number, dtype=np.int64))


@compile_kernel
def _read_all(read: Read, columns: _Columns, room: _Room) -> tuple[int, int, int]:
    """Read every line; return how much of each buffer was used."""
    data = read.lines.data
    rows, texts, targets = read.rows.data, read.texts.data, read.targets.data
    at_row = at_text = at_target = np.uintp(0)
    column_count = len(columns.begins) - 1
    for i in range(len(read.verdicts)):
        begin, end = np.uintp(read.lines.starts[i]), np.uintp(read.lines.ends[i])
        begin = _behind_blanks(data, begin, end)
        read.rows.starts[i] = read.rows.ends[i] = np.int64(at_row)
        read.texts.starts[i] = read.texts.ends[i] = np.int64(at_text)
        read.targets.starts[i] = read.targets.ends[i] = np.int64(at_target)
        if begin == end:
            continue
        behind = _copy_object(data, (begin, end), columns, room, rows, at_row)
        if behind == FAILED:
            read.verdicts[i] = UNSURE
            continue
        read.verdicts[i] = SOUND
        for column in range(columns.inputs):
            if column > 0:
                texts[at_text] = 10
                at_text += ONE
            at_text = unescape(rows, room.spans[column], texts, at_text)
        read.texts.ends[i] = np.int64(at_text)
        texts[at_text] = 0
        at_text += ONE
        if column_count > columns.inputs:
            at_target = unescape(rows, room.spans[columns.inputs], targets, at_target)
            read.targets.ends[i] = np.int64(at_target)
            targets[at_target] = 0
            at_target += ONE
        read.rows.ends[i] = np.int64(behind)
        rows[behind] = 10
        at_row = behind + ONE
    return int(at_row), int(at_text), int(at_target)


@compile_kernel
def _copy_object(  # noqa: C901, PLR0911, PLR0912 - one loop over the states of a small machine, each of a line or two
    data: NDArray[np.uint8],
    span: tuple[np.uintp, np.uintp],
    columns: _Columns,
    room: _Room,
    rows: NDArray[np.uint8],
    to: np.uintp,
) -> np.uintp:
    """Copy one object in the form orjson writes; return where the copy ends, 0 where the line is not for this loop."""
    at, end = span
    room.spans[:] = -1
    depth = objects = keys = 0
    column = -1
    state = _VALUE
    while True:
        at = _behind_blanks(data, at, end)
        if at >= end:
            return to if state == _BEHIND and depth == 0 else FAILED
        byte = data[at]
        if (byte == 125 or byte == 93) and depth > 0 and state & _MAY_END:
            if (byte == 125) != (room.stack[depth, 0] == 123):
                return FAILED
            depth -= 1
            state = _BEHIND
        elif state == _BEHIND:
            if byte != 44 or depth == 0:
                return FAILED
            state = _KEY if room.stack[depth, 0] == 123 else _VALUE
        elif state & _KEY:
            begin = to + ONE
            at, to = string(data, at, end, room.kinds, rows, to)
            if at == FAILED or not _note_key(rows[begin : to - ONE], room, keys, room.stack[depth, 1]):
                return FAILED
            keys += 1
            at = _behind_blanks(data, at, end)
            if at >= end or data[at] != 58:
                return FAILED
            byte = data[at]
            column = _column(rows[begin : to - ONE], columns) if depth == 1 else -1
            state = _VALUE
        elif byte == 123 or byte == 91:
            if depth == _DEEP or column >= 0 or (depth == 0 and byte == 91):
                return FAILED
            depth += 1
            objects += 1
            room.stack[depth, 0], room.stack[depth, 1] = byte, objects
            state = (_KEY if byte == 123 else _VALUE) | _MAY_END
        else:
            begin = to + ONE
            at, to = string(data, at, end, room.kinds, rows, to) if byte == 34 else _bare(data, at, end, rows, to)
            if at == FAILED or depth == 0 or (column >= 0 and byte != 34 and byte != 110):
                return FAILED
            if column >= 0 and byte == 34:
                room.spans[column, 0], room.spans[column, 1] = np.int64(begin), np.int64(to) - 1
            column = -1
            state = _BEHIND
            continue
        rows[to] = byte
        at += ONE
        to += ONE


@compile_kernel
def _behind_blanks(data: NDArray[np.uint8], at: np.uintp, end: np.uintp) -> np.uintp:
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 13):
        at += ONE
    return at


@compile_kernel
def _note_key(key: NDArray[np.uint8], room: _Room, keys: int, owner: int) -> bool:
    """Note a key of an object; tell whether it is plain and stands there for the first time."""
    state = _START
    if keys == _MANY_KEYS:
        return False
    for byte in key:
        if byte == 92:
            return False
        state = (state ^ np.uint64(byte)) * _STEP
    for k in range(keys):
        if room.hashes[k] == state and room.owners[k] == owner:
            return False
    room.hashes[keys], room.owners[keys] = state, owner
    return True


@compile_kernel
def _column(key: NDArray[np.uint8], columns: _Columns) -> int:
    """Return the index of a key among the columns, -1 where it is none of them."""
    for index in range(len(columns.begins) - 1):
        begin = columns.begins[index]
        if columns.begins[index + 1] - begin == len(key):
            same = True
            for k in range(len(key)):
                same = same and columns.names[begin + k] == key[k]
            if same:
                return index
    return -1


@compile_kernel
def _bare(
    data: NDArray[np.uint8], at: np.uintp, end: np.uintp, rows: NDArray[np.uint8], to: np.uintp
) -> tuple[np.uintp, np.uintp]:
    """Copy a number, true, false or null, if orjson would write it the same."""
    begin = at
    while at < end and data[at] not in (32, 9, 13, 44, 93, 125):
        at += ONE
    word = data[begin:at]
    if len(word) == 0 or not (_is_word(word) or _is_plain_number(word)):
        return FAILED, to
    for byte in word:
        rows[to] = byte
        to += ONE
    return at, to


@compile_kernel
def _is_word(word: NDArray[np.uint8]) -> bool:
    if len(word) == 4:
        if word[0] == 116:
            return bool(word[1] == 114 and word[2] == 117 and word[3] == 101)
        return bool(word[0] == 110 and word[1] == 117 and word[2] == 108 and word[3] == 108)
    return len(word) == 5 and bool(
        word[0] == 102 and word[1] == 97 and word[2] == 108 and word[3] == 115 and word[4] == 101
    )


@compile_kernel
def _is_plain_number(word: NDArray[np.uint8]) -> bool:
    """Tell a number of at most 15 digits that is written as orjson writes it: no exponent, nothing to be left out.

    A decimal of 15 digits is the shortest one of its double, and stands without an exponent from 0.0001 on.
    """
    begin = 1 if word[0] == 45 else 0
    dot = -1
    for at in range(begin, len(word)):
        if word[at] == 46 and dot < 0:
            dot = at
        elif word[at] < 48 or word[at] > 57:
            return False
    whole = (dot if dot >= 0 else len(word)) - begin
    if whole == 0 or len(word) - begin > _DIGITS or (whole > 1 and word[begin] == 48):
        return False
    zero = word[begin] == 48
    if dot < 0:
        return not (zero and begin == 1)
    return _is_plain_part(word[dot + 1 :], zero, begin == 1)


@compile_kernel
def _is_plain_part(part: NDArray[np.uint8], zero: bool, negative: bool) -> bool:
    """Tell whether what stands behind the point is as orjson writes it; ``zero``: what stands before it is 0."""
    if len(part) == 0:
        return False
    if part[len(part) - 1] == 48:
        return len(part) == 1 and not (zero and negative)
    seen = not zero
    for at in range(min(4, len(part))):
        seen = seen or part[at] != 48
    return seen
