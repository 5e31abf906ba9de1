"""Every file format that is read, one row each: its suffixes, how it is recognised, and how it is opened as a table.

A format is told by what a file holds, not by its name, as far as that is possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.arrow_file import arrow_table, is_arrow
from ockham.readers.columns import known_names
from ockham.readers.compressed_file import GZIP, ZIP, ZSTD, Unpacked, ZipMember
from ockham.readers.csv_file import csv_table
from ockham.readers.foreign_file import refuse_foreign, refuse_foreign_text
from ockham.readers.json_fast import quick_table
from ockham.readers.json_file import is_json, json_table
from ockham.readers.local_file import RegularFile
from ockham.readers.parquet_file import parquet_table
from ockham.readers.single_document import YAML_SUFFIXES, unfold, yaml_table
from ockham.readers.spreadsheet import SUFFIXES as SHEETS
from ockham.readers.spreadsheet import is_spreadsheet, spreadsheet_table
from ockham.readers.table import Table
from ockham.readers.tagged_lines import find_line_form
from ockham.readers.text_file import Encoding, encoding_of, head_of

PACKED = (".gz", ".zst", ".zstd")
_MAX_TEXT = 4_000_000_000
"""Characters of a file of columns that are read, where all of them stay in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryFormat:
    """A format that is told by a file's first bytes.

    ``examples`` opens it for rows that stay in memory, ``documents`` for rows that pass by; ``None`` where it is not
    read so. Files are not read from their beginning to their end: that none has changed is checked by content.
    """

    suffixes: tuple[str, ...]
    matches: Callable[[RegularFile], bool]
    examples: Callable[[RegularFile], Table]
    documents: Callable[[RegularFile], Table] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFormat:
    """A format of text, told by the beginning of the text and the file's suffix; ``is_note`` beside data."""

    suffixes: tuple[str, ...]
    matches: Callable[[str, str], bool]
    examples: Callable[[RegularFile, Encoding], Table]
    documents: Callable[[RegularFile, Encoding], Table] | None = None
    is_note: bool = False


class OpenedTable(NamedTuple):
    """A table, the file that it is read from (unpacked, where it was packed), and whether that is read in order."""

    table: Table
    file: RegularFile
    in_order: bool


def _tagged_table(file: RegularFile, encoding: Encoding) -> Table:
    form = find_line_form(head_of(file, encoding))
    return csv_table(file, encoding) if form is None else form.open(file, encoding)


def _json_lines(file: RegularFile, encoding: Encoding) -> Table:
    table = json_table(file, encoding)
    return quick_table(table, file, encoding) if table.format == "jsonl" else table


BINARY: tuple[BinaryFormat, ...] = (
    BinaryFormat(
        suffixes=(".parquet",),
        matches=lambda file: file.head.startswith(b"PAR1"),
        examples=lambda file: parquet_table(file, _MAX_TEXT),
        documents=parquet_table,
    ),
    BinaryFormat(suffixes=SHEETS, matches=is_spreadsheet, examples=spreadsheet_table),
    BinaryFormat(suffixes=(".arrow",), matches=is_arrow, examples=lambda file: arrow_table(file, _MAX_TEXT)),
)
TEXT: tuple[TextFormat, ...] = (
    TextFormat(
        suffixes=YAML_SUFFIXES,
        matches=lambda _, suffix: suffix in YAML_SUFFIXES,
        examples=yaml_table,
        is_note=True,
    ),
    TextFormat(
        suffixes=(".jsonl", ".ndjson", ".json"),
        matches=is_json,
        examples=lambda file, encoding: unfold(json_table(file, encoding, finite=False)),
        documents=_json_lines,
    ),
    TextFormat(
        suffixes=(".conll",),
        matches=lambda head, _: find_line_form(head) is not None,
        examples=_tagged_table,
    ),
    TextFormat(suffixes=(".csv", ".tsv"), matches=lambda *_: True, examples=csv_table, documents=csv_table),
    # Any text may be a table: what stands here is reached by its suffix alone, in a folder.
    TextFormat(suffixes=(".txt",), matches=lambda *_: False, examples=csv_table, documents=csv_table, is_note=True),
)
"""Text formats, in the order in which they are tried."""
_ALL: tuple[TextFormat | BinaryFormat, ...] = (*TEXT, *BINARY)
EXAMPLES = tuple(suffix for format_ in _ALL for suffix in format_.suffixes)
"""The suffixes of files of examples."""
_TEXTS = tuple(suffix for format_ in TEXT for suffix in format_.suffixes if not format_.is_note)
"""The suffixes of files that are read out of an archive; beside them, texts and YAML are notes."""
DOCUMENTS = tuple(suffix for format_ in _ALL if format_.documents for suffix in format_.suffixes)
"""The suffixes of files of documents."""
NOTES = tuple(suffix for format_ in TEXT if format_.is_note for suffix in format_.suffixes)
"""The suffixes of files that are notes where they stand beside data."""


