"""Rows to be answered: the input of each, with all of its own cells, one after the other and never all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ockham.errors import DataError
from ockham.readers.chat import UnsoundError
from ockham.readers.columns import ColumnRequest, choose
from ockham.readers.examples import OpenTable, choose_form, input_of
from ockham.readers.forms.form import LeftOut
from ockham.readers.table import UNWRITABLE, BrokenRow, NotFiniteError, Table, TableRow, unusable
from ockham.records import Quarantined


class InputRow(NamedTuple):
    """A row to be answered: its id (record number, with the file's name where there are several), cells and input.

    ``offset`` is its first byte in the file, where that is known.
    """

    id: str
    record: int
    offset: int | None
    cells: Mapping[str, object]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTable:
    """Rows to be answered, and the columns that they have; ``size`` is that of the file in bytes (0: not known).

    A record that cannot be read comes as `Quarantined`, one that says itself that it is not to be used as `LeftOut`.
    ``open_ended``: later rows may have columns of which the first ones say nothing. ``delimiter`` and ``marked`` (a
    byte order mark stands first) are how a CSV file is written beside it.
    """

    columns: tuple[str, ...]
    rows: Iterator[InputRow | Quarantined | LeftOut]
    open_ended: bool = False
    delimiter: str = ","
    marked: bool = False
    size: int = 0


def rows_of(
    table: Table, request: ColumnRequest, names: Sequence[str], prefix: str = ""
) -> Iterator[InputRow | Quarantined | LeftOut]:
    """Yield the rows of a table; ``names`` are those that a model knows its several inputs by.

    Raises `DataError`: ``E_COLUMN``, ``E_EMPTY`` (no row), ``E_FORMAT`` (no row that can be read).
    """
    opened = choose_form(table, request)
    rows = broken = 0
    for row in opened.table.rows:
        rows += 1
        outcome = _convert(row, opened, names, prefix) if isinstance(row, TableRow) else row
        if isinstance(outcome, BrokenRow):
            broken += 1
            yield Quarantined(
                file=table.name,
                record=outcome.record,
                offset=outcome.offset,
                code=outcome.code,
                reason=outcome.reason,
            )
        else:
            yield outcome
    if not rows:
        raise DataError("E_EMPTY", f"{table.name} has no rows", fix="name a file with at least one row to answer")
    if broken == rows:
        message = f"{table.name}: none of its {rows} records can be read"
        raise DataError("E_FORMAT", message, fix="check that the whole file is in one format")
    if opened.columns is None:
        choose(table.columns, request)


def _convert(row: TableRow, opened: OpenTable, names: Sequence[str], prefix: str) -> InputRow | BrokenRow | LeftOut:
    columns = opened.columns
    if columns is None:
        return BrokenRow(row.record, row.offset, "E_FORMAT", "the record has no columns")
    try:
        cells = opened.cells_of(row)
        if isinstance(cells, LeftOut):
            return cells
        text = input_of(cells, columns.inputs, names)
    except (UnsoundError, NotFiniteError) as error:
        return BrokenRow(row.record, row.offset, "E_FORMAT", str(error))
    except (ValueError, TypeError, RecursionError):  # of values in memory that have no text
        return BrokenRow(row.record, row.offset, "E_FORMAT", UNWRITABLE)
    fault = unusable(text)
    if fault:
        return BrokenRow(row.record, row.offset, "E_FORMAT", fault)
    return InputRow(f"{prefix}{row.record}", row.record, row.offset, row.cells, text)
