"""Parquet files: only plain Arrow columns, batch by batch, within limits; nothing in a file is ever executed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.compressed_file import UNFOLDS, unfolds_too_far
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_COLUMNS, BrokenRow, Table, TableRow

_BATCH = 1024
_MAX_GROUPS = 100_000
_MAX_FOOTER = 64_000_000
_MAX_GROUP = 8_000_000_000
_CELL = 6
"""Characters around a cell and its name where a row stands as JSON; so many rows of nothing are something too."""
_BAD_NAME = "the name of a column is not UTF-8"


def parquet_table(file: RegularFile, most: int | None = None) -> Table:
    """Read a Parquet file: schema now, rows as they are asked for. Nested cells become JSON later.

    Columns of extension types are read as the plain type they store. What the rows unfold to is counted as if they
    stood as JSON, and held against the size of the file as for packed files; ``most`` is a limit whatever that size is.
    Raises `DataError` (``E_FORMAT``): not sound Parquet, unfolds too far, over 10,000 columns, over 100,000 row groups,
    an index over 64 MB.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check_footer(file)
    try:
        parquet = pq.ParquetFile(file.raw, memory_map=False, pre_buffer=False)
        # Equal texts are then one string in memory, however often and however deep in other values they stand.
        texts = [leaf.path for leaf in map(parquet.schema.column, range(len(parquet.schema))) if _is_text(leaf)]
        parquet = pq.ParquetFile(file.raw, memory_map=False, pre_buffer=False, read_dictionary=texts)
        names, groups = list(parquet.schema_arrow.names), parquet.metadata.num_row_groups
        label_names = class_names(parquet.schema_arrow.metadata)
    except UnicodeDecodeError as error:
        raise _unsound(file, _BAD_NAME) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _read_error(file, error, "its footer cannot be read") from error
    if len(names) > MAX_COLUMNS:
        raise _unsound(file, f"it has over {MAX_COLUMNS:,} columns")
    if groups > _MAX_GROUPS:
        raise _unsound(file, f"it has over {_MAX_GROUPS:,} row groups")
    if len(set(names)) < len(names):
        raise _unsound(file, "two of its columns have the same name")
    return Table(
        name=file.name,
        format="parquet",
        encoding="utf-8",
        dialect=None,
        columns=names,
        rows=_rows(file, parquet, names, most),
        project=lambda columns: _rows(file, parquet, columns, most),
        bulky=frozenset(field.name for field in parquet.schema_arrow if "binary" in str(field.type)),
        label_names=label_names,
    )


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Return the names of the classes of each column of class numbers, as Hugging Face's `datasets` notes them."""
    try:
        return names_in_features(json.loads((metadata or {})[b"huggingface"])["info"]["features"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}


def names_in_features(features: object) -> dict[str, list[str]]:
    """Return the names of the classes of each column that a data set's description of its columns names."""
    if not isinstance(features, Mapping):
        return {}
    return {str(column): names for column, feature in features.items() if (names := _names_in(feature))}


def _names_in(feature: object, depth: int = 3) -> list[str]:
    """Return the names of a feature, or of the items of a list of them."""
    if isinstance(feature, list) and feature:
        feature = feature[0]
    if not isinstance(feature, Mapping) or not depth:
        return []
    names = feature.get("names") if feature.get("_type") == "ClassLabel" else None
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    return _names_in(feature.get("feature"), depth - 1)


def _is_text(leaf: Any) -> bool:  # noqa: ANN401 - pyarrow
    return bool(leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type != "DECIMAL")


def _check_footer(file: RegularFile) -> None:
    tail = file.tail(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or length > min(_MAX_FOOTER, file.size):
        raise _unsound(file, "its footer is missing or invalid; the file may be truncated")


def _rows(file: RegularFile, parquet: Any, names: Sequence[str], most: int | None) -> Iterator[TableRow | BrokenRow]:  # noqa: ANN401 - pyarrow
    import pyarrow as pa

    around = sum(len(name) + _CELL for name in names)
    _check_sizes(file, parquet.metadata, around)
    record = total = 0
    batches = parquet.iter_batches(batch_size=_BATCH, columns=list(names), use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            arrays = [plain_storage(batch.column(batch.schema.get_field_index(name))) for name in names]
            total += sum(unfolded_size(array) for array in arrays if pa.types.is_nested(array.type))
            _check_total(file, total, most)
            columns = [column_cells(array) for array in arrays]
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _read_error(file, error, f"the rows after number {record} cannot be read") from error
        for cells in zip(*columns, strict=True):
            record += 1
            total += around + sum(len(cell) for cell in cells if isinstance(cell, (str, bytes)))
            _check_total(file, total, most)
            yield TableRow(record, None, dict(zip(names, cells, strict=True)))


def _check_sizes(file: RegularFile, metadata: Any, around: int) -> None:  # noqa: ANN401 - pyarrow
    """Refuse what the index itself says to be too much; it may say less than there is.

    Only of whole row groups: where the index of a single column is damaged, pyarrow ends the process when asked for it.
    """
    total = metadata.num_rows * around
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).total_byte_size
        total += size
        if size > _MAX_GROUP:
            raise _unsound(file, f"row group {group + 1} expands to over {_MAX_GROUP:,} bytes")
    _check_total(file, total, None)


def _check_total(file: RegularFile, total: int, most: int | None) -> None:
    if unfolds_too_far(total, file.size):
        raise _unsound(file, UNFOLDS)
    if most is not None and total > most:
        raise _unsound(file, f"its text expands to over {most:,} characters")


def unfolded_size(array: Any) -> int:  # noqa: ANN401 - pyarrow
    """Count the bytes of the values of an array, each as often as it stands there, without unfolding it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = plain_storage(array)
    if pa.types.is_dictionary(array.type):
        return int(pc.sum(pc.binary_length(array.dictionary).take(array.indices)).as_py() or 0)
    if pa.types.is_map(array.type):
        begin, end = (array.offsets[index].as_py() for index in (0, len(array)))
        return sum(unfolded_size(part.slice(begin, end - begin)) for part in (array.keys, array.items))
    if pa.types.is_struct(array.type):
        return sum(map(unfolded_size, array.flatten()))
    if pa.types.is_nested(array.type):
        return unfolded_size(array.flatten())
    return int(array.nbytes)


def plain_storage(array: Any) -> Any:  # noqa: ANN401 - pyarrow
    """Return the plain values of an array of an extension type; any other array as it is."""
    import pyarrow as pa

    return array.storage if isinstance(array, pa.ExtensionArray) else array


def batch_rows(batch: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - pyarrow
    """Yield the rows of a batch of Arrow columns, each by the names of its columns."""
    columns = [column_cells(plain_storage(column)) for column in batch.columns]
    for cells in zip(*columns, strict=True):
        yield dict(zip(batch.schema.names, cells, strict=True))


def column_cells(array: Any) -> list[Any]:  # noqa: ANN401 - pyarrow
    """Return the cells of one column of a batch; equal strings of a dictionary column are one string in memory."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        indices = array.indices.to_pylist()
        used = sorted({index for index in indices if index is not None})
        values = dict(zip(used, column_cells(array.dictionary.take(pa.array(used, pa.int64()))), strict=True))
        return [None if index is None else values[index] for index in indices]
    array = _in_microseconds(array)
    try:
        return list(array.to_pylist())
    except OverflowError:  # a date beyond those that Python has
        return list(array.cast(pa.string()).to_pylist())
    except UnicodeDecodeError:  # strings that are not UTF-8: bytes, of which the bad ones are kept out later
        return list(array.cast(pa.large_binary()).to_pylist())


def _in_microseconds(array: Any) -> Any:  # noqa: ANN401 - pyarrow
    """Return times in nanoseconds as microseconds, or as text where that would lose digits; any other array as it is.

    Python has no value for them: pyarrow takes pandas' where that is installed, and gives up elsewhere.
    """
    import pyarrow as pa

    kind = array.type
    if getattr(kind, "unit", None) != "ns":
        return array
    tz = {"tz": kind.tz} if pa.types.is_timestamp(kind) else {}
    make = pa.timestamp if tz else pa.duration if pa.types.is_duration(kind) else pa.time64
    try:
        return array.cast(make("us", **tz))
    except pa.ArrowInvalid:
        return array.cast(pa.string())


def _read_error(file: RegularFile, error: Exception, why: str) -> DataError:
    if isinstance(error, OSError) and error.errno:  # of the disk; the library's own OSErrors have no number
        return file.unreadable(error)
    return _unsound(file, why)


def _unsound(file: RegularFile, why: str) -> DataError:
    return DataError(
        "E_FORMAT",
        f"{printable(file.path)} cannot be read as Parquet: {why}",
        fix="write it again with a current library (plain columns, row groups of usual size), or save it as JSONL",
    )
