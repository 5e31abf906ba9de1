"""Documents of any size, one after the other: files, packed files, folders and patterns, read row by row."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.chat import UnsoundError, is_chat, turns_of
from ockham.readers.columns import INPUTS, TARGETS, ColumnRequest, Columns, choose, plain_name
from ockham.readers.compressed_file import Unpacked
from ockham.readers.conversations import LAST, columns_taken
from ockham.readers.formats import DOCUMENTS, NOTES, PACKED, open_documents
from ockham.readers.forms.categories import MULTI_HOT
from ockham.readers.forms.form import Cells, FormSample
from ockham.readers.forms.form_table import SAMPLE, open_form
from ockham.readers.json_file import TRUNCATED
from ockham.readers.local_file import Digests, open_file, refusal_of
from ockham.readers.row_sample import evenly_spaced
from ockham.readers.table import UNWRITABLE, BrokenRow, Table, TableRow, text_of, unusable


class Document(NamedTuple):
    """One readable record: its file, place, cells as they stand, input texts, and target (``None``: raw text)."""

    file: int
    record: int
    offset: int | None
    cells: dict[str, object]
    texts: tuple[str, ...]
    target: str | None


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

    ``size`` is that of the file as it lies on the disk, packed or not. ``chat`` says that the input is a conversation.
    ``parts`` are the files, where each is one document; ``quick`` is the other hash of `Digests`, where there is one.
    """

    path: Path
    name: str
    sha256: str
    size: int
    format: str
    inputs: tuple[str, ...]
    target: str | None
    chat: bool = False
    parts: tuple[Path, ...] = ()
    quick: str = ""


