"""The cells of a line of delimited text, quoted or not."""

from __future__ import annotations

from ockham.readers.table import MAX_COLUMNS

STRAY = "text follows a closing quote"


class StrayError(Exception):
    """The text of a record is not CSV; the message says why."""

    def __init__(self, reason: str, code: str = "E_FORMAT") -> None:
        super().__init__(reason)
        self.code = code


def scan(text: str, delimiter: str, cells: list[str], part: list[str] | None) -> list[str] | None:
    """Take the cells of one line; return the parts of a quoted cell that is still open at its end, else ``None``.

    ``part`` are those of the lines before, to which what this line adds is appended.
    """
    end = len(text) - (2 if text.endswith("\r\n") else 1 if text.endswith(("\n", "\r")) else 0)
    if text.count(delimiter) >= MAX_COLUMNS and '"' not in text:
        raise StrayError(f"more than {MAX_COLUMNS:,} cells")
    if part is None and '"' not in text:
        cells.extend(text[:end].split(delimiter))
        return None
    at = 0
    while True:
        if part is not None or text.startswith('"', at, end):
            begin = at if part is not None else at + 1
            close = _closing(text, begin)
            part = [] if part is None else part
            part.append(text[begin : close if close != -1 else None])
            if close == -1:
                return part
            cells.append("".join(part).replace('""', '"'))
            part, stop = None, close + 1
            if stop < end and text[stop] != delimiter:
                raise StrayError(STRAY)
        else:
            cell, stop = _plain_cell(text, delimiter, at, end)
            cells.append(cell)
        if stop >= end:
            return None
        at = stop + 1


def _plain_cell(text: str, delimiter: str, at: int, end: int) -> tuple[str, int]:
    """Return the cell that begins without a quote, and where it ends; quotes between blanks are no part of it.

    People write a blank behind a comma: ``1, "a, b"`` has two cells. A tab has no blank behind it.
    """
    begin = at
    while delimiter != "\t" and text.startswith(" ", begin, end):
        begin += 1
    if begin > at and text.startswith('"', begin, end):
        close = _closing(text, begin + 1)
        stop = close + 1
        while close != -1 and text.startswith(" ", stop, end):
            stop += 1
        if close != -1 and (stop >= end or text[stop] == delimiter):
            return text[begin + 1 : close].replace('""', '"'), stop
    stop = text.find(delimiter, at, end)
    stop = end if stop == -1 else stop
    return text[at:stop], stop


def _closing(text: str, begin: int) -> int:
    """Find the quote that closes a cell, past doubled ones; -1 where there is none in this line."""
    close = text.find('"', begin)
    while close != -1 and text.startswith('"', close + 1):
        close = text.find('"', close + 2)
    return close


def cells_alone(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line that is a record by itself; nothing for another."""
    cells: list[str] = []
    try:
        return cells if scan(line, delimiter, cells, None) is None else []
    except StrayError:
        return []
