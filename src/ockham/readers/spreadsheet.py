"""Spreadsheets (.xlsx, .xlsm, .xlsb, .xls, .ods): the first sheet that holds a table, its values alone.

Lines above the names of the columns (a title, a line of headings over several columns) are passed over and said, and so
are other sheets with rows. A merged cell stands in each row that it spans.

Formulas are not computed, macros not run and links not followed: the library reads what was last shown in a cell.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.columns import number_repeated
from ockham.readers.compressed_file import UNFOLDS, unfolds_too_far
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_COLUMNS, Table, TableRow, lines_above_remark
from ockham.version import install_command

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_ZIP = b"PK\x03\x04"
_OLD = b"\xd0\xcf\x11\xe0"
_TOP = 10
"""Rows in which the names of the columns are looked for, and sheets that are named."""
_MOST = 2_000_000_000
"""Bytes that the parts of a spreadsheet may unfold to."""


def is_spreadsheet(file: RegularFile) -> bool:
    """Tell a spreadsheet by its name and its beginning."""
    return file.path.suffix.lower() in SUFFIXES and file.head.startswith((_ZIP, _OLD))


def spreadsheet_table(file: RegularFile) -> Table:
    """Read the first sheet with two columns and a row below their names; blank rows are no records.

    Raises `DataError`: ``E_FORMAT`` (not sound, locked with a password, unfolds too far, no usable header, or no
    library for it is installed), ``E_EMPTY``.
    """
    try:
        import python_calamine as calamine
    except ImportError as error:
        message = f"{printable(file.path)} is a spreadsheet, and the package to read it is not installed"
        raise DataError("E_FORMAT", message, fix=f"{install_command('excel')}, or save it as CSV (UTF-8)") from error
    _check_size(file)
    try:
        file.raw.seek(0)
        book: Any = calamine.CalamineWorkbook.from_filelike(file.raw)
        names_of_sheets = list(book.sheet_names)
        sheets = [_filled_rows(book.get_sheet_by_index(index)) for index in range(len(names_of_sheets))]
    except calamine.PasswordError as error:
        raise _unsound(file, "it is protected with a password") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise _unsound(file, "it is damaged") from error
    filled = [index for index, rows in enumerate(sheets) if len(rows) > 1]
    tables = [index for index in filled if len(sheets[index][0].cells) > 1] or filled
    if not tables:
        fix = "name a file whose first row names the columns, with at least one row below"
        raise DataError("E_EMPTY", f"{printable(file.path)} has no sheet with rows", fix=fix)
    number = tables[0]
    rows = sheets[number]
    above = _lines_above([row.cells for row in rows])
    rows = rows[above:]
    names = [str(_value(cell)).strip() or f"column {index}" for index, cell in enumerate(rows[0].cells, 1)]
    if len(names) > MAX_COLUMNS:
        raise _unsound(file, f"it has over {MAX_COLUMNS:,} columns")
    names = number_repeated(names)
    return Table(
        name=file.name,
        format=f"spreadsheet, sheet {number + 1} of {len(sheets)}",
        encoding="utf-8",
        dialect=None,
        columns=names,
        rows=_rows(names, rows[1:]),
        remarks=_remarks(above, [names_of_sheets[index] for index in filled if index != number]),
    )


def _check_size(file: RegularFile) -> None:
    if not file.head.startswith(_ZIP):
        return
    try:
        file.raw.seek(0)
        with zipfile.ZipFile(file.raw) as parts:
            total = sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _unsound(file, "it is damaged") from error
    if unfolds_too_far(total, file.size) or total > _MOST:
        raise _unsound(file, UNFOLDS)


class _SheetRow(NamedTuple):
    """A row that holds something, and how many rows stand above it in the sheet."""

    above: int
    cells: Sequence[object]


def _filled_rows(sheet: Any) -> list[_SheetRow]:  # noqa: ANN401 - calamine
    """Return the rows that hold something; what was merged over several rows stands in each of them."""
    rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    for (top, left), (bottom, _right) in sheet.merged_cell_ranges or ():
        for row in rows[top + 1 : bottom + 1]:
            if left < len(row):
                row[left] = rows[top][left]
    used = {index for row in rows for index, cell in enumerate(row) if cell != ""}
    columns = range(min(used, default=0), max(used, default=-1) + 1)
    return [
        _SheetRow(above, [row[index] for index in columns])
        for above, row in enumerate(rows)
        if any(cell != "" for cell in row)
    ]


def _lines_above(rows: Sequence[Sequence[object]]) -> int:
    """Count the lines above the names of the columns: they leave cells empty that the next ones fill with text."""
    widths = [sum(cell != "" for cell in row) for row in rows[:_TOP]]
    widest = max(widths, default=0)
    first = next((index for index, width in enumerate(widths) if width == widest), 0)
    names = rows[first] if rows else ()
    is_head = all(isinstance(cell, str) for cell in names) and len(set(names)) == len(names)
    return first if first + 1 < len(rows) and is_head and widths[0] < widest else 0


def _remarks(above: int, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return lines_above_remark(above)
    listing = ", ".join(printable(name) for name in others[:_TOP])
    unread = f"{len(others)} other sheet{'s' * (len(others) > 1)} with rows not read: {listing}"
    return *lines_above_remark(above), unread


def _rows(names: Sequence[str], rows: Sequence[_SheetRow]) -> Iterator[TableRow]:
    """Yield the rows, numbered as in the sheet less one: as if its first row named the columns and none was blank."""
    for row in rows:
        yield TableRow(row.above, None, dict(zip(names, map(_value, row.cells), strict=False)))


def _value(cell: object) -> object:
    """Return a cell as a person sees it: a spreadsheet keeps whole numbers as 1.0, and dates as dates."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    return cell if isinstance(cell, (str, bool, int, float)) else str(cell)


def _unsound(file: RegularFile, why: str) -> DataError:
    return DataError(
        "E_FORMAT", f"{printable(file.path)} cannot be read as a spreadsheet: {why}", fix="save it as CSV (UTF-8)"
    )