def find_files(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Find the files of a source: a file, a folder (with all folders in it), a pattern (``*``), or several of these.

    Sorted within a folder or pattern, so that the order is the same everywhere; hidden files are passed over, and
    links to folders are not followed. Raises `DataError`: ``E_EMPTY`` where nothing is found, ``E_IO``.
    """
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    paths = [path for entry in sources for path in _files_of(os.fspath(entry))]
    if not paths:
        names = ", ".join(printable(os.fspath(entry)) for entry in sources[:3])
        fix = f"name files that end in {', '.join(DOCUMENTS)}, optionally followed by {' or '.join(PACKED)}"
        raise DataError("E_EMPTY", f"no documents were found under {names}", fix=fix)
    return list(dict.fromkeys(paths))


def describe(path: Path, request: ColumnRequest, encoding: str | None) -> SourceFile:
    """Look at one file: hash it, find out its format, and choose its columns.

    Where no target is named, a column with the usual name of one (label, answer, …) makes the rows labelled ones.
    Raises `DataError` as `ockham.readers.read.read` does, and ``E_FORMAT`` for packed files that are not sound.
    """
    with open_file(path) as file, open_documents(file, encoding) as (table, *_):
        rows = list(islice(table.rows, SAMPLE))
        if not rows:
            fix = "name a file with at least one document"
            raise DataError("E_EMPTY", f"{printable(file.path)} has no rows", fix=fix)
        first, cells = rows[0], tuple(row.cells for row in rows if isinstance(row, TableRow))
        chat = not request.inputs and is_chat(table.columns, cells)
        if not (chat or request.inputs):
            _check_form(table, cells, request, file.path)
        file_request = request if not chat else dataclasses.replace(request, inputs=tuple(table.columns)[:1])
        columns = _columns(table, file_request, chat)
        if not (chat or request.inputs) and isinstance(first, TableRow):
            _check_texts(first, columns.inputs, file.path)
        return SourceFile(
            path=path,
            name=file.name,
            sha256=file.sha256,
            quick=file.digests.quick,
            size=file.size,
            format=f"{table.format}, chat" if chat else table.format,
            inputs=tuple(name for name in ("messages", "request") if name in table.columns) if chat else columns.inputs,
            target=columns.target or (LAST if chat and is_answered(first) else None),
            chat=chat,
        )


def _check_form(table: Table, cells: tuple[Cells, ...], request: ColumnRequest, path: Path) -> None:
    """Refuse by name a file of a form whose text or label stands in no column of its own.

    Rows are written as they stand, so that what such a form says of them would be lost.
    """
    asked = dataclasses.replace(request, labelled=True, source=table.name)
    opened = open_form(FormSample(columns=tuple(table.columns), rows=cells, request=asked))
    if opened is None or opened[0] is MULTI_HOT:  # columns of 0 and 1 beside a text may say anything
        return
    form, reader = opened
    names = {*reader.inputs, *([reader.target] if reader.target else [])}
    values = [row.get(name) for row in cells for name in names]
    if names <= set(table.columns) and not reader.spans and not any(map(_holds_objects, values)):
        return
    text = next((name for name in table.columns if plain_name(name) in INPUTS), None)
    raise DataError(
        "E_FORMAT",
        f"{printable(path)} is {form.name}, which `ockham curate` does not read",
        fix="convert it to rows with a text and a label column"
        + (f"; to take its rows as they are: --input {printable(text)}" if text else ""),
    )


def _holds_objects(cell: object) -> bool:
    return isinstance(cell, dict) or (isinstance(cell, list) and any(isinstance(item, dict) for item in cell))


def _check_texts(row: TableRow, inputs: Sequence[str], path: Path) -> None:
    """Refuse a file whose column of texts holds lists or objects, as formats of other tools do."""
    for name in inputs:
        if isinstance(row.cells.get(name), (list, dict)):
            message = f"{printable(path)}: the column {name!a} contains lists or objects, not text"
            fix = (
                f"convert it to rows with a text column or with messages; to use it as it is: --input {printable(name)}"
            )
            raise DataError("E_FORMAT", message, fix=fix)


def documents_of(number: int, file: SourceFile, encoding: str | None) -> Iterator[Document | Unreadable]:
    """Yield the records of a file in their order, holding one block at a time.

    Raises `DataError`: ``E_CHANGED`` where the file is no longer the one that was described, and what reading raises.
    """
    with open_file(file.path) as opened, open_documents(opened, encoding) as (table, plain, in_order):
        if opened.sha256 != file.sha256:
            message = f"{printable(file.path)} changed after it was inspected"
            raise DataError("E_CHANGED", message, fix="start again once nothing writes to the file")
        record = 0
        for row in table.rows:
            record = row.record
            yield record_of(number, row, file)
        if isinstance(plain, Unpacked) and plain.cut:
            yield Unreadable(number, record + 1, None, "E_FORMAT", TRUNCATED)
        opened.verify(content=not in_order)


def first_documents(number: int, file: SourceFile, encoding: str | None, most: int) -> list[Document]:
    """Return up to ``most`` readable records from the beginning of a file, which is not read to its end."""
    with (
        open_file(file.path, Digests(file.sha256, file.quick)) as opened,
        open_documents(opened, encoding) as (table, *_),
    ):
        rows = islice(table.rows, most)
        records = [record_of(number, row, file) for row in rows]
    return [record for record in records if isinstance(record, Document)]


def thinned_documents(number: int, file: SourceFile, encoding: str | None, most: int) -> list[Document]:
    """Return up to ``most`` readable records, evenly spaced over a file that is read to its end, never held whole."""
    kept: list[TableRow | BrokenRow] = []
    step = 1
    with (
        open_file(file.path, Digests(file.sha256, file.quick)) as opened,
        open_documents(opened, encoding) as (table, *_),
    ):
        for index, row in enumerate(table.rows):
            if index % step:
                continue
            if len(kept) == 2 * most:  # every other one goes, and from now on half as many come
                kept, step = kept[::2], 2 * step
                if index % step:
                    continue
            kept.append(row)
        records = [record_of(number, row, file) for row in evenly_spaced(kept, most)]
    return [record for record in records if isinstance(record, Document)]


def is_answered(row: TableRow | BrokenRow) -> bool:
    """Tell whether an assistant speaks in a conversation."""
    try:
        return isinstance(row, TableRow) and any(turn.role == "assistant" for turn in turns_of(row.cells))
    except UnsoundError:
        return True


def record_of(number: int, row: TableRow | BrokenRow, file: SourceFile) -> Document | Unreadable:
    """Take the texts and the target out of a record of a file: of its columns, or of its conversation."""
    return _chat_of(number, row, file.target) if file.chat else document_of(number, row, file.inputs, file.target)


def _chat_of(number: int, row: TableRow | BrokenRow, target: str | None) -> Document | Unreadable:
    """Take the turns of a conversation and its target; unreadable where it is none, or cannot be used as it is."""
    if isinstance(row, BrokenRow):
        return Unreadable(number, row.record, row.offset, row.code, row.reason)
    try:
        texts, answer = columns_taken(row.cells, target)
    except UnsoundError as unsound:
        return Unreadable(number, row.record, row.offset, "E_FORMAT", str(unsound))
    return _refuse_unusable(Document(number, row.record, row.offset, dict(row.cells), texts, answer))


def document_of(
    number: int, row: TableRow | BrokenRow, inputs: tuple[str, ...], target: str | None
) -> Document | Unreadable:
    """Take the inputs and the target out of a row; unreadable where one of them cannot be used as it is."""
    if isinstance(row, BrokenRow):
        return Unreadable(number, row.record, row.offset, row.code, row.reason)
    try:
        values = [row.cells.get(name) for name in inputs]
        texts = tuple([value if type(value) is str else text_of(value) for value in values])
        answer = None if target is None else text_of(row.cells.get(target))
    except (ValueError, TypeError, RecursionError):
        return Unreadable(number, row.record, row.offset, "E_FORMAT", UNWRITABLE)
    cells = row.cells if isinstance(row.cells, dict) else dict(row.cells)
    return _refuse_unusable(Document(number, row.record, row.offset, cells, texts, answer))


def _refuse_unusable(document: Document) -> Document | Unreadable:
    for text in document.texts if document.target is None else (*document.texts, document.target):
        fault = unusable(text)
        if fault:
            return Unreadable(document.file, document.record, document.offset, "E_FORMAT", fault)
    return document


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
        raise refusal_of(path, error) from error
    return [path]


def _inside(folder: Path) -> list[Path]:
    paths: list[Path] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        readable = [Path(root) / name for name in sorted(files) if not name.startswith(".") and _is_known(name)]
        # Beside data, a text file is a note.
        others = [path for path in readable if path.suffix.lower() not in NOTES]
        paths += others or readable
    return paths


def _is_known(name: str) -> bool:
    path = Path(name)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return path.suffix.lower() in DOCUMENTS


def _columns(table: Table, request: ColumnRequest, chat: bool) -> Columns:
    has_target = not chat and any(_is_target(name, request) for name in table.columns)
    labelled = request.target is not None or has_target
    file_request = ColumnRequest(
        inputs=request.inputs,
        target=request.target,
        group=None,
        labelled=labelled,
        source=table.name,
        headerless=table.headerless,
    )
    return choose(table.columns, file_request)


def _is_target(name: str, request: ColumnRequest) -> bool:
    return name not in request.inputs and plain_name(name) in TARGETS
