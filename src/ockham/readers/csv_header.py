"""Where the table of a delimited file begins, how its cells are delimited, and whether its first row names them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ockham.readers.columns import known_names
from ockham.readers.csv_cells import cells_alone
from ockham.readers.table import MAX_COLUMNS

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_NONE = "\0"
"""The delimiter of a file of one column: a record with a NUL is kept out before its cells are looked at."""
_MOST_WORDS = 4
"""Words of a name; more are a sentence, which is data."""
_ENOUGH = 20
"""Rows from which on what comes again says something."""
_TOP = 10
"""Lines in which the names of the columns are looked for."""
SEPARATOR_LINE = re.compile(r"\ufeff?sep=([,;|\t])\r?\n")
"""The line by which spreadsheet programs are told how a file is delimited."""


def lines_above(head: str, *, tab_first: bool) -> int:
    """Count the lines above the names of the columns: a title, notes, a comment; 0 where the first line may hold names.

    They have fewer cells than the first line with a name that is usual, or begin with ``#``.
    """
    lines = head.split("\n")
    if known_names(cells_alone(lines[0], dialect_of(head, tab_first=tab_first))):
        return 0
    for above in range(1, min(len(lines), _TOP)):
        delimiter = dialect_of("\n".join(lines[above:]), tab_first=tab_first)
        names = cells_alone(lines[above], delimiter)
        if len(names) > 1 and known_names(names):
            narrower = (
                sum(map(bool, cells_alone(line, delimiter))) < len(names)
                for line in lines[:above]
                if not line.startswith("#")
            )
            return above if all(narrower) else 0
    return 0


def dialect_of(head: str, *, tab_first: bool = False) -> str:
    """Choose the delimiter that gives a header of several columns and the most rows of its width.

    A header with names that are known counts more; then the wider header; then comma, semicolon, tab, bar. A header of
    one column has no delimiter (NUL is returned).
    """
    lines = [line for line in head.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:200] if line]

    def worth(delimiter: str) -> tuple[float, ...]:
        if lines and lines[0].count(delimiter) >= MAX_COLUMNS:
            return (1.0,)  # to be refused when the header is read
        rows = [row for row in (cells_alone(line, delimiter) for line in lines) if row]
        if not rows or len(rows[0]) < 2:
            return (0.0,)
        share = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        named = bool(known_names(rows[0]))
        return (1.0, tab_first and delimiter == "\t", named, round(share, 2), len(rows[0]))

    best = max(DELIMITERS, key=worth)
    return best if worth(best)[0] else _NONE


def is_headerless(names: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row seems to hold data: long or numeric cells, or a cell that comes again below it."""
    if names == [str(number) for number in range(len(names))]:
        return False  # columns without names, as pandas numbers them
    if known_names(names):  # which come again where files were put one behind the other
        sample = [row for row in sample if list(row) != list(names)]
    again = {name for row in sample for index, name in enumerate(names) if row[index : index + 1] == [name]}
    if known_names(name for name in names if name not in again):
        return False
    if _are_questions(names, sample):
        return False
    if any(len(name) > 64 or len(name.split()) > _MOST_WORDS or name.endswith((".", "!", "?")) for name in names):
        return True
    if any(name.replace(".", "", 1).replace("-", "", 1).isdigit() for name in names):
        return True
    return bool(again)


def _are_questions(names: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    """Tell names that are sentences, as forms have them: one of them asks for what comes again and again below it.

    In a row of data the cell of such a column would come again, too.
    """
    if any(len(name) > 200 or any(map(str.isdigit, name[:1])) for name in names):
        return False
    for index, name in enumerate(names):
        counts = Counter(row[index] for row in sample if index < len(row) and row[index])
        rare = sum(count == 1 for count in counts.values())
        again = counts.total() >= _ENOUGH and 5 * len(counts) <= counts.total() and len(counts) > 1 and not rare
        if again and name not in counts and (name.endswith("?") or len(name) > max(map(len, counts))):
            return True
    return False
