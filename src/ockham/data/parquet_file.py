"""Parquet files: only plain Arrow columns, batch by batch, within limits; nothing in a file is ever executed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ockham.data.regular_file import RegularFile, shown
from ockham.data.rows import MAX_COLUMNS, Broken, Row, Table
from ockham.errors import DataError

_BATCH = 1024
_MAX_GROUPS = 100_000
_MAX_FOOTER = 64_000_000
_MAX_CHUNK = 2_000_000_000
_MAX_TEXT = 4_000_000_000
"""Characters over all cells: a small file can unfold to more than any memory (a dictionary bomb)."""


def parquet_table(file: RegularFile) -> Table:
    """Read a Parquet file: schema now, rows as they are asked for. Nested cells become JSON later.

    Columns of extension types are read as the plain type they store. Raises `DataError` (``E_FORMAT``): not sound
    Parquet, over 10,000 columns, over 100,000 row groups, an index over 64 MB.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_footer(file)
    try:
        found = pq.ParquetFile(file.raw, memory_map=False, pre_buffer=False)
        schema = found.schema_arrow
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        found = pq.ParquetFile(file.raw, memory_map=False, pre_buffer=False, read_dictionary=texts)
        names, groups = list(schema.names), found.metadata.num_row_groups
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _failed(file, error, "its index cannot be read") from error
    if len(names) > MAX_COLUMNS or groups > _MAX_GROUPS:
        raise _unsound(file, f"it has over {MAX_COLUMNS:,} columns or {_MAX_GROUPS:,} row groups")
    if len(set(names)) < len(names):
        raise _unsound(file, "two of its columns have the same name")
    return Table(
        name=file.name,
        format="parquet",
        encoding="utf-8",
        dialect=None,
        columns=names,
        rows=_rows(file, found, names),
        project=lambda wanted: _rows(file, found, wanted),
    )


def _check_footer(file: RegularFile) -> None:
    tail = file.tail(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or length > min(_MAX_FOOTER, file.size):
        raise _unsound(file, "its end is missing or says nonsense; it may be truncated")


def _rows(file: RegularFile, found: Any, names: Sequence[str]) -> Iterator[Row | Broken]:  # noqa: ANN401 - pyarrow
    import pyarrow as pa

    _check_sizes(file, found.metadata, names)
    record = total = 0
    batches = found.iter_batches(batch_size=_BATCH, columns=list(names), use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            columns = [_cells(batch.column(batch.schema.get_field_index(name))) for name in names]
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _failed(file, error, f"the rows after number {record} cannot be read") from error
        for cells in zip(*columns, strict=True):
            record += 1
            total += sum(len(cell) for cell in cells if isinstance(cell, (str, bytes)))
            if total > _MAX_TEXT:
                raise _unsound(file, f"its text unfolds to over {_MAX_TEXT:,} characters")
            yield Row(record, None, dict(zip(names, cells, strict=True)))


def _check_sizes(file: RegularFile, metadata: Any, names: Sequence[str]) -> None:  # noqa: ANN401 - pyarrow
    wanted = set(names)
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for place in range(chunks.num_columns):
            chunk = chunks.column(place)
            if chunk.path_in_schema.split(".")[0] in wanted and chunk.total_uncompressed_size > _MAX_CHUNK:
                raise _unsound(file, f"a column of row group {group + 1} unfolds to over {_MAX_CHUNK:,} bytes")


def _cells(array: Any) -> list[Any]:  # noqa: ANN401 - pyarrow
    """Give the cells of one column of a batch; equal strings of a dictionary column are one string in memory."""
    import pyarrow as pa

    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        places = array.indices.to_pylist()
        wanted = sorted({place for place in places if place is not None})
        values = dict(zip(wanted, _cells(array.dictionary.take(pa.array(wanted, pa.int64()))), strict=True))
        return [None if place is None else values[place] for place in places]
    try:
        return list(array.to_pylist())
    except UnicodeDecodeError:  # strings that are not UTF-8: bytes, of which the bad ones are kept out later
        return list(array.cast(pa.large_binary()).to_pylist())


def _failed(file: RegularFile, error: Exception, why: str) -> DataError:
    if isinstance(error, OSError) and error.errno:  # of the disk; the library's own OSErrors have no number
        return file.unreadable(error)
    return _unsound(file, why)


def _unsound(file: RegularFile, why: str) -> DataError:
    return DataError(
        "E_FORMAT",
        f"{shown(file.path)} is not a Parquet file that can be read: {why}",
        fix="write it again with a current library (plain columns, row groups of usual size), or save it as JSONL",
    )
