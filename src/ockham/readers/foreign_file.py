"""Files that are no tables of text, told by their first bytes whatever their name: never opened as what they are."""

from __future__ import annotations

import re

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.local_file import RegularFile
from ockham.readers.spreadsheet import SUFFIXES as SHEETS

_MARKS = {
    b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2", b"%PDF": "PDF", b"\xd0\xcf\x11\xe0": "an old Office file", b"ARROW1": "Arrow IPC",
}  # fmt: skip
_MARKUP = {"<?xml": "XML", "<!doctype html": "a web page", "<html": "a web page", "<table": "a web page"}
_BEGINNING = 200
_MARKDOWN_TABLE = re.compile(r"[^\n]{0,2000}\|[^\n]{0,2000}\n\|?(?: ?:?-{3,}:? ?\|)+(?: ?:?-{3,}:? ?)?\r?(?:\n|\Z)")
_RASA_MARKDOWN = ("## intent:", "## synonym:", "## lookup:", "## regex:")


def refuse_foreign(file: RegularFile) -> None:
    """Raise `DataError` (``E_FORMAT``) for a packed file, an office document and their like."""
    kind = next((name for mark, name in _MARKS.items() if file.head.startswith(mark)), None)
    if kind == "zip" and file.path.suffix.lower() in SHEETS:
        kind = "a spreadsheet"
    if kind:
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)} is {kind}, not a table of text",
            fix="unpack it, or save it as CSV (UTF-8), JSONL or Parquet",
        )


def refuse_foreign_text(file: RegularFile, head: str) -> None:
    """Raise `DataError` (``E_FORMAT``) for text that is a known form of another tool which nobody reads any more."""
    if head.lstrip().startswith(_RASA_MARKDOWN):
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)} is training data of Rasa in Markdown, which Rasa itself reads no more",
            fix="convert it with Rasa 2: rasa data convert nlu -f yaml --data FILE --out nlu.yml",
        )
    if _MARKDOWN_TABLE.match(head.lstrip("\ufeff\r\n")):
        fix = "save the table as CSV (UTF-8) with one header row"
        raise DataError("E_FORMAT", f"{printable(file.path)} is a table in Markdown, which is not read", fix=fix)
    start = head.lstrip("\ufeff \t\r\n")[:_BEGINNING].casefold()
    kind = next((name for mark, name in _MARKUP.items() if start.startswith(mark)), None)
    if kind is not None:
        fix = "export the rows as CSV (UTF-8) or JSONL, with a column for the text and one for the label"
        raise DataError("E_FORMAT", f"{printable(file.path)} is {kind}, which is not read", fix=fix)
