"""Files that are no tables of text, told by their first bytes whatever their name: never opened as what they are."""

from __future__ import annotations

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.local_file import RegularFile
from ockham.readers.spreadsheet import SUFFIXES as SHEETS

_MARKS = {
    b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2", b"%PDF": "PDF", b"\xd0\xcf\x11\xe0": "an old Office file", b"ARROW1": "Arrow IPC",
}  # fmt: skip
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
