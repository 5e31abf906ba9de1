"""Tables of text: CSV and its dialects (RFC 4180 with comma, semicolon, tab or bar), record by record.

The reader is our own, because a record's number, its byte offset and a safe place to go on after a broken quote are
needed, and the standard library's limit on a cell is a setting of the whole process.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.columns import known_names, number_repeated
from ockham.readers.csv_cells import STRAY, StrayError, cells_alone, scan
from ockham.readers.csv_header import DELIMITERS, SEPARATOR_LINE, dialect_of, is_headerless, lines_above
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_COLUMNS, MAX_RECORD, BrokenRow, Table, TableRow, lines_above_remark
from ockham.readers.text_file import CUT_OFF, Encoding, TextLine, head_of, lines_of, undecodable

_WINDOW = 1 << 16
"""Characters after which an open quote is doubted."""
_OPEN = "a quoted cell is not closed"
_WITH_IT = "the line belongs to the broken record above it"


class Record(NamedTuple):
    """Cells, or ``None`` with a code and the reason why the record is broken; the offset is in bytes.

    ``more`` are the offsets of the further lines that a broken record takes with it, so that each line is counted.
    """

    offset: int
    cells: list[str] | None
    code: str = ""
    reason: str = ""
    more: tuple[int, ...] = ()


class Dialect(NamedTuple):
    """How a file is delimited; ``line_first``: a line with the header's width is a row, whatever quotes it holds."""

    delimiter: str
    line_first: bool = False


class Feed:
    """Lines that can be put back."""

    __slots__ = ("_back", "_lines")

    def __init__(self, lines: Iterator[TextLine]) -> None:
        """Take over the lines."""
        self._lines, self._back = lines, deque[TextLine]()

    def take(self) -> TextLine | None:
        """Return the next line, ``None`` at the end."""
        return self._back.popleft() if self._back else next(self._lines, None)

    def put_back(self, lines: Sequence[TextLine]) -> None:
        """Let these lines come next."""
        self._back.extendleft(reversed(lines))


def csv_table(file: RegularFile, encoding: Encoding) -> Table:
    """Read a delimited file: dialect and header now, rows as they are asked for. Blank lines are no records.

    Raises `DataError`: ``E_EMPTY``, ``E_ENCODING``, ``E_FORMAT`` (no usable header, names twice, over 10,000 columns).
    """
    head, tab_first = head_of(file, encoding), file.path.suffix.lower() == ".tsv"
    feed = Feed(_sound(file, encoding))
    named = SEPARATOR_LINE.match(head)
    above = 1 if named else lines_above(head, tab_first=tab_first)
    for _ in range(above):
        feed.take()
    head = head.split("\n", above)[above]
    delimiter = named[1] if named else dialect_of(head, tab_first=tab_first)
    header = read_record(feed, Dialect(delimiter), None)
    if header is None:
        raise DataError(
            "E_EMPTY", f"{printable(file.path)} is empty", fix="name a file with a header and at least one row"
        )
    sample = [row for line in head.splitlines()[1:500] if (row := cells_alone(line, delimiter))]
    names = _names(file, header)
    # A plain list of texts has no header either, and its first line would be lost.
    is_list = delimiter not in DELIMITERS and file.path.suffix.lower() == ".txt" and not known_names(names)
    headerless = is_list or is_headerless(names, sample)
    literal = delimiter == "\t" or quotes_are_text(head, delimiter, len(names))
    names = number_repeated(names)
    dialect = Dialect(delimiter, literal and not _quotes_span_lines(head, delimiter, len(names)))
    return Table(
        name=file.name,
        format={"\t": "tsv"}.get(delimiter, "csv"),
        encoding=encoding.name,
        dialect=DELIMITERS.get(delimiter, "one column"),
        columns=names,
        rows=_rows(feed, dialect, names, 0 if named else above),  # a spreadsheet hides the line of the separator
        headerless=headerless,
        remarks=lines_above_remark(above),
    )


