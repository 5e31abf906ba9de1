"""Tables in memory: lists of dicts, pandas and polars frames, Arrow tables; none of their libraries is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ockham.errors import DataError
from ockham.readers.parquet_file import batch_rows, class_names
from ockham.readers.table import MAX_COLUMNS, BrokenRow, Table, TableRow


def memory_table(source: Any) -> Table:  # noqa: ANN401 - whatever the user holds
    """Take a table in memory as rows, told by the module of its type.

    Raises `DataError` (``E_FORMAT``) for anything else.
    """
    library = type(source).__module__.split(".")[0]
    if library == "pandas" and hasattr(source, "columns"):
        names = [str(name) for name in source.columns]
        lists = [map(_plain_cell, source.iloc[:, index].tolist()) for index in range(len(names))]
        return _table(
            "pandas frame", names, (dict(zip(names, cells, strict=True)) for cells in zip(*lists, strict=True))
        )
    if library == "polars" and hasattr(source, "iter_rows"):
        return _table("polars frame", list(source.columns), source.iter_rows(named=True))
    if library == "pyarrow" and hasattr(source, "to_batches"):
        rows = (row for batch in source.to_batches() for row in batch_rows(batch))
        return dataclasses.replace(
            _table("Arrow table", list(source.column_names), rows), label_names=class_names(source.schema.metadata)
        )
    if isinstance(source, Sequence) and not isinstance(source, (str, bytes, bytearray)):
        names = list(dict.fromkeys(str(key) for row in source[:200] if isinstance(row, Mapping) for key in row))
        return _table("list of dicts", names, iter(source))
    raise DataError(
        "E_FORMAT",
        f"examples cannot be read from a {type(source).__name__}",
        fix="give a path, a list of dicts, a pandas or polars frame, or an Arrow table",
    )


def _plain_cell(value: Any) -> Any:  # noqa: ANN401 - whatever stands in a frame
    """Return a cell with lists for the arrays in it, which pandas makes of the lists of a Parquet file."""
    if type(value).__module__ == "numpy":
        value = value.tolist()
    if isinstance(value, list):
        return [_plain_cell(item) for item in value]
    return {name: _plain_cell(item) for name, item in value.items()} if isinstance(value, dict) else value


def _table(kind: str, names: Sequence[str], rows: Iterator[object]) -> Table:
    if len(names) > MAX_COLUMNS:
        raise DataError(
            "E_FORMAT", f"the {kind} has over {MAX_COLUMNS:,} columns", fix="keep only the columns you need"
        )
    if len(set(names)) < len(names):
        raise DataError(
            "E_FORMAT", f"the {kind} has several columns of the same name", fix="give each column its own name"
        )
    return Table(name="table", format=kind, encoding="none", dialect=None, columns=names, rows=_rows(rows))


def _rows(rows: Iterator[object]) -> Iterator[TableRow | BrokenRow]:
    for record, row in enumerate(rows, 1):
        if isinstance(row, Mapping):
            yield TableRow(record, None, {str(key): value for key, value in row.items()})
        else:
            yield BrokenRow(record, None, "E_FORMAT", "the row is not a dict")
