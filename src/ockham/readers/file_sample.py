"""Records from all over a file: what stands at its beginning alone misleads where it is sorted by label or by date."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ockham.readers.compressed_file import GZIP, ZSTD
from ockham.readers.csv_cells import cells_alone
from ockham.readers.csv_header import DELIMITERS
from ockham.readers.documents import Document, SourceFile, first_documents, record_of, thinned_documents
from ockham.readers.formats import open_documents
from ockham.readers.local_file import Digests, RegularFile, open_file
from ockham.readers.row_sample import evenly_spaced
from ockham.readers.table import TableRow

_MOST_PIECES, _FEWEST_PIECES = 64, 4
_PIECE = 1 << 15
"""Bytes that are read at a place at least, so that most records fit in."""
_EVERY = 1 << 40
_PACKED = (GZIP, ZSTD, b"PAR1")
"""What begins a file that may unfold to many times its size."""
MOST_PACKED = 1 << 24
"""Bytes of a packed file that is read to its end for a sample; of larger ones the first records alone are read."""
_DELIMITER_OF = {word: sign for sign, word in DELIMITERS.items()}


def is_sampled_at_its_beginning(path: Path) -> bool:
    """Tell a packed file that is too large to be read to its end for a sample."""
    with open_file(path) as opened:
        return opened.head.startswith(_PACKED) and opened.size > MOST_PACKED


class SampleSize(NamedTuple):
    """How much of a file is looked at: records, and bytes."""

    rows: int
    size: int


class LineReading(NamedTuple):
    """How a line is a record: the names of its cells and what stands between them; ``None`` for a line of JSON."""

    columns: Sequence[str]
    delimiter: str | None


def spread_documents(number: int, file: SourceFile, encoding: str | None, sample: SampleSize) -> list[Document]:
    """Return readable records that are evenly spread over a file, of which no more is read than the sample's size.

    A larger file is read at up to 64 places where it is lines of JSON, or delimited text, in UTF-8; a record that goes
    on over lines of its own is passed over there. A packed file of up to 16 MB is read to its end. Of larger files of
    other kinds, packed ones among them, the first records are returned.
    """
    with open_file(file.path, Digests(file.sha256, file.quick)) as opened:
        if opened.head.startswith(_PACKED):
            if opened.size <= MOST_PACKED:
                return thinned_documents(number, file, encoding, sample.rows)
            return first_documents(number, file, encoding, sample.rows)
        if opened.size <= sample.size:
            return evenly_spaced(first_documents(number, file, encoding, _EVERY), sample.rows)
        with open_documents(opened, encoding) as (table, *_):
            form = LineReading(table.columns, _DELIMITER_OF.get(table.dialect or ""))
            is_plain = table.encoding.startswith("utf-8") and (
                table.format.startswith("jsonl") or form.delimiter is not None
            )
        documents = list(_documents_of_pieces(number, opened, file, form, sample)) if is_plain else []
    return documents or first_documents(number, file, encoding, sample.rows)


def _documents_of_pieces(
    number: int, opened: RegularFile, file: SourceFile, form: LineReading, sample: SampleSize
) -> Iterator[Document]:
    pieces = max(_FEWEST_PIECES, min(_MOST_PIECES, sample.size // _PIECE))
    for lines in _pieces(opened, pieces, sample.size // pieces):
        rows = [row for line in lines if (row := _row(line, form)) is not None]
        for row in evenly_spaced(rows, -(-sample.rows // pieces)):
            document = record_of(number, row, file)
            if isinstance(document, Document):
                yield document


def _pieces(opened: RegularFile, pieces: int, size: int) -> Iterator[list[bytes]]:
    """Yield the whole lines of evenly spaced stretches of a file; of the first one, without the line of names."""
    for piece in range(pieces):
        opened.raw.seek(opened.size * piece // pieces)
        lines = (opened.raw.read(size) or b"").split(b"\n")
        yield lines[1:-1]


def _row(line: bytes, form: LineReading) -> TableRow | None:
    """Return a line as a record; ``None`` for one that is none by itself."""
    try:
        text = line.decode().rstrip("\r")
        cells = json.loads(text) if form.delimiter is None else cells_alone(text, form.delimiter)
    except (ValueError, RecursionError):
        return None
    if isinstance(cells, list) and form.delimiter is not None:
        cells = dict(zip(form.columns, cells, strict=True)) if len(cells) == len(form.columns) else None
    return TableRow(0, None, cells) if isinstance(cells, dict) else None
