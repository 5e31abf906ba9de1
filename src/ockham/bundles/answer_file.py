"""Write answers beside the user's own columns: CSV, TSV, JSONL or Parquet, whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ockham.bundles.answered_rows import AnsweredRow
from ockham.bundles.predict import Answering
from ockham.data.csv_export import escape_cell
from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.table import NotFinite, text_of
from ockham.store.atomic import NewFile

ANSWER, CONFIDENCE = "answer", "confidence"
_TABLES = {".csv": ",", ".tsv": "\t"}
_NUMBER = re.compile(r"[+-]?[0-9][0-9 .,]*(?:[eE][+-]?[0-9]+)?%?", re.ASCII)
"""What a spreadsheet can only take for a number: no formula, whatever sign it begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """What is written of a row: all its cells, or only the one of the column ``id``, and the answer.

    An answer that is a JSON object is written as one column a field, or ``whole`` in one column.
    """

    id: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerColumns:
    """The columns of a file of answers: the user's own, the answer's (by its fields, where it has any), the confidence.

    ``sure`` are those of the confidences of fields, each beside its field's. ``renamed`` are those that have another
    name than they should, since a column of the user's own has it.
    """

    own: tuple[str, ...]
    answer: Mapping[str, str]
    sure: Mapping[str, str]
    confidence: str
    renamed: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names, in the order in which they are written."""
        pairs = [(column, *([self.sure[name]] if name in self.sure else [])) for name, column in self.answer.items()]
        return (*self.own, *(column for pair in pairs for column in pair), self.confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFileNotes:
    """What the user should know about a file of answers: columns that were renamed, cells that were escaped."""

    renamed: Mapping[str, str]
    escaped: int = 0


def write_answers(path: Path, answering: Answering, form: AnswerForm) -> AnswerFileNotes:
    """Write every answered row to a file, by its extension, and return what should be said of it.

    Rows are written as they are answered; where columns are known by the last row only, all are held until then, and so
    they are for Parquet. Raises `DataError` (``E_COLUMN``) where there is no column ``form.id``, `StoreError`.
    """
    by_field = answering.manifest.task == "extract" and not form.whole
    rows: Iterable[AnsweredRow] = answering.rows
    suffix = path.suffix.lower()
    own = answering.table.columns
    if by_field or suffix == ".parquet" or answering.table.open_ended:
        rows = list(rows)
        own = tuple(dict.fromkeys([*own, *(str(name) for answered in rows for name in answered.row.cells)]))
    if form.id is not None:
        if form.id not in own:
            message = f"there is no column {printable(form.id)!r} to name the rows by"
            raise DataError("E_COLUMN", message, fix=f"name one of {', '.join(map(printable, own[:30]))}")
        own = (form.id,)
    fields = _fields(rows) if by_field and isinstance(rows, list) else ()
    columns = _columns(own, fields or (ANSWER,), _sure_fields(rows, fields) if isinstance(rows, list) else ())
    with closing(_Draft(NewFile(path))) as draft:
        if suffix in _TABLES:
            comma = answering.table.delimiter if suffix == ".csv" else "\t"
            draft.write(b"\xef\xbb\xbf" if answering.table.marked else b"")
            escaped = _write_table(draft, rows, columns, comma)
        elif suffix == ".jsonl":
            escaped = 0
            for answered in rows:
                line = json.dumps(_json_row(answered, columns), ensure_ascii=False, allow_nan=False)
                draft.write(line.encode("utf-8", "replace") + b"\n")
        else:
            escaped = 0
            _write_parquet(draft, list(rows), columns)
        draft.keep()
    return AnswerFileNotes(renamed=columns.renamed, escaped=escaped)


class _Draft(io.RawIOBase):
    """A file that is whole or nothing, as a stream that libraries can write to."""

    def __init__(self, file: NewFile) -> None:
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._file.write(bytes(data))
        return len(data)

    def keep(self) -> None:
        self._file.finish()

    def close(self) -> None:
        self._file.drop()
        super().close()


def _columns(own: Sequence[str], fields: Sequence[str], sure: Collection[str]) -> AnswerColumns:
    """Name the columns of an answer; one whose name a column of the user's own has is called NAME_predicted."""
    wanted = [(field, field) for field in fields]
    wanted = [pair for field in wanted for pair in (field, (field[0], f"{field[0]}_{CONFIDENCE}"))]
    wanted = [(field, name) for field, name in wanted if field == name or field in sure]
    free: list[str] = []
    for _, name in (*wanted, ("", CONFIDENCE)):
        column = name
        while column in own or column in free:
            column = f"{column}_predicted"
        free.append(column)
    return AnswerColumns(
        own=tuple(own),
        answer={field: column for (field, name), column in zip(wanted, free, strict=False) if field == name},
        sure={field: column for (field, name), column in zip(wanted, free, strict=False) if field != name},
        confidence=free[-1],
        renamed={
            name: column for (_, name), column in zip((*wanted, ("", CONFIDENCE)), free, strict=True) if name != column
        },
    )