def read_record(feed: Feed, dialect: Dialect, width: int | None) -> Record | None:
    """Read one record, or say why it is broken; ``None`` at the end. ``width`` is the number of cells it must have.

    A record whose quote runs over lines that read well as rows of their own was broken in its first line: that line
    alone is given up, the others are read again. This is noticed after 64 KB at the latest. A quote that can only be
    text is taken as text.
    """
    first = _next_filled(feed)
    if first is None or first.text is None:
        return first and Record(first.offset, None, first.code, first.reason)
    lines, cells = [first], list[str]()
    try:
        _fill(feed, dialect, width, lines, cells)
    except StrayError as stray:
        literal = _literal_cells(lines, dialect, width, str(stray))
        if literal is not None:
            feed.put_back(lines[1:])
            return Record(first.offset, literal)
        reason, passed = str(stray), list[TextLine]()
        if _are_rows(lines[1:], dialect.delimiter, width):
            feed.put_back(lines[1:])
            reason, lines = _OPEN, [first]
        elif reason == STRAY:
            passed = _pass_rest(feed, lines, dialect.delimiter)
        more = tuple(line.offset for line in (*lines[1:], *passed) if (line.text or "x").strip("\r\n"))
        return Record(first.offset, None, stray.code, reason, more)
    return Record(first.offset, cells)


def _literal_cells(lines: Sequence[TextLine], dialect: Dialect, width: int | None, reason: str) -> list[str] | None:
    """Return the cells of a record's first line with its quotes as text, where they can be nothing else."""
    text = (lines[0].text or "").rstrip("\r\n")
    cells = text.split(dialect.delimiter)
    if width is None or len(cells) != width:
        return None
    if dialect.line_first:
        return cells
    # Where cells are quoted, a line stands alone if each of its quotes has a partner in it.
    return [_bare(cell) for cell in cells] if reason == STRAY and len(lines) == 1 and _even(cells) else None


def _even(cells: Sequence[str]) -> bool:
    return all(cell.count('"') % 2 == 0 for cell in cells)


def _bare(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if _is_quoted(cell) else cell


def _fill(feed: Feed, dialect: Dialect, width: int | None, lines: list[TextLine], cells: list[str]) -> None:
    """Read the cells of the record that begins with the line given, adding the lines that it takes."""
    part: list[str] | None = None
    size, delimiter = 0, dialect.delimiter
    alone = dialect.line_first and width is not None and _has_width(lines[0], delimiter, width)
    while True:
        text = lines[-1].text or ""
        size += len(text)
        if alone and len(lines) > 1 and width is not None and _has_width(lines[-1], delimiter, width):
            raise StrayError(_OPEN)
        part = scan(text, delimiter, cells, part)
        if part is None:
            break
        if size > MAX_RECORD:
            raise StrayError("the record is longer than 16 MB")
        if size - len(text) <= _WINDOW < size and _are_rows(lines[1:], delimiter, width):
            raise StrayError(_OPEN)
        line = feed.take()
        if line is None:
            raise StrayError(_OPEN)
        if line.text is None:
            feed.put_back([line])
            raise StrayError(_OPEN)
        lines.append(line)
    if width is not None and len(cells) != width:
        raise StrayError(f"{len(cells)} cells where the header has {width}")


def _has_width(line: TextLine, delimiter: str, width: int) -> bool:
    return (line.text or "").count(delimiter) == width - 1


def quotes_are_text(head: str, delimiter: str, width: int) -> bool:
    """Tell whether quotes in the first lines of a file are text: no cell is quoted whole, every line is a row."""
    lines = [line.rstrip("\r") for line in head.split("\n")[1:] if line.strip("\r")]
    if not head.endswith("\n"):
        lines = lines[:-1]  # it may be cut
    if width < 2 or not any(f'{delimiter}"' in f"{delimiter}{line}" for line in lines):
        return False
    rows = [line.split(delimiter) for line in lines]
    return all(len(row) == width for row in rows) and not any(_is_quoted(cell) for row in rows for cell in row)


def _quotes_span_lines(head: str, delimiter: str, width: int) -> bool:
    """Tell whether the first lines of a file read without fault as quoted cells of which some run over lines."""
    closed = head.endswith("\n")
    records = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter, strict=True)
    spans = False
    try:
        for number, cells in enumerate(records):
            if number and cells:
                spans |= any("\n" in cell or "\r" in cell for cell in cells) and len(cells) == width
                if len(cells) != width and (closed or records.line_num < head.count("\n")):
                    return False
    except csv.Error as error:
        return spans and not closed and "end of data" in str(error)  # the last record may be cut
    return spans


