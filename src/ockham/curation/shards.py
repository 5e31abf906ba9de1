"""Rows into files of bounded size: the same bytes whatever the chunks were, each file saved whole by the store."""

from __future__ import annotations

import gzip
import hashlib
import io
from typing import TYPE_CHECKING, Any

from ockham.data.export import csv_text
from ockham.data.harvest import text_of
from ockham.data.portions import parsed
from ockham.data.steps.account import Shard
from ockham.store import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Shards:
    """One folder of numbered files, which rows are added to one after the other."""

    def __init__(self, run: Run, folder: str, form: str, megabytes: int) -> None:
        """Write into a folder of a run, in one of the forms jsonl, jsonl.gz, jsonl.zst, csv and parquet."""
        self._run, self._folder, self._form = run, folder, form
        self._most = megabytes * 1_000_000
        self._held = bytearray()
        self._rows = 0
        self.written: list[Shard] = []

    def add(self, rows: bytes | memoryview, ends: NDArray[np.int64]) -> None:
        """Add rows, JSON objects with a line end behind each; a shard ends behind the row that fills it."""
        import numpy as np

        at = begin = 0
        while begin < len(ends):
            # The first row behind which the shard is full, or the last one there is.
            last = min(int(np.searchsorted(ends, at + self._most - len(self._held))), len(ends) - 1)
            self._held += memoryview(rows)[at : int(ends[last])]
            self._rows += last + 1 - begin
            at, begin = int(ends[last]), last + 1
            if len(self._held) >= self._most:
                self.flush()

    def flush(self) -> None:
        """Write the rows that are held as a shard of their own."""
        if not self._rows:
            return
        rows, self._held = self._held, bytearray()
        data = encoded(rows, self._form)
        name = f"{len(self.written):05d}.{self._form}"
        self._run.publish_in(self._folder, name, data)
        digest = hashlib.sha256(data).hexdigest()
        path = f"{self._folder}/{name}"
        self.written.append(Shard(path=path, sha256=digest, rows=self._rows, bytes=len(data)))
        self._rows = 0


def encoded(rows: bytes | bytearray, form: str) -> bytes | bytearray:
    """Write rows, JSON objects with a line end behind each, as one file; nothing in it depends on time or place."""
    if form in ("csv", "parquet"):
        return _table([parsed(row) for row in rows.split(b"\n")[:-1]], form)
    if form == "jsonl.gz":
        return gzip.compress(rows, 6, mtime=0)
    if form == "jsonl.zst":
        import zstandard

        return zstandard.ZstdCompressor(level=3).compress(rows)
    return rows


def _table(rows: list[dict[str, Any]], form: str) -> bytes:
    """Write rows as a table of texts: its columns are all keys in the order of coming, a missing cell is empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if form == "csv":
        return csv_text([[text_of(row.get(name)) for name in names] for row in rows], names).encode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array([None if row.get(name) is None else text_of(row[name]) for row in rows], pa.string())
        for name in names
    }
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()