def _fields(rows: Iterable[AnsweredRow]) -> tuple[str, ...]:
    """Return the fields of all answers that are JSON objects, by their first appearance."""
    return tuple(dict.fromkeys(name for answered in rows for name in _object(answered.answer.value)))


def _sure_fields(rows: Iterable[AnsweredRow], fields: Sequence[str]) -> frozenset[str]:
    """Return the fields that some answer has a confidence for."""
    known = {name for answered in rows for name in answered.answer.fields or ()}
    return frozenset(field for field in fields if any(_is_of(name, field) for name in known))


def _is_of(name: str, field: str) -> bool:
    return name == field or name.startswith(f"{field}.")


def _sure_of(answered: AnsweredRow, field: str) -> float | None:
    """Return how sure a field is; one that holds fields is as sure as the least of them."""
    return min((sure for name, sure in (answered.answer.fields or {}).items() if _is_of(name, field)), default=None)


def _object(value: str | None) -> dict[str, Any]:
    """Return the object that an answer is; nothing where it is none."""
    try:
        parsed = json.loads(value or "null")
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _answer_cells(answered: AnsweredRow, columns: AnswerColumns) -> dict[str, Any]:
    """Return the answer by its fields, or as it is where the columns know no fields."""
    value = answered.answer.value
    if list(columns.answer) == [ANSWER]:
        return {columns.answer[ANSWER]: value}
    parsed, cells = _object(value), dict[str, Any]()
    for field, column in columns.answer.items():
        cells[column] = parsed.get(field)
        if field in columns.sure:
            cells[columns.sure[field]] = _sure_of(answered, field)
    return cells


def _json_row(answered: AnsweredRow, columns: AnswerColumns) -> dict[str, Any]:
    own = {name: _json_value(answered.row.cells[name]) for name in columns.own if name in answered.row.cells}
    return {**own, **_answer_cells(answered, columns), columns.confidence: answered.answer.confidence}


def _json_value(value: object) -> object:
    """Return a cell as JSON may hold it; what JSON does not know as text, and a number that is none as nothing."""
    if isinstance(value, NotFinite) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    return text_of(value)


def _cell_text(value: object) -> str:
    return value if type(value) is str else text_of(_json_value(value))


def _share_text(share: float | None) -> str:
    return "" if share is None else f"{share:.6g}"


def _write_table(draft: _Draft, rows: Iterable[AnsweredRow], columns: AnswerColumns, comma: str) -> int:
    """Write CSV (RFC 4180) with a given sign between cells, and return how many were escaped for spreadsheets."""
    text, escaped = io.StringIO(newline=""), 0
    writer = csv.writer(text, delimiter=comma)

    def safe(cell: str) -> str:
        nonlocal escaped
        if not cell or cell[0].isalnum() or _NUMBER.fullmatch(cell):
            return cell
        safe_cell = escape_cell(cell)
        escaped += safe_cell != cell
        return safe_cell

    writer.writerow([safe(name) for name in columns.names])
    for answered in rows:
        confidence = answered.answer.confidence
        cells = [_cell_text(answered.row.cells.get(name)) for name in columns.own]
        sure = set(columns.sure.values())
        cells += [
            _share_text(value) if name in sure else _cell_text(value)
            for name, value in _answer_cells(answered, columns).items()
        ]
        writer.writerow([*map(safe, cells), _share_text(confidence)])
        if text.tell() > 1 << 16:
            _flush(text, draft)
    _flush(text, draft)
    return escaped


def _flush(text: io.StringIO, draft: _Draft) -> None:
    draft.write(text.getvalue().encode("utf-8", "replace"))
    text.seek(0)
    text.truncate()


def _write_parquet(draft: _Draft, rows: Sequence[AnsweredRow], columns: AnswerColumns) -> None:
    """Write one table; a column has the type of its values, and is text where they have several."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = [_array([answered.row.cells.get(name) for answered in rows]) for name in columns.own]
    answers = [_answer_cells(answered, columns) for answered in rows]
    arrays += [_array([cells[name] for cells in answers]) for name in columns.names[len(columns.own) : -1]]
    arrays.append(pa.array([answered.answer.confidence for answered in rows], pa.float64()))
    pq.write_table(pa.table(dict(zip(columns.names, arrays, strict=True))), draft)


def _array(values: list[object]) -> Any:  # noqa: ANN401 - pyarrow
    import pyarrow as pa

    values = [None if isinstance(value, NotFinite) else value for value in values]
    if all(value is None for value in values):
        return pa.nulls(len(values), pa.string())
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        texts = [None if value is None else _cell_text(value) for value in values]
        return pa.array([None if text is None else text.encode("utf-8", "replace").decode() for text in texts])
