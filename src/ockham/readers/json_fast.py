"""JSONL read fast: a line whose soundness is easily seen goes through orjson, any other through the strict parser.

orjson takes two things that the strict parser refuses or keeps exactly: a key that stands twice, and integers beyond
64 bits (they become floats). Both are seen without parsing again: of a line without doubled backslashes, the quotes
that are not escaped are twice the strings; and a number that is so large is left to the strict parser.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from ockham.readers.json_file import parse_line
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_DEPTH, MAX_RECORD, BrokenRow, Table, TableRow
from ockham.readers.text_file import Encoding, TextLine, lines_of

_LARGE = 1e15
_MANY = 1_000_000_000
"""Counted for a number that only the strict parser keeps exactly, so that the count cannot come out right."""


def quick_table(table: Table, file: RegularFile, encoding: Encoding) -> Table:
    """Return a table of JSON lines whose rows are read fast; what they hold, and what is refused, stays the same."""
    return dataclasses.replace(table, rows=_rows(file, encoding))


def _rows(file: RegularFile, encoding: Encoding) -> Iterator[TableRow | BrokenRow]:
    record = 0
    for line in lines_of(file, encoding):
        if line.text is not None and not line.text.strip():
            continue
        record += 1
        yield row_of(record, line)


def row_of(record: int, line: TextLine) -> TableRow | BrokenRow:
    """Parse one line, fast where one look shows that the strict parser would say the same."""
    cells = None if line.text is None else quick(line.text)
    return parse_line(record, line) if cells is None else TableRow(record, line.offset, cells)


def quick(text: str) -> dict[str, Any] | None:
    """Parse one object, or return ``None`` where only the strict parser can tell what the line is."""
    import orjson

    if len(text) > MAX_RECORD or "\\\\" in text or text.count("{") + text.count("[") > MAX_DEPTH:
        return None
    try:
        value = orjson.loads(text)
    except ValueError:
        return None
    if type(value) is not dict or text.count('"') - text.count('\\"') != 2 * _strings(value):
        return None
    return value


def _strings(value: object) -> int:
    """Count the strings of a value, keys included."""
    if type(value) is str:
        return 1
    if type(value) is float and not -_LARGE < value < _LARGE:
        return _MANY
    if type(value) is dict:
        return len(value) + sum(map(_strings, value.values()))
    if type(value) is list:
        return sum(map(_strings, value))
    return 0
