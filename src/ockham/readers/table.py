"""What the parsers give: rows with a place, records that could not be read, and the limits both keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ockham.errors import DataError
from ockham.plain_numbers import percent_limit

MAX_RECORD = 16_000_000
"""Characters (bytes, where a line is not decoded yet) of one record."""
MAX_COLUMNS = 10_000
MAX_DEPTH = 64
MAX_DIGITS = 4_300
MOST_BROKEN = 0.5
"""The largest share of the records of a file that may be unreadable; those are left out and counted."""
ENOUGH = 20
"""Records from which on a share says something."""


class TableRow(NamedTuple):
    """A record that was parsed: its number in the file, its byte offset, its cells.

    Records are numbered from 1; a header does not count, lines above it do.
    """

    record: int
    offset: int | None
    cells: Mapping[str, object]


class BrokenRow(NamedTuple):
    """A record that could not be parsed, and why, in words without its content."""

    record: int
    offset: int | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A source of rows before its columns are chosen.

    ``columns`` are the names that exist; ``headerless`` says that the first row seems to hold data, so that its cells
    must not be repeated in a message. ``project``, where reading fewer columns saves work, gives rows of these alone;
    ``bulky`` are then columns of bytes, such as pictures, by which no form is told.
    ``label_names`` are the names of classes, for columns that hold their numbers. ``remarks`` say what was passed over
    before the rows.
    """

    name: str
    format: str
    encoding: str
    dialect: str | None
    columns: Sequence[str]
    rows: Iterator[TableRow | BrokenRow]
    headerless: bool = False
    project: Callable[[Sequence[str]], Iterator[TableRow | BrokenRow]] | None = None
    bulky: frozenset[str] = frozenset()
    label_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


UNWRITABLE = "a cell has a value that cannot be written as JSON"
"""Why a record is kept out that holds a value in memory which has no text."""


def lines_above_remark(above: int) -> tuple[str, ...]:
    """Say that lines stand above the header of a table; nothing where there are none."""
    return (f"skipped {above} line{'s' * (above > 1)} above the column names",) if above else ()


class NotFiniteError(ValueError):
    """A cell that is used holds a number that JSON does not know; the message says which kind."""


class NotFinite(NamedTuple):
    """Stands for a number in a file of JSON that JSON does not know, until a cell with it is used."""

    reason: str


def check_readable(name: str, records: int, broken: int, reason: str) -> None:
    """Raise `DataError` (``E_FORMAT``) where so many records cannot be read that the file is not what it seems.

    ``reason`` is why the first of them cannot be.
    """
    if records >= ENOUGH and broken > MOST_BROKEN * records:
        raise DataError(
            "E_FORMAT",
            f"{name}: {broken:,} of {records:,} records cannot be read (the first: {reason}); at most"
            f" {percent_limit(MOST_BROKEN)} are tolerated",
            fix="check that the whole file is in one format, or remove the broken records",
        )


def unusable(text: str) -> str | None:
    """Say why a text cannot be used as it is: a NUL character, its length, half a character; nothing if it can."""
    if "\0" in text:
        return "the record contains a NUL character"
    if len(text) > MAX_RECORD:
        return "the record is longer than 16 MB"
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the record contains half a character (a lone surrogate)"
    return None


def is_missing(value: object) -> bool:
    """Tell whether a cell holds nothing: ``None``, NaN, NaT or NA."""
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def text_of(value: object) -> str:
    """Return a cell as text: strings verbatim, nothing (``None``, NaN, NaT) as "", other values as canonical JSON.

    Raises ValueError, TypeError or RecursionError for what no JSON text can hold.
    """
    if isinstance(value, str):
        return value
    if hasattr(value, "tolist"):  # numpy, in the cells of a frame
        value = value.tolist()
    if isinstance(value, (set, frozenset)):  # whose own order changes from one process to the next
        value = sorted(value, key=str)
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")  # what is not UTF-8 is kept out as half a character
    if is_missing(value):
        return ""
    if isinstance(value, NotFinite):
        raise NotFiniteError(value.reason)
    if isinstance(value, (dict, list, tuple, bool, int, float)):
        _check_finite(value)
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str
        )
    return str(value)


def _check_finite(value: object, depth: int = MAX_DEPTH) -> None:
    if isinstance(value, NotFinite):
        raise NotFiniteError(value.reason)
    if isinstance(value, (dict, list)) and depth:
        for item in value.values() if isinstance(value, dict) else value:
            _check_finite(item, depth - 1)
