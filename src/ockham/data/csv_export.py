"""Text that leaves for a spreadsheet: no cell of it may run as a formula (OWASP, "CSV Injection")."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

_STARTS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the last four are the full-width forms


def escape_cell(text: str) -> str:
    """Put a single quote before a text that a spreadsheet would take for a formula; return any other text verbatim.

    Judged by the first character that is neither a blank nor invisible (zero-width and other format characters).
    """
    if text[:1] in ("\t", "\r", "\n"):
        return f"'{text}"
    first = next((c for c in text if c not in " \xa0\0" and unicodedata.category(c) != "Cf"), "")
    return f"'{text}" if first and first in _STARTS else text


def csv_text(rows: Iterable[Sequence[str]], header: Sequence[str]) -> str:
    """Write rows as CSV (RFC 4180: comma, CRLF, quotes doubled), every cell and column name escaped for spreadsheets.

    Raises ValueError where a row has not as many cells as the header.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([escape_cell(name) for name in header])
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells, the header {len(header)}")
        writer.writerow([escape_cell(cell) for cell in row])
    return out.getvalue()