def _is_quoted(cell: str) -> bool:
    return len(cell) > 1 and cell[0] == cell[-1] == '"'


def _next_filled(feed: Feed) -> TextLine | None:
    line = feed.take()
    while line is not None and line.text is not None and not line.text.strip("\r\n"):
        line = feed.take()
    return line


def _are_rows(lines: Sequence[TextLine], delimiter: str, width: int | None) -> bool:
    """Tell whether lines inside an open quote are rows of their own: four in five have the header's width."""
    rows = good = 0
    cells: list[str] = []
    part: list[str] | None = None
    for line in lines:
        try:
            part = scan(line.text or "", delimiter, cells, part)
        except StrayError:
            part, cells = None, (line.text or "").split(delimiter)
        if part is None:
            rows, good, cells = rows + 1, good + (len(cells) == width), []
    return good > 0 and good >= 0.8 * rows


def _pass_rest(feed: Feed, lines: Sequence[TextLine], delimiter: str) -> list[TextLine]:
    """Pass the lines that a broken record goes on in, lest the rest of its text be taken for rows; return them.

    Its quotes tell: their number is odd so far, and the next line that makes it even begins by closing a cell.
    """
    if sum((line.text or "").count('"') for line in lines) % 2 == 0:
        return []
    ahead: list[TextLine] = []
    size = 0
    while size < _WINDOW and (line := feed.take()) is not None:
        ahead.append(line)
        text = line.text or ""
        size += len(text) + 1
        if text.count('"') % 2:
            before, _, after = text.partition('"')
            closes = before and not before.endswith(delimiter)
            if closes and (not after.strip("\r\n") or after.startswith(delimiter)):
                return ahead
            break
    feed.put_back(ahead)
    return []


def _sound(file: RegularFile, encoding: Encoding) -> Iterator[TextLine]:
    for line in lines_of(file, encoding):
        if line.reason == CUT_OFF:  # in a table the last byte may as well be an accented letter of another encoding
            raise undecodable(printable(file.path), encoding, file.size - 1)
        if line.text is not None and "\0" in line.text:
            yield TextLine(line.offset, None, "E_FORMAT", "the record contains a NUL byte")
        else:
            yield line


def _names(file: RegularFile, header: Record) -> list[str]:
    """Return the names of the columns as they stand; the same may come again."""
    if header.cells is None:
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)}: the header (byte {header.offset}) cannot be read: {header.reason}",
            fix="save the file as CSV (UTF-8, comma, quotes doubled inside quoted cells) with one header row",
        )
    names = [name.strip() or f"column {number}" for number, name in enumerate(header.cells, 1)]
    if len(names) > MAX_COLUMNS:
        raise DataError(
            "E_FORMAT",
            f"{printable(file.path)} has {len(names):,} columns; at most {MAX_COLUMNS:,} can be read",
            fix="keep only the columns you need",
        )
    return names


def _rows(feed: Feed, dialect: Dialect, names: Sequence[str], above: int) -> Iterator[TableRow | BrokenRow]:
    """Yield the rows, numbered as a spreadsheet numbers them, less one: the lines above the names count."""
    record = above
    while (row := read_record(feed, dialect, len(names))) is not None:
        record += 1
        if row.cells is None:
            yield BrokenRow(record, row.offset, row.code, row.reason)
            for offset in row.more:
                record += 1
                yield BrokenRow(record, offset, row.code, _WITH_IT)
        else:
            yield TableRow(record, row.offset, dict(zip(names, row.cells, strict=True)))
