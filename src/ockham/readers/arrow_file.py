"""Arrow files, as Hugging Face's `save_to_disk` writes them: plain columns, batch by batch, within limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.compressed_file import UNFOLDS, unfolds_too_far
from ockham.readers.local_file import RegularFile
from ockham.readers.parquet_file import batch_rows, class_names
from ockham.readers.table import MAX_COLUMNS, BrokenRow, Table, TableRow

FILE_MARK, STREAM_MARK = b"ARROW1", b"\xff\xff\xff\xff"


def is_arrow(file: RegularFile) -> bool:
    """Tell an Arrow file or stream by its beginning."""
    return file.head.startswith(FILE_MARK) or (file.head.startswith(STREAM_MARK) and file.path.suffix == ".arrow")


def arrow_table(file: RegularFile, most: int) -> Table:
    """Read an Arrow file or stream; columns of class numbers give names.

    Raises `DataError` (``E_FORMAT``): not sound, over 10,000 columns, over ``most`` bytes of values, or unfolding too
    far for its size.
    """
    import pyarrow as pa

    try:
        file.raw.seek(0)
        opener = pa.ipc.open_file if file.head.startswith(FILE_MARK) else pa.ipc.open_stream
        reader = opener(pa.PythonFile(file.raw, mode="r"))
        names = list(reader.schema.names)
        label_names = class_names(reader.schema.metadata)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unsound(file, "its beginning cannot be read") from error
    if len(names) > MAX_COLUMNS:
        raise _unsound(file, f"it has over {MAX_COLUMNS:,} columns")
    if len(set(names)) < len(names):
        raise _unsound(file, "two of its columns have the same name")
    return Table(
        name=file.name,
        format="arrow",
        encoding="utf-8",
        dialect=None,
        columns=names,
        rows=_rows(file, reader, most),
        label_names=label_names,
    )


def _rows(file: RegularFile, reader: Any, most: int) -> Iterator[TableRow | BrokenRow]:  # noqa: ANN401 - pyarrow
    import pyarrow as pa

    record = total = 0
    count = getattr(reader, "num_record_batches", None)
    batches = iter(reader) if count is None else map(reader.get_batch, range(count))
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
            total += batch.nbytes
            if unfolds_too_far(total, file.size) or total > most:
                raise _unsound(file, UNFOLDS)
            rows = list(batch_rows(batch))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _unsound(file, f"the rows after number {record} cannot be read") from error
        for cells in rows:
            record += 1
            yield TableRow(record, None, cells)


def _unsound(file: RegularFile, why: str) -> DataError:
    return DataError(
        "E_FORMAT",
        f"{printable(file.path)} cannot be read as Arrow: {why}",
        fix="write it again with a current library, or save it as Parquet or JSONL",
    )
