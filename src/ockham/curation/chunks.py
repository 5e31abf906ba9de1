"""What was found out about a chunk of documents, kept on disk until all are decided: memory does not grow with texts.

A chunk is a folder: ``rows.bin`` (each row as JSON, as it is to be written), ``table.npy`` (a line per document),
``hashes.npy`` with its orders by the hash of the bytes and by that of the words, and for near-duplicates the band keys,
each band sorted, with the document of each key. For each order and each band it is known where each of 256 ranges of
keys begins, so that one range over all chunks can be read alone.
"""

from __future__ import annotations

import bisect
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ockham.data.documents import Document
from ockham.data.harvest import text_of
from ockham.data.steps.examine import Examined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RANGES = 256
HASHES = {"raw": 0, "words": 2}
"""The hashes by which documents are found again, and their columns in ``hashes.npy``."""
_OPEN = 64
"""Files that are open at once."""
_TABLE = [
    ("file", "<i4"), ("record", "<i8"), ("offset", "<i8"), ("reason", "u1"), ("changed", "u1"), ("score", "<f8"),
    ("limit", "<f8"), ("leaked", "<i8"), ("words", "<i8"), ("size", "<i8"), ("start", "<i8"), ("length", "<i8"),
]  # fmt: skip


class Line(NamedTuple):
    """One document of a chunk, and its row; ``offset`` and ``leaked`` are -1 where there is none."""

    file: int
    record: int
    offset: int
    reason: int
    changed: int
    score: float
    limit: float
    leaked: int
    words: int
    row: bytes


class Summary(NamedTuple):
    """The counts of one chunk that are only added up."""

    personal: dict[str, int]
    languages: dict[str, int]
    would: dict[str, list[int]]


def write_chunk(folder: Path, examined: Examined, inputs: Sequence[tuple[str, ...]]) -> None:
    """Write a chunk into an empty folder; ``inputs`` are the input columns of each file."""
    import numpy as np

    rows = [_row(examined, i, inputs) for i in range(len(examined.documents))]
    table = np.zeros(len(rows), dtype=_TABLE)
    table["file"] = [one.file for one in examined.documents]
    table["record"] = [one.record for one in examined.documents]
    table["offset"] = [-1 if one.offset is None else one.offset for one in examined.documents]
    table["size"] = [sum(map(len, texts)) for texts in examined.texts]
    for name in ("reason", "changed", "score", "limit", "leaked", "words"):
        table[name] = getattr(examined, name)
    table["length"] = [len(row) for row in rows]
    table["start"] = np.cumsum(table["length"]) - table["length"]
    (folder / "rows.bin").write_bytes(b"".join(rows))
    np.save(folder / "table.npy", table)
    np.save(folder / "hashes.npy", examined.hashes)
    bounds = np.arange(RANGES, dtype=np.uint64) << np.uint64(56)
    for name, column in HASHES.items():
        order = np.argsort(examined.hashes[:, column], kind="stable")
        starts = np.searchsorted(examined.hashes[order, column], bounds)
        np.save(folder / f"{name}_order.npy", order)
        np.save(folder / f"{name}_ranges.npy", np.append(starts, len(order)))
    alive = np.flatnonzero((examined.reason == 0) & (examined.words > 0))
    keys = np.ascontiguousarray(examined.keys[alive].T)
    order = np.argsort(keys, axis=1, kind="stable")
    keys = np.take_along_axis(keys, order, axis=1)
    begins = [np.append(np.searchsorted(band, bounds), len(band)) for band in keys]
    np.save(folder / "keys.npy", keys)
    np.save(folder / "documents.npy", alive[order] if len(keys) else order)
    np.save(folder / "ranges.npy", np.array(begins, dtype=np.int64).reshape(len(keys), RANGES + 1))
    summary = Summary(
        dict(examined.personal), dict(examined.languages), {k: list(v) for k, v in examined.would.items()}
    )
    (folder / "summary.json").write_text(json.dumps(summary._asdict(), sort_keys=True), encoding="utf-8")


def _row(examined: Examined, place: int, inputs: Sequence[tuple[str, ...]]) -> bytes:
    """Give the row as it is to be written: with its changes, or as it came where a rule leaves it out."""
    one = examined.documents[place]
    if not isinstance(one, Document):
        return dumped({"code": one.code, "reason": one.reason})
    cells = one.cells
    if examined.changed[place] and examined.reason[place] == 0:
        texts = zip(inputs[one.file], one.texts, examined.texts[place], strict=True)
        cells = cells | {name: after for name, before, after in texts if after != before}
    return dumped(cells)


