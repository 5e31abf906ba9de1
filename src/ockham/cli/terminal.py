"""What a terminal is shown: foreign text made printable, tables that fit, plain ASCII where nothing else will do."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

from ockham.printable import is_unsafe, printable

_PLAIN = str.maketrans({"\u2026": "...", "\u2192": "->", "\u00a0": " ", "\u2212": "-", "\u2013": "-", "\u00d7": "x"})
MAX_WIDTH = 120
_GLUE = "\ue000"
"""Stands for a blank where no line may end; `printable` leaves none of a text's own."""


def speaks_unicode(stream: TextIO) -> bool:
    """Say whether a stream is a terminal that takes UTF-8."""
    return _takes_utf8(stream) and stream.isatty()


def _takes_utf8(stream: TextIO) -> bool:
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"


def json_text(value: object, stream: TextIO) -> str:
    """Return JSON on one line: letters as they are where the stream takes UTF-8, which readers of JSON expect.

    What a terminal could act on is escaped always, and all but ASCII for a stream in another encoding.
    """
    if not _takes_utf8(stream):
        return json.dumps(value, ensure_ascii=True, allow_nan=False)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if text.isascii() and text.isprintable():
        return text
    return "".join(json.dumps(c)[1:-1] if is_unsafe(c) else c for c in text)


def dull(text: str, stream: TextIO) -> str:
    """Make a text printable, and plain where the stream is no UTF-8 terminal."""
    text = printable(text)
    return text if speaks_unicode(stream) else text.translate(_PLAIN)


def width(stream: TextIO | None = None) -> int:
    """Return the width to write in: $COLUMNS or the terminal's, from 40 to 120 columns; 100 where neither is known."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal():
        return _bound_width(int(named))
    try:
        return _bound_width(os.get_terminal_size((sys.stdout if stream is None else stream).fileno()).columns)
    except (OSError, ValueError):
        return 100


def _bound_width(columns: int) -> int:
    return max(40, min(MAX_WIDTH, columns))


def fill(text: str, columns: int, indent: str = "") -> list[str]:
    """Make a text printable and break it into lines, but never within a path, a `command` or an amount."""
    import re
    import textwrap

    whole = re.sub(r"`[^`]+`|\d (?=%|ms\b|s\b|MB\b|GB\b)", lambda match: match[0].replace(" ", _GLUE), printable(text))
    lines = textwrap.wrap(
        whole,
        columns,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], columns: int, *, left: int = 1) -> list[str]:
    """Set rows in columns, the first ``left`` of them to the left; the rightmost that do not fit are left out."""
    head, rows = [printable(cell) for cell in head], [[printable(cell) for cell in row] for row in rows]
    sizes = [max(_size(row[i]) for row in (head, *rows)) for i in range(len(head))]
    while len(sizes) > 2 and sum(sizes) + 2 * (len(sizes) - 1) > columns:
        sizes.pop()
    lines = []
    for row in (head, *rows):
        cells = [
            cell + " " * (size - _size(cell)) if i < left else " " * (size - _size(cell)) + cell
            for i, (cell, size) in enumerate(zip(row, sizes, strict=False))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _size(text: str) -> int:
    """Count the columns a text takes: wide characters take two, marks that combine none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
