"""JSON files: one object a line (JSONL), one array of objects, or objects one after the other; each within limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_COLUMNS, MAX_DEPTH, MAX_DIGITS, MAX_RECORD, BrokenRow, NotFinite, Table, TableRow
from ockham.readers.text_file import CUT_OFF, Encoding, TextLine, blocks_of, head_of, lines_of

_PEEK = 200
_LONG_NUMBER = re.compile(rf"[0-9]{{{MAX_DIGITS + 1},}}")
_BLANKS = " \t\r\n"
_FILLING = re.compile(r"[ \t\r\n]*")
_NOT_FINITE = "a number is not finite (NaN or Infinity)"
TRUNCATED = "the record stops in the middle; the file looks truncated"


class Fault(NamedTuple):
    """Why a text is not one sound JSON value."""

    reason: str


def json_table(file: RegularFile, encoding: Encoding, *, finite: bool = True) -> Table:
    """Read a JSON file as objects; the columns are the keys of its first 200 objects.

    Without ``finite``, a number that JSON does not know (NaN, Infinity) spoils no record: it stands as `NotFinite`.

    Raises `DataError`: ``E_FORMAT`` (neither lines nor array nor objects, over 10,000 keys), ``E_ENCODING``, ``E_IO``.
    """
    head = head_of(file, encoding)
    shape = shape_of(head)
    array = shape == "json array"
    lines = shape == "jsonl"
    rows = _line_rows(file, encoding, finite) if lines else _element_rows(file, encoding, array, finite)
    first = list(islice(rows, _PEEK))
    names = list(dict.fromkeys(name for row in first if isinstance(row, TableRow) for name in row.cells))
    if len(names) > MAX_COLUMNS:
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)} has over {MAX_COLUMNS:,} different keys",
            fix="keep only the keys you need",
        )
    return Table(
        name=file.name,
        format=shape,
        encoding=encoding.name,
        dialect=None,
        columns=names,
        rows=chain(first, rows),
    )


def is_json(head: str, suffix: str) -> bool:
    """Tell JSON from tables by the first characters, and by the first line where the name says CSV or TSV."""
    begin = head.lstrip()
    if begin[:1] not in ("{", "["):
        json_name = suffix in (".json", ".jsonl", ".ndjson")
        return json_name and any(line.lstrip()[:1] == "{" for line in head.split("\n")[:50])
    if suffix in (".csv", ".tsv"):
        return isinstance(parse(begin.split("\n", 1)[0]), (dict, list))
    return True


def shape_of(head: str) -> str:
    """Name the shape by its beginning: ``jsonl``, ``json array`` or ``json objects`` (one after the other)."""
    lines = [line.strip() for line in head.split("\n") if line.strip()][:50]
    first = lines[0] if lines else ""
    if first.startswith("["):
        # A first line that is a whole array, with more below, is a row of a JSONL file (and no object)
        return "jsonl" if len(lines) > 1 and _whole(first) else "json array"
    if any(line.startswith("{") and _whole(line) for line in lines):
        return "jsonl"
    if len(lines) == 1:
        return "json objects" if StrictParser().decode(first, 0)[1] >= 0 else "jsonl"
    return "json objects" if _stops_short(first) else "jsonl"


def parse(text: str, decoder: StrictParser | None = None) -> object:
    """Parse one JSON value, or return the `Fault` that keeps it out.

    Depth over 64 and numbers over 4,300 digits are refused before parsing; keys that stand twice, numbers that are not
    finite, and anything behind the value, after it.
    """
    fault = _over_limits(text)
    if fault is not None:
        return fault
    value, end = (decoder or StrictParser()).decode(text, _filling(text, 0))
    if not isinstance(value, Fault) and _filling(text, end) != len(text):
        return Fault("there is text after the JSON value")
    return value


def _whole(line: str) -> bool:
    """Tell whether a line is one JSON value from end to end, within the limits or not."""
    return StrictParser().decode(line, 0)[1] == len(line)


def _over_limits(text: str) -> Fault | None:
    if len(text) > MAX_RECORD:
        return Fault("the record is longer than 16 MB")
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        return Fault(f"objects are nested more than {MAX_DEPTH} deep")
    if len(text) > MAX_DIGITS and _LONG_NUMBER.search(text) and _LONG_NUMBER.search(_outside_strings(text)[0]):
        return Fault(f"a number has more than {MAX_DIGITS:,} digits")
    return None


def _depth(text: str) -> int:
    deepest = depth = 0
    for mark in re.findall(r"[{}\[\]]", _outside_strings(text)[0]):
        depth += 1 if mark in "{[" else -1
        deepest = max(deepest, depth)
    return deepest


class StrictParser:
    """The strict parser, made once for many values, with what it finds wrong with the one at hand."""

    __slots__ = ("_decoder", "_faults", "_finite")

    def __init__(self, *, finite: bool = True) -> None:
        """Make the parser; without ``finite``, a number that JSON does not know stands as `NotFinite`."""
        self._finite, self._faults = finite, list[str]()
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._members,
            parse_float=self._real,
            parse_int=self._whole,
            parse_constant=lambda _: self._unknown(_NOT_FINITE),
        )

    def decode(self, text: str, at: int) -> tuple[object, int]:
        """Decode the value that begins at a character; return it, or a `Fault`, and the character where it ends."""
        self._faults.clear()
        try:
            value, end = self._decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            return Fault(f"not JSON at character {error.pos - at + 1}: {_why(error.msg)}"), -1
        except RecursionError:
            return Fault(f"objects are nested more than {MAX_DEPTH} deep"), -1
        return (Fault(self._faults[0]) if self._faults else value), end

    def _members(self, items: list[tuple[str, object]]) -> dict[str, object]:
        members = dict(items)
        if len(members) != len(items):
            self._faults.append("a key occurs twice in one object")
        return members

    def _real(self, digits: str) -> float | NotFinite:
        number = float(digits)
        return number if number not in (float("inf"), float("-inf")) else self._unknown("a number is too large")

    def _whole(self, digits: str) -> int:
        if len(digits.lstrip("-")) > MAX_DIGITS:
            self._faults.append(f"a number has more than {MAX_DIGITS:,} digits")
            return 0
        return int(digits)

    def _unknown(self, reason: str) -> NotFinite:
        if self._finite:
            self._faults.append(reason)
        return NotFinite(reason)


def _why(message: str) -> str:
    return message[:1].lower() + message[1:].removesuffix(" at").partition(":")[0]  # a detail may quote the text


def _filling(text: str, at: int) -> int:
    match = _FILLING.match(text, max(at, 0))
    return match.end() if match else at


def _line_rows(file: RegularFile, encoding: Encoding, finite: bool) -> Iterator[TableRow | BrokenRow]:
    record, decoder = 0, StrictParser(finite=finite)
    for line in lines_of(file, encoding):
        if line.text is not None and not line.text.strip():
            continue
        record += 1
        yield parse_line(record, line, decoder)


def parse_line(record: int, line: TextLine, decoder: StrictParser | None = None) -> TableRow | BrokenRow:
    """Parse one line of a JSONL file, or say why it is broken; ``decoder`` is one that was made for all lines."""
    if line.text is None:
        return BrokenRow(record, line.offset, line.code, TRUNCATED if line.reason == CUT_OFF else line.reason)
    value = parse(line.text, decoder)
    if isinstance(value, Fault) and not line.text.endswith(("\n", "\r")) and _stops_short(line.text):
        value = Fault(TRUNCATED)
    return _row(record, line.offset, value)


def _row(record: int, offset: int, value: object) -> TableRow | BrokenRow:
    if isinstance(value, Fault):
        return BrokenRow(record, offset, "E_FORMAT", value.reason)
    cells = _pair_cells(value) if isinstance(value, list) else value
    if not isinstance(cells, dict):
        return BrokenRow(record, offset, "E_FORMAT", "the JSON value is not an object")
    return TableRow(record, offset, cells)


def _pair_cells(value: list[object]) -> dict[str, object] | None:
    """Return the cells of a pair of a text and an object about it, as spaCy's examples are written."""
    if len(value) != 2 or not isinstance(value[0], str) or not isinstance(value[1], dict) or "text" in value[1]:
        return None
    return {"text": value[0], **value[1]}


