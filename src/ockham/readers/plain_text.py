"""Plain text files: each is one document. All of a folder are one source, so that small ones are not a chunk each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.documents import Document, SourceFile, Unreadable
from ockham.readers.formats import refuse_marked_lines
from ockham.readers.local_file import RegularFile, open_file
from ockham.readers.table import MAX_RECORD, unusable
from ockham.readers.text_file import TOO_LONG, blocks_of, encoding_of

SUFFIX = ".txt"
_COLUMNS = ("file", "text")


def group_files(paths: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Put text files that follow each other in one folder together; every other file stands alone."""
    groups: list[tuple[Path, ...]] = []
    for folder, group in groupby(paths, lambda path: path.parent if path.suffix.lower() == SUFFIX else None):
        together = tuple(group)
        groups += [together] if folder is not None else [(path,) for path in together]
    return groups


def describe_texts(paths: tuple[Path, ...]) -> SourceFile:
    """Look at text files, one document each: their hashes and sizes. Raises `DataError` as opening a file does."""
    size, digest = 0, hashlib.sha256()
    for path in paths:
        with open_file(path) as file:
            size += file.size
            refuse_marked_lines(path, file.head.decode("utf-8", "ignore"))
            digest.update(_line(file))
    name = printable(paths[0].name) if len(paths) == 1 else printable(f"{paths[0].parent.name}/*{SUFFIX}")
    return SourceFile(
        path=paths[0],
        name=name,
        sha256=digest.hexdigest(),
        size=size,
        format="text",
        inputs=("text",),
        target=None,
        parts=paths,
    )


def texts_of(number: int, source: SourceFile, encoding: str | None) -> Iterator[Document | Unreadable]:
    """Yield each file as a document with the columns ``file`` and ``text``.

    One that is not of its encoding, or over 16 MB, is unreadable and takes no other with it. Raises `DataError`
    (``E_CHANGED``) where the files are no longer those that were described.
    """
    digest = hashlib.sha256()
    for record, path in enumerate(source.parts, 1):
        with open_file(path) as file:
            digest.update(_line(file))
            text, why = _read(file, encoding)
            file.verify()
        fault = why or unusable(text)
        if fault:
            code = "E_ENCODING" if why and why != TOO_LONG else "E_FORMAT"
            yield Unreadable(number, record, 0, code, f"{printable(path.name)}: {fault}")
        else:
            cells: dict[str, object] = dict(zip(_COLUMNS, (printable(path.name), text), strict=True))
            yield Document(number, record, 0, cells, (text,), None)
    if digest.hexdigest() != source.sha256:
        message = f"the text files beside {printable(source.path)} changed since they were looked at"
        raise DataError("E_CHANGED", message, fix="start again once nothing writes to them")


def _read(file: RegularFile, encoding: str | None) -> tuple[str, str | None]:
    """Return the text of a file, or why it cannot be used."""
    if file.size > MAX_RECORD:
        return "", TOO_LONG
    try:
        return "".join(blocks_of(file, encoding_of(file, encoding))), None
    except DataError as error:
        if error.code != "E_ENCODING":
            raise
        return "", "the file is not in the expected encoding"


def _line(file: RegularFile) -> bytes:
    return f"{file.sha256} {file.name}\n".encode()
