"""Documents of any size, one after the other: files, packed files, folders and patterns, read row by row."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ockham.data.columns import TARGETS, Columns, Wanted, choose
from ockham.data.csv_file import csv_table
from ockham.data.harvest import text_of
from ockham.data.json_file import TRUNCATED, is_json, json_table
from ockham.data.packed_file import GZIP, ZSTD, Unpacked
from ockham.data.parquet_file import parquet_table
from ockham.data.quick_json import quick_table
from ockham.data.regular_file import RegularFile, not_regular, open_file, open_raw, refused, shown
from ockham.data.rows import MAX_RECORD, Broken, Row, Table, unusable
from ockham.data.text import encoding_of, head_of
from ockham.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
PACKED = (".gz", ".zst", ".zstd")
_EACH = 256
"""Bytes that a record counts at least, so that a piece of tiny ones stays small too."""


class Document(NamedTuple):
    """One readable record: its file, place, cells as they stand, input texts, and target (``None``: raw text)."""

    file: int
    record: int
    offset: int | None
    cells: dict[str, object]
    texts: tuple[str, ...]
    target: str | None


class Block(NamedTuple):
    """Whole lines of a JSONL file in UTF-8 as they stand there, from a byte on; or one line too long to be kept.

    ``columns`` are the inputs and the target (``None``: raw text), ``name`` is the file's in messages, ``path`` where
    the bytes stand as they are (``None``: they are packed there).
    """

    file: int
    name: str
    data: bytes
    offset: int
    columns: tuple[tuple[str, ...], str | None]
    path: Path | None = None
    too_long: bool = False

    def placed(self) -> Block | Placed:
        """Give the place of the lines, by which another machine finds them, where they can be found by it."""
        if self.path is None or self.too_long:
            return self
        import xxhash

        digest = xxhash.xxh3_128_hexdigest(self.data)
        return Placed(self._replace(data=b"", path=self.path.absolute()), len(self.data), digest)


class Placed(NamedTuple):
    """Lines of a file that are still to be read: a block without them, their bytes, and their digest (XXH3)."""

    block: Block
    size: int
    digest: str

    def read(self) -> Block:
        """Read the lines. Raises `DataError` (``E_CHANGED``, ``E_IO``) where they are not there any more."""
        import xxhash

        path = self.block.path or Path()
        with open_raw(path) as raw:
            data = bytearray()
            raw.seek(self.block.offset)
            while len(data) < self.size and (part := raw.read(self.size - len(data))):
                data += part
        if xxhash.xxh3_128_hexdigest(data) != self.digest:
            message = f"{self.block.name} changed while it was read, or is another file on a machine of the cluster"
            fix = "let all machines see the same files under the same paths, and nothing write to them"
            raise DataError("E_CHANGED", message, fix=fix)
        return self.block._replace(data=bytes(data))


class Kept(NamedTuple):
    """Records of a file that were read one by one, and its input columns."""

    file: int
    documents: Sequence[Document | Unreadable]
    inputs: tuple[str, ...]


class Unreadable(NamedTuple):
    """One record that cannot be read safely: its file, place, error code, and why."""

    file: int
    record: int
    offset: int | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file of documents: its path, the name it is shown by, SHA-256, size in bytes, and the columns that are used.

    ``size`` is that of the file as it lies on the disk, packed or not.
    """

    path: Path
    name: str
    sha256: str
    size: int
    format: str
    inputs: tuple[str, ...]
    target: str | None