def _stops_short(text: str) -> bool:
    """Tell whether a text ends inside a string, an object or an array."""
    bare, inside = _outside_strings(text)
    return inside or bare.count("{") + bare.count("[") > bare.count("}") + bare.count("]")


def _outside_strings(text: str) -> tuple[str, bool]:
    """Return what stands outside of strings, and whether the text ends inside one.

    Of what is no JSON that is right up to the first backslash outside a string. No regular expression does this: one
    that repeats a choice keeps hundreds of bytes for each character.
    """
    parts = text.replace("\\\\", "").replace('\\"', "").split('"')
    return "".join(parts[::2]), len(parts) % 2 == 0


class _Scroll:
    """A text that is read on as it is needed, with the byte offset of the place reached."""

    __slots__ = ("_blocks", "_decoder", "_encoding", "at", "ended", "offset", "text")

    def __init__(self, blocks: Iterator[str], encoding: Encoding, finite: bool) -> None:
        self._blocks, self._encoding, self._decoder = blocks, encoding, StrictParser(finite=finite)
        self.text, self.at, self.offset, self.ended = "", 0, encoding.bom, False

    def more(self) -> bool:
        """Double what is held ahead, so that work stays linear; ``False`` at the end, or beyond 16 MB."""
        parts = [self.text[self.at :]]
        held = len(parts[0])
        if held > MAX_RECORD:
            return False
        goal = 2 * held + 1
        while held < goal and not self.ended:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            else:
                parts.append(block)
                held += len(block)
        grown = len(parts) > 1
        self.text, self.at = "".join(parts), 0
        return grown

    def step(self, length: int) -> None:
        """Go on by a number of characters."""
        passed = self.text[self.at : self.at + length]
        self.offset += len(passed.encode(self._encoding.name, "surrogatepass"))
        self.at += length

    def mark(self) -> str:
        """Go to the next character that is not blank and return it; "" at the end."""
        while True:
            if self.text[self.at : self.at + 1] in _BLANKS:  # "" too: what is held is used up
                self.step(_filling(self.text, self.at) - self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def value(self) -> tuple[object, int]:
        """Return the value that begins here, or a `Fault`, and its length (-1 where it is not JSON)."""
        while True:
            value, end = self._decoder.decode(self.text, self.at)
            if (0 <= end < len(self.text)) or self.ended or not self.more():
                return value, end - self.at if end >= 0 else -1


def _element_rows(file: RegularFile, encoding: Encoding, array: bool, finite: bool) -> Iterator[TableRow | BrokenRow]:
    """Yield the elements of an array, or objects one after the other, holding one element (and a block) at a time."""
    scroll = _Scroll(blocks_of(file, encoding), encoding, finite)
    record = 0
    if array and scroll.mark():
        scroll.step(1)
    while mark := scroll.mark():
        if array and mark == "]" and record == 0:
            scroll.step(1)
            break
        record += 1
        value, length = scroll.value()
        if length < 0:
            if not scroll.ended or not _stops_short(scroll.text[scroll.at :]):
                why = value.reason if isinstance(value, Fault) and scroll.ended else "a record does not end"
                raise _unsound(file, scroll, record, why)
            yield BrokenRow(record, scroll.offset, "E_FORMAT", TRUNCATED)
            return
        over = _over_limits(scroll.text[scroll.at : scroll.at + length])
        yield _row(record, scroll.offset, over or value)
        scroll.step(length)
        if array and not _comma(file, scroll, record):
            break
    else:
        if array:
            yield BrokenRow(record + 1, scroll.offset, "E_FORMAT", TRUNCATED)
        return
    if scroll.mark():
        raise _unsound(file, scroll, record, "there is text after the closing bracket")


def _comma(file: RegularFile, scroll: _Scroll, record: int) -> bool:
    """Pass the comma behind an element: ``False`` behind the last one."""
    mark = scroll.mark()
    if mark == "]":
        scroll.step(1)
        return False
    if mark == ",":
        scroll.step(1)
        if scroll.mark() == "]":
            raise _unsound(file, scroll, record, "there is a comma before the closing bracket")
    elif mark:
        raise _unsound(file, scroll, record, "there is no comma after the record")
    return True


def _unsound(file: RegularFile, scroll: _Scroll, record: int, why: str) -> DataError:
    return DataError(
        "E_FORMAT",
        f"{printable(file.path)} is not valid JSON: {why} (record {record}, byte {scroll.offset})",
        fix="correct it, or save it as JSONL (one object per line), where a broken record does not affect the others",
    )
