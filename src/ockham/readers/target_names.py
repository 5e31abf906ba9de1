"""The target as one text: the name of a column, or of several with commas between them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ockham.readers.columns import plain_name


def join_names(names: Sequence[str]) -> str:
    """Return several names as one text; those that hold a comma or a quote stand in quotes, as in a CSV file."""
    if len(names) == 1:
        return names[0]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def split_names(text: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names in a text that `join_names` or a person wrote, without the spaces around them.

    What is the name of one of the ``columns`` as it stands is one name, whatever commas it holds.
    """
    if plain_name(text) in map(plain_name, columns):
        return (text,)
    try:
        parts = next(csv.reader([text], skipinitialspace=True), [])
    except csv.Error:
        return (text,)
    names = [part.strip() for part in parts if part.strip()]
    if len(names) < 2:
        return (text,)
    return tuple(name for part in names for name in split_names(part, columns))