def find_files(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Find the files of a source: a file, a folder (with all folders in it), a pattern (``*``), or several of these.

    Sorted within a folder or pattern, so that the order is the same everywhere; hidden files are passed over, and
    links to folders are not followed. Raises `DataError`: ``E_EMPTY`` where nothing is found, ``E_IO``.
    """
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    found = [path for one in sources for path in _files_of(os.fspath(one))]
    if not found:
        names = ", ".join(shown(os.fspath(one)) for one in sources[:3])
        fix = f"name files that end in one of {', '.join(SUFFIXES)}, packed with {' or '.join(PACKED)} or not"
        raise DataError("E_EMPTY", f"no file of documents is found under {names}", fix=fix)
    return list(dict.fromkeys(found))


def describe(path: Path, wanted: Wanted, encoding: str | None) -> SourceFile:
    """Look at one file: hash it, find out its format, and choose its columns.

    Where no target is named, a column with the usual name of one (label, answer, …) makes the rows labelled ones.
    Raises `DataError` as `ockham.data.read.read` does, and ``E_FORMAT`` for packed files that are not sound.
    """
    with open_file(path) as file, _table(file, encoding) as (table, _):
        if next(table.rows, None) is None:
            fix = "name a file with at least one document"
            raise DataError("E_EMPTY", f"{shown(file.path)} holds no row", fix=fix)
        columns = _columns(table, wanted)
        return SourceFile(
            path=path,
            name=file.name,
            sha256=file.sha256,
            size=file.size,
            format=table.format,
            inputs=columns.inputs,
            target=columns.target or None,
        )


def documents_of(number: int, file: SourceFile, encoding: str | None) -> Iterator[Document | Unreadable]:
    """Yield the records of a file in their order, holding one block at a time.

    Raises `DataError`: ``E_CHANGED`` where the file is no longer the one that was described, and what reading raises.
    """
    with open_file(file.path) as opened, _table(opened, encoding) as (table, plain):
        if opened.sha256 != file.sha256:
            message = f"{shown(file.path)} changed since it was looked at"
            raise DataError("E_CHANGED", message, fix="start again once nothing writes to the file")
        record = 0
        for row in table.rows:
            record = row.record
            yield document_of(number, row, (file.inputs, file.target))
        if isinstance(plain, Unpacked) and plain.cut:
            yield Unreadable(number, record + 1, None, "E_FORMAT", TRUNCATED)
        opened.verify(content=table.format == "parquet")


def work_of(number: int, file: SourceFile, encoding: str | None, most: int) -> Iterator[tuple[Block | Kept, int]]:
    """Part the records of a file into pieces of about so many bytes, each with the bytes seen so far.

    Lines of JSON are left as they are, to be read where they are examined; other records are read here. Raises as
    `documents_of` does, in the end: what was read is compared with what was described.
    """
    with open_file(file.path, file.sha256) as opened, _table(opened, encoding) as (table, plain):
        found = encoding_of(plain, encoding) if table.format == "jsonl" else None
        if found is not None and found.name == "utf-8" and (b"\r" not in plain.head or b"\n" in plain.head):
            columns = file.inputs, file.target
            seen = 0
            for offset, data in _whole_lines(plain, found.bom, most):
                seen += len(data or b"")
                place = None if isinstance(plain, Unpacked) else file.path
                yield Block(number, shown(file.path), data or b"", offset, columns, place, data is None), seen
            if isinstance(plain, Unpacked) and plain.cut:
                yield Kept(number, [Unreadable(number, 0, None, "E_FORMAT", TRUNCATED)], file.inputs), seen
            opened.verify()
            return
    batch: list[Document | Unreadable] = []
    held = seen = 0
    for one in documents_of(number, file, encoding):
        batch.append(one)
        held += max(_EACH, sum(map(len, one.texts)) if isinstance(one, Document) else 0)
        if held >= most:
            seen += held
            yield Kept(number, batch, file.inputs), seen
            batch, held = [], 0
    if batch:
        yield Kept(number, batch, file.inputs), seen + held


def _whole_lines(file: RegularFile, skip: int, most: int) -> Iterator[tuple[int, bytes | None]]:
    """Part a file behind line ends into pieces of so many bytes or a little more; ``None`` is one line over 16 MB."""
    at, parts, held, dropped = skip, list[bytes](), 0, False
    for block in file.blocks():
        part, skip = block[skip:], 0
        if dropped:
            end = part.find(b"\n") + 1
            at, part, dropped = at + (end or len(part)), part[end:] if end else b"", end == 0
        parts.append(part)
        held += len(part)
        if held < most:
            continue
        data, begin = b"".join(parts), 0
        while len(data) - begin >= most:
            end = data.find(b"\n", begin + most - 1) + 1
            if not end and len(data) - begin > MAX_RECORD:
                end = data.rfind(b"\n", begin) + 1
                dropped = end == 0
            if not end:
                break
            yield at + begin, data[begin:end]
            begin = end
        if dropped:
            yield at + begin, None
            begin = len(data)
        at, parts, held = at + begin, [data[begin:]], len(data) - begin
    if held:
        yield at, b"".join(parts)


def document_of(number: int, row: Row | Broken, columns: tuple[tuple[str, ...], str | None]) -> Document | Unreadable:
    """Take the inputs and the target out of a row; unreadable where one of them cannot be used as it is."""
    inputs, wanted = columns
    if isinstance(row, Broken):
        return Unreadable(number, row.record, row.offset, row.code, row.reason)
    try:
        found = [row.cells.get(name) for name in inputs]
        texts = tuple([one if type(one) is str else text_of(one) for one in found])
        target = None if wanted is None else text_of(row.cells.get(wanted))
    except (ValueError, TypeError, RecursionError):
        why = "a cell holds a value that cannot be written as JSON"
        return Unreadable(number, row.record, row.offset, "E_FORMAT", why)
    for text in texts if target is None else (*texts, target):
        fault = unusable(text)
        if fault:
            return Unreadable(number, row.record, row.offset, "E_FORMAT", fault)
    cells = row.cells if isinstance(row.cells, dict) else dict(row.cells)
    return Document(number, row.record, row.offset, cells, texts, target)


def _files_of(name: str) -> list[Path]:
    path = Path(name)
    try:
        if path.is_dir():
            return _inside(path)
        if not path.exists() and not path.is_symlink() and glob.has_magic(name):
            hits = [Path(hit) for hit in sorted(glob.glob(name, recursive=True))]  # noqa: PTH207 - takes absolute patterns too
            return [hit for hit in hits if not hit.is_dir()]
        path.lstat()
    except (OSError, ValueError) as error:
        raise refused(path, error) from error
    return [path]


def _inside(folder: Path) -> list[Path]:
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root) / name for name in sorted(files) if not name.startswith(".") and _is_known(name)]
    return found


def _is_known(name: str) -> bool:
    path = Path(name)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return path.suffix.lower() in SUFFIXES


@contextmanager
def _table(file: RegularFile, encoding: str | None) -> Iterator[tuple[Table, RegularFile]]:
    """Judge the format by the content, and give the table with the file that it is read from."""
    suffix = file.path.suffix.lower()
    if file.head.startswith((GZIP, ZSTD)):
        suffix = Path(file.path.stem).suffix.lower()
        file = Unpacked(file)
    if file.head.startswith(b"PAR1"):
        if isinstance(file, Unpacked):
            raise not_regular(file.path, "packed Parquet, which packs its columns itself")
        yield parquet_table(file), file
        return
    found = encoding_of(file, encoding)
    head = head_of(file, found)
    if not head.strip():
        raise DataError("E_EMPTY", f"{shown(file.path)} is empty", fix="name a file with at least one document")
    if b"\0" in file.head[:1024] and not found.name.startswith("utf-"):
        raise DataError("E_FORMAT", f"{shown(file.path)} is not text", fix="save it as JSONL, CSV or Parquet")
    if not is_json(head, suffix):
        yield csv_table(file, found), file
        return
    table = json_table(file, found)
    yield (quick_table(table, file, found) if table.format == "jsonl" else table), file


def _columns(table: Table, wanted: Wanted) -> Columns:
    labelled = wanted.target is not None or any(_is_target(name, wanted) for name in table.columns)
    asked = Wanted(
        inputs=wanted.inputs,
        target=wanted.target,
        group=None,
        labelled=labelled,
        place=table.name,
        headerless=table.headerless,
    )
    return choose(table.columns, asked)


def _is_target(name: str, wanted: Wanted) -> bool:
    return name not in wanted.inputs and name.strip().casefold().replace(" ", "_").replace("-", "_") in TARGETS
