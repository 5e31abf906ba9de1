"""Spreadsheets (.xlsx, .xlsm, .xlsb, .xls, .ods): the first sheet that holds rows, its values alone.

Formulas are not computed, macros not run and links not followed: the library reads what was last shown in a cell.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.compressed_file import UNFOLDS, unfolds_too_far
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_COLUMNS, Table, TableRow
from ockham.version import install_command

SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_ZIP = b"PK\x03\x04"
_OLD = b"\xd0\xcf\x11\xe0"
_MOST = 2_000_000_000
"""Bytes that the parts of a spreadsheet may unfold to."""


def is_spreadsheet(file: RegularFile) -> bool:
    """Tell a spreadsheet by its name and its beginning."""
    return file.path.suffix.lower() in SUFFIXES and file.head.startswith((_ZIP, _OLD))


def spreadsheet_table(file: RegularFile) -> Table:
    """Read the first sheet that has a row below its first one, which names the columns; blank rows are no records.

    Raises `DataError`: ``E_FORMAT`` (not sound, locked with a password, unfolds too far, no usable header, or no
    library for it is installed), ``E_EMPTY``.
    """
    try:
        import python_calamine as calamine
    except ImportError as error:
        message = f"{printable(file.path)} is a spreadsheet, which cannot be read here"
        raise DataError("E_FORMAT", message, fix=f"{install_command('excel')}, or save it as CSV (UTF-8)") from error
    _check_size(file)
    try:
        file.raw.seek(0)
        book: Any = calamine.CalamineWorkbook.from_filelike(file.raw)
        sheets = [_filled_rows(book.get_sheet_by_index(index)) for index in range(len(book.sheet_names))]
    except calamine.PasswordError as error:
        raise _unsound(file, "it is locked with a password") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise _unsound(file, "it is not sound") from error
    number = next((index for index, rows in enumerate(sheets) if len(rows) > 1), None)
    if number is None:
        fix = "name a file whose first row names the columns, with at least one row below"
        raise DataError("E_EMPTY", f"{printable(file.path)} has no sheet with rows", fix=fix)
    rows = sheets[number]
    names = [str(_value(cell)).strip() or f"column {index}" for index, cell in enumerate(rows[0], 1)]
    if len(set(names)) < len(names) or len(names) > MAX_COLUMNS:
        raise _unsound(file, f"two of its columns have the same name in the first row, or it has over {MAX_COLUMNS:,}")
    return Table(
        name=file.name,
        format=f"spreadsheet, sheet {number + 1} of {len(sheets)}",
        encoding="utf-8",
        dialect=None,
        columns=names,
        rows=_rows(names, rows[1:]),
    )


def _check_size(file: RegularFile) -> None:
    if not file.head.startswith(_ZIP):
        return
    try:
        file.raw.seek(0)
        with zipfile.ZipFile(file.raw) as parts:
            total = sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _unsound(file, "it is not sound") from error
    if unfolds_too_far(total, file.size) or total > _MOST:
        raise _unsound(file, UNFOLDS)


def _filled_rows(sheet: Any) -> list[list[Any]]:  # noqa: ANN401 - calamine
    return [row for row in sheet.to_python() if any(cell != "" for cell in row)]


def _rows(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[TableRow]:
    for record, cells in enumerate(rows, 1):
        yield TableRow(record, None, dict(zip(names, map(_value, cells), strict=False)))


def _value(cell: object) -> object:
    """Return a cell as a person sees it: a spreadsheet keeps whole numbers as 1.0, and dates as dates."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    return cell if isinstance(cell, (str, bool, int, float)) else str(cell)


def _unsound(file: RegularFile, why: str) -> DataError:
    return DataError(
        "E_FORMAT", f"{printable(file.path)} cannot be read as a spreadsheet: {why}", fix="save it as CSV (UTF-8)"
    )
