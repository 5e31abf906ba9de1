"""Rows into files of bounded size: the same bytes whatever the chunks were, each file saved whole by the store."""

from __future__ import annotations

import gzip
import hashlib
import io
from typing import TYPE_CHECKING, Any

from ockham.curation.record_batch import parse_row
from ockham.data.csv_export import csv_text
from ockham.readers.table import text_of
from ockham.records.curation import Shard
from ockham.store import Run
from ockham.store.atomic import NewFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Shards:
    """One folder of numbered files, which rows are added to one after the other.

    Plain lines are written as they come; other forms are put together when a file is full. What is not finished by
    `flush` is removed by `close`.
    """

    def __init__(self, run: Run, folder: str, form: str, megabytes: int) -> None:
        """Write into a folder of a run, in one of the forms jsonl, jsonl.gz, jsonl.zst, csv and parquet."""
        self._run, self._folder, self._form = run, folder, form
        self._most = megabytes * 1_000_000
        self._held = bytearray()
        self._file: NewFile | None = None
        self._digest = hashlib.sha256()
        self._size = self._rows = 0
        self.written: list[Shard] = []

    def add(self, rows: bytes, ends: NDArray[np.int64]) -> None:
        """Add rows, JSON objects with a line end behind each; a shard ends behind the row that fills it."""
        import numpy as np

        at = begin = 0
        while begin < len(ends):
            # The first row behind which the shard is full, or the last one there is.
            last = min(int(np.searchsorted(ends, at + self._most - self._size)), len(ends) - 1)
            end = int(ends[last])
            if self._form == "jsonl":
                self._write(rows if end - at == len(rows) else rows[at:end])
            else:
                self._held += memoryview(rows)[at:end]
            self._rows += last + 1 - begin
            self._size += end - at
            at, begin = end, last + 1
            if self._size >= self._most:
                self.flush()

    def flush(self) -> None:
        """Finish the shard of the rows that were added."""
        if not self._rows:
            return
        if self._form != "jsonl":
            rows, self._held = self._held, bytearray()
            data = encode_rows(rows, self._form)
            self._write(data)
            self._size = len(data)
        if self._file is not None:
            self._file.finish()
        path = f"{self._folder}/{self._name()}"
        self.written.append(Shard(path=path, sha256=self._digest.hexdigest(), rows=self._rows, bytes=self._size))
        self._file, self._digest = None, hashlib.sha256()
        self._size = self._rows = 0

    def close(self) -> None:
        """Leave nothing of a shard that was not finished."""
        if self._file is not None:
            self._file.drop()

    def _name(self) -> str:
        return f"{len(self.written):05d}.{self._form}"

    def _write(self, data: bytes | bytearray) -> None:
        if self._file is None:
            self._file = self._run.begin_in(self._folder, self._name())
        self._file.write(data)
        self._digest.update(data)


def encode_rows(rows: bytes | bytearray, form: str) -> bytes | bytearray:
    """Write rows, JSON objects with a line end behind each, as one file; nothing in it depends on time or place."""
    if form in ("csv", "parquet"):
        return _table([parse_row(row) for row in rows.split(b"\n")[:-1]], form)
    if form == "jsonl.gz":
        return gzip.compress(rows, 6, mtime=0)
    if form == "jsonl.zst":
        import zstandard

        return zstandard.ZstdCompressor(level=3).compress(rows)
    return rows


def _table(rows: list[dict[str, Any]], form: str) -> bytes:
    """Write rows as a table of texts: its columns are all keys in the order of coming, a missing cell is empty.

    Half a character, which JSON can hold and these forms cannot, is written as the escape that stands for it in JSON.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    heads = [_whole(name) for name in names]
    if form == "csv":
        return csv_text([[_whole(text_of(row.get(name))) for name in names] for row in rows], heads).encode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [
        pa.array([None if row.get(name) is None else _whole(text_of(row[name])) for row in rows], pa.string())
        for name in names
    ]
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, names=heads), sink, compression="zstd")
    return sink.getvalue()


def _whole(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
