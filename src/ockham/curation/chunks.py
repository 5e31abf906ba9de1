"""What was found out about a chunk of documents, kept on disk until all are decided: memory does not grow with texts.

A chunk is a folder: ``rows.bin`` (each row as JSON, as it is to be written), ``table.bin`` (a line per document),
``hashes.bin``, and for near-duplicates the band keys, each band sorted, with the document of each key. For each band it
is known where each of 256 ranges of keys begins, so that one range over all chunks can be read alone. Files hold plain
numbers, so that a part is one read.
"""

from __future__ import annotations

import bisect
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ockham.curation.record_batch import dump_row, parse_row, replace_texts
from ockham.curation.steps.examine import ExaminedChunk
from ockham.data.shared_text import SharedText
from ockham.readers.conversations import is_conversation, texts_in, with_turns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RANGES = 256
_OPEN = 64
"""Files that are open at once."""
ChunkSource = tuple[tuple[Path, ...], tuple[tuple[str, ...], ...], SharedText]
"""The folders of chunks, the input columns of each file, and the text that rows share."""
_TABLE = [
    ("offset", "<i8"), ("reason", "u1"), ("changed", "u1"), ("score", "<f8"), ("limit", "<f8"), ("leaked", "<i8"),
    ("words", "<i8"), ("size", "<i8"), ("start", "<i8"), ("length", "<i8"),
]  # fmt: skip


class Summary(NamedTuple):
    """The file that a chunk is of, how many documents, bands and keys of each band it has, counts to be added up."""

    file: int
    shape: tuple[int, int, int]
    personal: dict[str, int]
    languages: dict[str, int]
    would: dict[str, list[int]]
    unlike: int
    objects: int


def write_chunk(folder: Path, examined: ExaminedChunk) -> None:
    """Write a chunk into an empty folder."""
    import numpy as np

    from ockham.curation.kernels.shingles import gather_texts

    portion = examined.portion
    changed = [index for index in examined.new if examined.reason[index] == 0]
    rows = gather_texts(replace_texts(portion.rows, {index: _row(examined, index) for index in changed}), 10)
    table = np.zeros(len(portion), dtype=_TABLE)
    for name in ("reason", "changed", "score", "limit", "leaked", "words"):
        table[name] = getattr(examined, name)
    table["offset"] = portion.offsets
    table["size"] = examined.sizes
    table["start"], table["length"] = rows.starts, rows.ends - rows.starts
    bounds = np.arange(RANGES, dtype=np.uint64) << np.uint64(56)
    alive = np.flatnonzero((examined.reason == 0) & (examined.words > 0))
    keys = np.ascontiguousarray(examined.keys[alive].T)
    order = np.argsort(keys, axis=1)  # in which order equal keys stand means nothing
    keys = np.take_along_axis(keys, order, axis=1)
    ranges = [np.append(np.searchsorted(band, bounds), len(band)) for band in keys]
    files: dict[str, NDArray[Any]] = {
        "rows": rows.data,
        "table": table,
        "hashes": examined.hashes,
        "keys": keys,
        "documents": alive[order].astype(np.int32) if len(keys) else np.zeros(0, dtype=np.int32),
        "ranges": np.array(ranges, dtype=np.int64),
    }
    for name, values in files.items():
        (folder / f"{name}.bin").write_bytes(np.ascontiguousarray(values).data)
    summary = Summary(
        portion.file,
        (len(table), *keys.shape),
        dict(examined.personal),
        dict(examined.languages),
        {k: list(v) for k, v in examined.would.items()},
        examined.unlike,
        examined.objects,
    )
    (folder / "summary.json").write_text(json.dumps(summary._asdict(), sort_keys=True), encoding="utf-8")


def _row(examined: ExaminedChunk, index: int) -> bytes:
    """Return the row of a changed document as it is to be written."""
    portion = examined.portion
    if is_conversation(portion.inputs):
        return dump_row(with_turns(portion.cells_of(index), portion.inputs_of(index), examined.new[index]))
    texts = zip(portion.inputs, portion.inputs_of(index), examined.new[index], strict=True)
    return dump_row(portion.cells_of(index) | {name: after for name, before, after in texts if after != before})