def dumped(value: object) -> bytes:
    """Write one JSON object on one line; numbers that are not finite become null, other kinds of value text."""
    import orjson

    try:
        return orjson.dumps(value, default=_plain)
    except (TypeError, ValueError):  # an integer over 64 bits, or half a character in a column that is not looked at
        return json.dumps(value, default=_plain, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


class Chunk:
    """One chunk on disk: its folder, the number of its first document among all, and how many it has."""

    __slots__ = ("first", "folder", "size")

    def __init__(self, folder: Path, first: int) -> None:
        """Look at a chunk; its arrays are read when they are asked for."""
        import numpy as np

        self.folder, self.first = folder, first
        self.size = len(np.load(folder / "table.npy", mmap_mode="r", allow_pickle=False))

    def load(self, name: str) -> NDArray[Any]:
        """Read one of the arrays."""
        import numpy as np

        found: NDArray[Any] = np.load(self.folder / f"{name}.npy", allow_pickle=False)
        return found

    def lines(self) -> Iterator[Line]:
        """Read the documents one after the other, with their rows; the texts of one chunk are in memory."""
        rows = (self.folder / "rows.bin").read_bytes()
        table = self.load("table")
        columns = [table[name].tolist() for name, _ in _TABLE]
        for file, record, offset, reason, changed, score, limit, leaked, words, _, start, length in zip(
            *columns, strict=True
        ):
            row = rows[start : start + length]
            yield Line(file, record, offset, reason, changed, score, limit, leaked, words, row)

    def summary(self) -> Summary:
        """Read the counts that are added up."""
        return Summary(**json.loads((self.folder / "summary.json").read_text(encoding="utf-8")))

    def hashes(self, name: str, low: int, high: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Read the hashes of the documents whose hash of a name ("raw", "words") lies in a span, and their numbers."""
        import numpy as np

        ranges = self.load(f"{name}_ranges")
        order = np.load(self.folder / f"{name}_order.npy", mmap_mode="r", allow_pickle=False)
        inside = np.sort(order[ranges[low] : ranges[high]])
        return np.load(self.folder / "hashes.npy", mmap_mode="r", allow_pickle=False)[inside], inside + self.first

    def band(self, band: int, low: int, high: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Read the keys of one band in a span of ranges, sorted, and the documents they are of (numbered through)."""
        import numpy as np

        ranges = np.load(self.folder / "ranges.npy", mmap_mode="r", allow_pickle=False)
        begin, end = int(ranges[band, low]), int(ranges[band, high])
        keys = np.load(self.folder / "keys.npy", mmap_mode="r", allow_pickle=False)[band, begin:end]
        documents = np.load(self.folder / "documents.npy", mmap_mode="r", allow_pickle=False)[band, begin:end]
        return np.array(keys), np.array(documents) + self.first


class Chunks:
    """All chunks, in order; documents are numbered through."""

    __slots__ = ("_firsts", "_open", "inputs", "items", "size")

    def __init__(self, folders: Sequence[Path], inputs: Sequence[tuple[str, ...]]) -> None:
        """Look at the chunks in these folders; ``inputs`` are the input columns of each file."""
        self.items: list[Chunk] = []
        self._firsts: list[int] = []
        self.inputs = inputs
        self._open: OrderedDict[tuple[int, str], int] = OrderedDict()
        self.size = 0
        for folder in folders:
            self.items.append(Chunk(folder, self.size))
            self._firsts.append(self.size)
            self.size += self.items[-1].size

    def __iter__(self) -> Iterator[Chunk]:
        """Give the chunks in order."""
        return iter(self.items)

    def line(self, document: int) -> Any:  # noqa: ANN401 - a line of a structured array
        """Read a document's line of the table."""
        return self._entry(document, "table.npy", _TABLE)

    def text(self, document: int) -> bytes:
        """Read the input of a document as it was examined, after all changes."""
        line = self.line(document)
        rows = self._file(self._chunk(document), "rows.bin")
        cells = parsed(os.pread(rows, int(line["length"]), int(line["start"])))
        names = self.inputs[int(line["file"])]
        return "\n".join(text_of(cells.get(name)) for name in names).encode()

    def target(self, document: int) -> bytes:
        """Read the hash of a document's target."""
        return bytes(self._entry(document, "hashes.npy", [("hashes", "<u8", 6)])["hashes"][4:6].tobytes())

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
        descriptor = self._file(chunk, name)
        # Entries stand at the end of the file, behind a header of numpy's.
        begin = os.fstat(descriptor).st_size - (chunk.size - (document - chunk.first)) * dtype.itemsize
        return np.frombuffer(os.pread(descriptor, dtype.itemsize, begin), dtype=dtype)[0]

    def _file(self, chunk: Chunk, name: str) -> int:
        key = chunk.first, name
        if key not in self._open:
            while len(self._open) >= _OPEN:
                os.close(self._open.popitem(last=False)[1])
            self._open[key] = os.open(chunk.folder / name, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._open.move_to_end(key)
        return self._open[key]


def parsed(row: bytes) -> dict[str, Any]:
    """Read a row back."""
    import orjson

    try:
        found: dict[str, Any] = orjson.loads(row)
    except ValueError:
        found = json.loads(row)
    return found
