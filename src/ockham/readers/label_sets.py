"""Lists of labels as targets: a list of one is that label, and several labels a row are said before they are used."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from ockham.errors import DataError

SeveralLabels = Literal["one", "sets"]
"""What to do with rows that have several labels: leave them out, or take each set as a label of its own."""
ListReading = Literal["one", "sets", "lists"]
"""The same, or that lists are no labels: they stay as they are."""
_LONGEST_CELL = 10_000
_LONGEST_LABEL = 100
_LONGEST_JOINED = 300
_IN_NAMES = ","
_MARKS = ("|", ";", "#", _IN_NAMES)
"""Marks between labels in one cell. Names have commas, too, so that more labels must stand alone there."""


def labels_in(value: object) -> tuple[str, ...] | None:
    """Return the labels of a cell that holds a list of plain values, as JSON or as Python writes one; else ``None``."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str):
        if value[:1] != "[" or value[-1:] != "]" or len(value) > _LONGEST_CELL:
            return None
        value = _parse(value)
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, (str, int)) for item in value):
        return None
    return tuple(item if isinstance(item, str) else json.dumps(item) for item in value)


def joined_labels(targets: Mapping[int, str]) -> dict[int, tuple[str, ...]]:
    """Return the labels of the cells that join several by one mark, as in ``urgent|billing``; nothing for other cells.

    A mark joins labels where all that it parts stands alone in a cell or comes again in another combination. What is
    merely a name with such a mark in it (``Buffalo, NY``) does neither.
    """
    counts = Counter(target.strip() for target in targets.values())
    if max(map(len, counts), default=0) > _LONGEST_JOINED:
        return {}
    for mark in _MARKS:
        cells = {target: tuple(part.strip() for part in target.split(mark)) for target in counts if mark in target}
        if cells and _are_combined(cells, counts, in_names=mark == _IN_NAMES):
            return {index: cells[target.strip()] for index, target in targets.items() if target.strip() in cells}
    return {}


def _are_combined(cells: Mapping[str, Sequence[str]], counts: Mapping[str, int], *, in_names: bool) -> bool:
    partners: dict[str, set[str]] = {}
    for parts in cells.values():
        if not all(parts) or len(set(parts)) < len(parts) or (in_names and not all(map(_has_letter, parts))):
            return False
        for part in parts:
            partners.setdefault(part, set()).update({*parts} - {part})
    alone = [part for part in partners if part in counts]
    again = [part for part in partners if part in counts or len(partners[part]) > 1]
    rows = [parts for target, parts in cells.items() for _ in range(counts[target])]
    singles = [(target,) for target, number in counts.items() if target not in cells for _ in range(number)]
    enough = 2 * len(alone) >= len(partners) if in_names else bool(alone)
    return enough and len(again) == len(partners) and _are_labels([*rows, *singles])


def _has_letter(text: str) -> bool:
    return any(map(str.isalpha, text))


def settle_labels(
    lists: Mapping[int, Sequence[str]], others: Sequence[str], several: ListReading | None, source: str
) -> dict[int, str | None]:
    """Return the target of each row that has a list of labels; ``None`` leaves the row out. ``others`` have none.

    Lists that are no labels, because hardly any of their items comes again, stay as they are (nothing is returned).
    Raises `DataError` (``E_LABEL_SEVERAL``) where rows have several labels and nobody said what to do with them.
    """
    sets = {index: tuple(sorted({label.strip() for label in labels} - {""})) for index, labels in lists.items()}
    double = sum(len(labels) > 1 for labels in sets.values())
    if several == "lists" or (double and not _are_labels([*sets.values(), others])):
        return {}
    if double and several is None:
        raise DataError(
            "E_LABEL_SEVERAL",
            f"{source}: {double:,} of {len(sets) + len(others):,} rows have several labels; a row has one label here",
            fix="--several-labels one leaves them out, --several-labels sets takes each set as a label of its own",
        )
    targets: dict[int, str | None] = {}
    for index, labels in sets.items():
        if len(labels) > 1:
            targets[index] = None if several == "one" else json.dumps(labels, ensure_ascii=False, separators=(",", ":"))
        else:
            targets[index] = labels[0] if labels else ""
    return targets


def _are_labels(sets: Iterable[Sequence[str]]) -> bool:
    counts = Counter(label for labels in sets for label in labels)
    return 2 * len(counts) <= counts.total() and max(map(len, counts), default=0) <= _LONGEST_LABEL


def _parse(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