class Chunk:
    """One chunk on disk: its folder and file, the number of its first document among all, and how many it has."""

    __slots__ = ("_shape", "file", "first", "folder", "size")

    def __init__(self, folder: Path, first: int) -> None:
        """Look at a chunk; its arrays are read when they are asked for."""
        self.folder, self.first = folder, first
        summary = self.summary()
        self.file, self._shape = summary.file, summary.shape
        self.size = self._shape[0]

    def table(self) -> NDArray[Any]:
        """Read the lines of the documents."""
        return self._read("table", _TABLE, 0, self.size)

    def hashes(self) -> NDArray[np.uint64]:
        """Read the hashes of the documents, as `ExaminedChunk` has them."""
        return self._read("hashes", "<u8", 0, 6 * self.size).reshape(-1, 6)

    def ranges(self) -> NDArray[np.int64]:
        """Read where each range of the keys begins: (bands x ranges + 1)."""
        return self._read("ranges", "<i8", 0, self._shape[1] * (RANGES + 1)).reshape(-1, RANGES + 1)

    def rows(self) -> bytes:
        """Read the rows, a line end behind each; the texts of one chunk are in memory."""
        return (self.folder / "rows.bin").read_bytes()

    def summary(self) -> Summary:
        """Read the counts that are added up."""
        return Summary(**json.loads((self.folder / "summary.json").read_text(encoding="utf-8")))

    def band(self, band: int, low: int, high: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Read the keys of one band in a span of ranges, sorted, and the documents they are of (numbered through)."""
        import numpy as np

        ranges = self._read("ranges", "<i8", band * (RANGES + 1), RANGES + 1)
        begin, end = int(ranges[low]), int(ranges[high])
        at = band * self._shape[2] + begin
        documents = self._read("documents", "<i4", at, end - begin).astype(np.int64)
        return self._read("keys", "<u8", at, end - begin), documents + self.first

    def _read(self, name: str, kind: Any, begin: int, number: int) -> NDArray[Any]:  # noqa: ANN401 - a numpy type
        import numpy as np

        dtype = np.dtype(kind)
        descriptor = os.open(f"{self.folder}/{name}.bin", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            return np.frombuffer(os.pread(descriptor, number * dtype.itemsize, begin * dtype.itemsize), dtype=dtype)
        finally:
            os.close(descriptor)


class Chunks:
    """All chunks, in order; documents are numbered through."""

    __slots__ = ("_begins", "_firsts", "_open", "_shared", "_source", "inputs", "items", "size")

    def __init__(
        self, folders: Sequence[Path], inputs: Sequence[tuple[str, ...]], shared: SharedText | None = None
    ) -> None:
        """Look at the chunks in these folders; ``inputs`` are the input columns of each file."""
        self._shared = shared or SharedText()
        self.items: list[Chunk] = []
        self._firsts: list[int] = []
        self.inputs = inputs
        self._source: ChunkSource = tuple(folders), tuple(inputs), self._shared
        self._open: OrderedDict[tuple[int, str], int] = OrderedDict()
        self._begins: dict[int, int] = {}
        self.size = 0
        for folder in folders:
            self.items.append(Chunk(folder, self.size))
            self._firsts.append(self.size)
            self._begins.setdefault(self.items[-1].file, self.size)
            self.size += self.items[-1].size

    def __iter__(self) -> Iterator[Chunk]:
        """Return the chunks in order."""
        return iter(self.items)

    def source(self) -> ChunkSource:
        """Return what `chunks_of` needs to open the chunks in another process."""
        return self._source

    def place(self, document: int) -> tuple[int, int]:
        """Return the file of a document, and the number of its record there, from 1."""
        file = self._chunk(document).file
        return file, document - self._begins[file] + 1

    def line(self, document: int) -> Any:  # noqa: ANN401 - a line of a structured array
        """Read a document's line of the table."""
        return self._entry(document, "table.bin", _TABLE)

    def text(self, document: int) -> bytes:
        """Read the input of a document as it is compared: after all changes, without what rows share."""
        text = "\n".join(texts_in(self.cells(document), self.inputs[self.place(document)[0]]))
        return self._shared.text_to_compare(text).encode()

    def cells(self, document: int) -> dict[str, Any]:
        """Read the row of a document."""
        line = self.line(document)
        rows = self._file(self._chunk(document), "rows.bin")
        return parse_row(os.pread(rows, int(line["length"]), int(line["start"])))

    def texts(self, documents: NDArray[np.int64]) -> list[bytes]:
        """Read the inputs of documents as they are compared."""
        inputs = [b""] * len(documents)
        for chunk, indices in self._by_chunk(documents):
            table, names, rows = chunk.table(), self.inputs[chunk.file], self._file(chunk, "rows.bin")
            inner = documents[indices] - chunk.first
            starts, sizes = table["start"][inner].tolist(), table["length"][inner].tolist()
            for index, start, size in zip(indices.tolist(), starts, sizes, strict=True):
                inputs[index] = _text_in(os.pread(rows, size, start), names)
        if self._shared.passages:
            return [self._shared.text_to_compare(text.decode()).encode() for text in inputs]
        return inputs

    def targets(self, documents: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Read the hashes of the targets of documents: (documents x 2)."""
        import numpy as np

        hashes = np.zeros((len(documents), 2), dtype=np.uint64)
        for chunk, indices in self._by_chunk(documents):
            hashes[indices] = chunk.hashes()[documents[indices] - chunk.first, 4:6]
        return hashes

    def column(self, name: str, documents: NDArray[np.int64]) -> NDArray[Any]:
        """Read a column of the table for some documents."""
        import numpy as np

        values: NDArray[Any] = np.zeros(len(documents), dtype=dict(_TABLE)[name])
        for chunk, indices in self._by_chunk(documents):
            values[indices] = chunk.table()[name][documents[indices] - chunk.first]
        return values

    def _by_chunk(self, documents: NDArray[np.int64]) -> Iterator[tuple[Chunk, NDArray[np.int64]]]:
        """Yield each chunk that holds some of the documents, with their indices among these."""
        import numpy as np

        holders = np.searchsorted(np.array(self._firsts), documents, side="right") - 1
        order = np.argsort(holders, kind="stable")
        bounds = np.flatnonzero(np.append(True, holders[order][1:] != holders[order][:-1])[: len(order)])
        for indices in np.split(order, bounds[1:]) if len(order) else ():
            yield self.items[int(holders[indices[0]])], indices

    def target(self, document: int) -> bytes:
        """Read the hash of a document's target."""
        return bytes(self._entry(document, "hashes.bin", [("hashes", "<u8", 6)])["hashes"][4:6].tobytes())

    def close(self) -> None:
        """Close what is open."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def _chunk(self, document: int) -> Chunk:
        return self.items[bisect.bisect_right(self._firsts, document) - 1]

    def _entry(self, document: int, name: str, kind: Any) -> Any:  # noqa: ANN401 - a numpy type
        import numpy as np

        chunk, dtype = self._chunk(document), np.dtype(kind)
        begin = (document - chunk.first) * dtype.itemsize
        return np.frombuffer(os.pread(self._file(chunk, name), dtype.itemsize, begin), dtype=dtype)[0]

    def _file(self, chunk: Chunk, name: str) -> int:
        key = chunk.first, name
        if key not in self._open:
            while len(self._open) >= _OPEN:
                os.close(self._open.popitem(last=False)[1])
            self._open[key] = os.open(chunk.folder / name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._open.move_to_end(key)
        return self._open[key]


def _text_in(row: bytes, inputs: tuple[str, ...]) -> bytes:
    """Return the input of a row; most have one column of text, which is taken as it is."""
    cells = parse_row(row)
    only = cells.get(inputs[0]) if len(inputs) == 1 else None
    return (only if isinstance(only, str) else "\n".join(texts_in(cells, inputs))).encode()


@lru_cache(maxsize=1)
def chunks_of(source: ChunkSource) -> Chunks:
    """Return the chunks in these folders; the ones opened last are cached."""
    return Chunks(*source)