def refuse_marked_lines(path: Path, head: str) -> None:
    """Raise `DataError` (``E_FORMAT``) for lines that carry their labels, and for YAML: they are no documents."""
    lines = find_line_form(head)
    if lines is not None:
        raise _unknown(path, lines.name)
    if path.suffix.lower() in YAML_SUFFIXES:
        raise _unknown(path, "YAML")


def _unknown(path: Path, form: str) -> DataError:
    fix = "convert it to JSONL, CSV or Parquet with columns for the text and the label"
    return DataError("E_FORMAT", f"{printable(path)} is {form}, which `ockham curate` does not read", fix=fix)


@contextmanager
def open_examples(file: RegularFile, encoding: str | None) -> Iterator[OpenedTable]:
    """Judge the format of a file of examples by its content, and open it as a table."""
    if file.size == 0:
        raise _empty(file, "a header and at least one row")
    binary = next((format_ for format_ in BINARY if format_.matches(file)), None)
    if binary is None and file.head.startswith((GZIP, ZSTD, ZIP)):
        file = ZipMember(file, _TEXTS) if file.head.startswith(ZIP) else Unpacked(file)
        if any(format_.matches(file) for format_ in BINARY):
            raise _compressed_twice(file)
    if binary is not None:
        yield OpenedTable(binary.examples(file), file, in_order=False)
        return
    refuse_foreign(file)
    file_encoding = encoding_of(file, encoding)
    head = head_of(file, file_encoding)
    if not head.strip() and file.size <= len(file.head):
        raise _empty(file, "a header and at least one row")
    refuse_foreign_text(file, head)
    suffix = file.suffix if isinstance(file, Unpacked) else file.path.suffix.lower()
    text = next(format_ for format_ in TEXT if format_.matches(head, suffix))
    yield OpenedTable(text.examples(file, file_encoding), file, in_order=not isinstance(file, ZipMember))


@contextmanager
def open_documents(file: RegularFile, encoding: str | None) -> Iterator[OpenedTable]:
    """Judge the format of a file of documents, packed or not, by its content, and open it as a table."""
    suffix = file.path.suffix.lower()
    if file.head.startswith((GZIP, ZSTD)):
        suffix = Path(file.path.stem).suffix.lower()
        file = Unpacked(file)
    for binary in BINARY:
        if binary.documents is not None and binary.matches(file):
            if isinstance(file, Unpacked):
                raise _compressed_twice(file)
            yield OpenedTable(binary.documents(file), file, in_order=False)
            return
    refuse_foreign(file)
    file_encoding = encoding_of(file, encoding)
    head = head_of(file, file_encoding)
    if not head.strip():
        raise _empty(file, "at least one document")
    if b"\0" in file.head[:1024] and not file_encoding.name.startswith("utf-"):
        raise DataError("E_FORMAT", f"{printable(file.path)} is not text", fix="save it as JSONL, CSV or Parquet")
    refuse_marked_lines(file.path, head)
    readers = (format_.documents for format_ in TEXT if format_.documents and format_.matches(head, suffix))
    reader = next(readers)
    table = reader(file, file_encoding)
    if reader is csv_table and suffix not in DOCUMENTS and len(table.columns) == 1 and not known_names(table.columns):
        raise _unknown(file.path, "text in an unknown format")
    yield OpenedTable(table, file, in_order=True)


def is_examples(path: Path) -> bool:
    """Tell a file of examples by its name, packed with gzip or zstd or not."""
    suffix = path.suffix.lower()
    return suffix in EXAMPLES or (suffix in PACKED and Path(path.stem).suffix.lower() in _TEXTS)


def _compressed_twice(file: RegularFile) -> DataError:
    message = f"{printable(file.path)} is a Parquet or Arrow file that was compressed once more"
    return DataError("E_FORMAT", message, fix="decompress it and name the file inside; it is small already")


def _empty(file: RegularFile, least: str) -> DataError:
    return DataError("E_EMPTY", f"{printable(file.path)} is empty", fix=f"name a file with {least}")
