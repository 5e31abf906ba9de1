"""A file of documents in pieces: lines of JSON as they stand there, other records as they were read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.compressed_file import Unpacked
from ockham.readers.conversations import columns_of
from ockham.readers.documents import Document, SourceFile, Unreadable, documents_of
from ockham.readers.formats import open_documents
from ockham.readers.json_file import TRUNCATED
from ockham.readers.local_file import Digests, RegularFile, open_file, open_raw
from ockham.readers.plain_text import texts_of
from ockham.readers.table import MAX_RECORD
from ockham.readers.text_file import encoding_of

_EACH = 256
"""Bytes that a record counts at least, so that a piece of tiny ones stays small too."""


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

    def to_file_range(self) -> Block | FileRange:
        """Return where the lines stand in the file, for another machine to read; the block where it could not."""
        if self.path is None or self.too_long:
            return self
        import xxhash

        digest = xxhash.xxh3_128_hexdigest(self.data)
        return FileRange(self._replace(data=b"", path=self.path.absolute()), len(self.data), digest)


class FileRange(NamedTuple):
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


class BufferedRecords(NamedTuple):
    """Records of a file that were read one by one, and its input columns (`columns_of`: conversations)."""

    file: int
    documents: Sequence[Document | Unreadable]
    inputs: tuple[str, ...]


def block_work(
    number: int, file: SourceFile, encoding: str | None, most: int
) -> Iterator[tuple[Block | BufferedRecords, int]]:
    """Part the records of a file into pieces of about so many bytes, each with the bytes seen so far.

    Lines of JSON are left as they are, to be read where they are examined; other records are read here. Raises as
    `documents_of` does, in the end: what was read is compared with what was described.
    """
    if not file.parts:
        blocks = _blocks_of(number, file, encoding, most)
        first = next(blocks, None)
        if first is not None:
            yield first
            yield from blocks
            return
    inputs = columns_of(file.target) if file.chat else file.inputs
    records = texts_of(number, file, encoding) if file.parts else documents_of(number, file, encoding)
    batch: list[Document | Unreadable] = []
    held = seen = 0
    for record in records:
        batch.append(record)
        held += max(_EACH, sum(map(len, record.texts)) if isinstance(record, Document) else 0)
        if held >= most:
            seen += held
            yield BufferedRecords(number, batch, inputs), seen
            batch, held = [], 0
    if batch:
        yield BufferedRecords(number, batch, inputs), seen + held


def _blocks_of(
    number: int, file: SourceFile, encoding: str | None, most: int
) -> Iterator[tuple[Block | BufferedRecords, int]]:
    """Yield the lines of a file of JSON lines in UTF-8; nothing where it is another one."""
    with (
        open_file(file.path, Digests(file.sha256, file.quick)) as opened,
        open_documents(opened, encoding) as (table, plain, _),
    ):
        file_encoding = encoding_of(plain, encoding) if table.format == "jsonl" and not file.chat else None
        ends_with_lf = b"\r" not in plain.head or b"\n" in plain.head
        if file_encoding is not None and file_encoding.name == "utf-8" and ends_with_lf:
            columns = file.inputs, file.target
            seen = 0
            for offset, data in _whole_lines(plain, file_encoding.bom, most):
                seen += len(data or b"")
                path = None if isinstance(plain, Unpacked) else file.path
                yield Block(number, printable(file.path), data or b"", offset, columns, path, data is None), seen
            if isinstance(plain, Unpacked) and plain.cut:
                yield BufferedRecords(number, [Unreadable(number, 0, None, "E_FORMAT", TRUNCATED)], file.inputs), seen
            opened.verify()


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
        before = held - len(part)
        end = part.find(b"\n", max(0, most - 1 - before)) + 1
        if end and len(part) - end < most:  # as it is of usual lines: the piece is put together once
            yield at, b"".join([*parts[:-1], part[:end]])
            at, parts, held = at + before + end, [part[end:]], len(part) - end
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
