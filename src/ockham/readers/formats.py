"""Every file format that is read: its suffixes, and how a file of it is opened as a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.compressed_file import GZIP, ZSTD, Unpacked
from ockham.readers.csv_file import csv_table
from ockham.readers.foreign_file import refuse_foreign
from ockham.readers.json_fast import quick_table
from ockham.readers.json_file import is_json, json_table
from ockham.readers.local_file import RegularFile, not_regular
from ockham.readers.parquet_file import parquet_table
from ockham.readers.table import Table
from ockham.readers.text_file import encoding_of, head_of

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt")
PACKED = (".gz", ".zst", ".zstd")


@contextmanager
def open_table(file: RegularFile, encoding: str | None) -> Iterator[tuple[Table, RegularFile]]:
    """Judge the format by the content, and yield the table with the file that it is read from."""
    suffix = file.path.suffix.lower()
    if file.head.startswith((GZIP, ZSTD)):
        suffix = Path(file.path.stem).suffix.lower()
        file = Unpacked(file)
    if file.head.startswith(b"PAR1"):
        if isinstance(file, Unpacked):
            raise not_regular(file.path, "packed Parquet, which packs its columns itself")
        yield parquet_table(file), file
        return
    refuse_foreign(file)
    file_encoding = encoding_of(file, encoding)
    head = head_of(file, file_encoding)
    if not head.strip():
        raise DataError("E_EMPTY", f"{printable(file.path)} is empty", fix="name a file with at least one document")
    if b"\0" in file.head[:1024] and not file_encoding.name.startswith("utf-"):
        raise DataError("E_FORMAT", f"{printable(file.path)} is not text", fix="save it as JSONL, CSV or Parquet")
    if not is_json(head, suffix):
        yield csv_table(file, file_encoding), file
        return
    table = json_table(file, file_encoding)
    yield (quick_table(table, file, file_encoding) if table.format == "jsonl" else table), file
