"""Lists of labels as targets: a list of one is that label, and several labels a row are said before they are used."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple

from ockham.errors import DataError

SeveralLabels = Literal["one", "sets", "as-is"]
"""What to do with rows that have several labels: leave them out, take each set as a label of its own, or take what
stands there as it is, which is one name."""
_LONGEST_CELL = 10_000
_ITEM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+)"""
_NUMPY_LIST = re.compile(rf"\[\s*{_ITEM}(?:\s+{_ITEM})+\s*\]")
"""A list as NumPy prints it, without commas: Python would read two texts side by side as one."""
_LONGEST_LABEL = 100
_LONGEST_JOINED = 300
_MOST_ODD = 0.05
"""The largest share of joined cells with a part that comes nowhere else, such as a slip of the hand."""
_THOUSANDS = 3
"""Digits of a group in a number."""
_MARKS = {
    "|": ("vertical bars", re.compile(r"\|")),
    ";": ("semicolons", re.compile(";")),
    "#": ("#", re.compile("#")),
    "\n": ("line breaks", re.compile(r"\r?\n")),
    ",": ("commas", re.compile(",")),
    " ": ("spaces", re.compile(r"\s+")),
    "/": ("slashes", re.compile("/")),
    "+": ("+", re.compile(r"\+")),
}
"""Marks between labels in one cell, with what they are called and how they part it, in the order of trying them."""
_IN_NAMES = ", /+"
"""Marks that stand in names, too."""


_FIX = "--several-labels one drops these rows, --several-labels sets treats each set as a label of its own"


def labels_in(value: object) -> tuple[str, ...] | None:
    """Return the labels of a cell that holds a list or set of plain values; ``None`` for any other cell.

    In a text the list stands as JSON, Python or NumPy write it.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str):
        if not value.startswith(("[", "{'")) or value[-1:] not in ("]", "}") or len(value) > _LONGEST_CELL:
            return None
        value = _parse(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=str)
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, (str, int)) for item in value):
        return None
    return tuple(item if isinstance(item, str) else json.dumps(item) for item in value)


class JoinedLabels(NamedTuple):
    """Cells that join several labels by one mark: what that mark is called, and their labels by row."""

    mark: str
    lists: dict[int, tuple[str, ...]]


def joined_labels(targets: Mapping[int, str]) -> JoinedLabels:
    """Return the labels of the cells that join several by one mark, as in ``urgent|billing``; nothing for other cells.

    A mark joins labels where all that it parts stands alone in a cell or comes again in another combination. What is
    merely a name with such a mark in it (``Buffalo, NY``) does neither. Marks that stand in names, too, have to be
    borne out by more (see `_are_combined`): ``credit card`` and ``debit card`` are names.
    """
    counts = Counter(target.strip() for target in targets.values())
    if max(map(len, counts), default=0) > _LONGEST_JOINED:
        return JoinedLabels("", {})
    for mark, (name, pattern) in _MARKS.items():
        cells = {
            target: tuple(part.strip() for part in pattern.split(target))
            for target in counts
            if pattern.search(target) and not target.startswith("{")
        }
        if mark not in _IN_NAMES:
            cells = {target: tuple(dict.fromkeys(filter(None, parts))) for target, parts in cells.items()}
        if cells and _are_combined(cells, counts, mark):
            lists = {index: cells[target.strip()] for index, target in targets.items() if target.strip() in cells}
            return JoinedLabels(name, lists)
    return JoinedLabels("", {})


def _are_combined(cells: Mapping[str, Sequence[str]], counts: Mapping[str, int], mark: str) -> bool:
    """Tell whether the parts of cells are labels of their own: nearly all come alone or in several combinations."""
    partners: dict[str, set[str]] = {}
    for parts in cells.values():
        if not all(parts) or len(set(parts)) < len(parts) or (mark in _IN_NAMES and _is_number(parts, mark)):
            return False
        for part in parts:
            partners.setdefault(part, set()).update({*parts} - {part})
    alone = counts.keys() - cells.keys() | {parts[0] for parts in cells.values() if len(parts) == 1}
    again = {part for part, others in partners.items() if part in alone or len(others) > 1}
    joined = {target: parts for target, parts in cells.items() if len(parts) > 1}
    odd = sum(counts[target] for target, parts in joined.items() if not again.issuperset(parts))
    if not joined or odd > _MOST_ODD * sum(counts[target] for target in joined):
        return False
    known = [parts for parts in joined.values() if again.issuperset(parts)]
    rows = [parts for target, parts in cells.items() for _ in range(counts[target])]
    singles = [(target,) for target, number in counts.items() if target not in cells for _ in range(number)]
    return _are_free(known, alone, mark) and _are_labels([*rows, *singles])


def _are_free(joined: Sequence[Sequence[str]], alone: AbstractSet[str], mark: str) -> bool:
    """Tell whether parts stand by themselves, as those of a name or of a label of several fields do not.

    They come alone, or their places change. Of a mark that stands in names, too, more is asked: the same parts in
    several orders, many more combinations than parts, or parts alone. Beside a comma half of them have to be alone,
    beside other such marks all, in at least two combinations: a few names may well hold one another.
    """
    parts = {part for each in joined for part in each}
    sets = {frozenset(each) for each in joined}
    moved = len({(part, index) for each in joined for index, part in enumerate(each)}) > len(parts)
    lone = len(parts & alone)
    if mark not in _IN_NAMES:
        return lone > 0 or (moved and len(sets) > len(parts))
    if len(sets) < len(joined):
        return len(parts) <= len(joined) + len(alone)
    if moved and len(sets) > 2 * len(parts):
        return True
    return 2 * lone >= len(parts) if mark == "," else lone == len(parts) and len(sets) > 1


def _is_number(parts: Sequence[str], mark: str) -> bool:
    """Tell whether parts may be those of a number or a date: one without a letter, or behind a blank, thousands."""
    if mark == " ":
        return all(map(str.isdecimal, parts)) and all(len(part) == _THOUSANDS for part in parts[1:])
    return not all(any(map(str.isalpha, part)) for part in parts)


def settle_labels(
    lists: Mapping[int, Sequence[str]],
    others: Sequence[str],
    several: SeveralLabels | None,
    source: str,
    mark: str = "",
) -> dict[int, str | None]:
    """Return the target of each row that has a list of labels; ``None`` leaves the row out. ``others`` have none.

    Lists that are no labels, because hardly any of their items comes again, stay as they are (nothing is returned).
    ``mark`` is what joined them in one cell. Raises `DataError` (``E_LABEL_SEVERAL``) where rows have several labels
    and nobody said what to do with them.
    """
    sets = {index: tuple(sorted({label.strip() for label in labels} - {""})) for index, labels in lists.items()}
    double = sum(len(labels) > 1 for labels in sets.values())
    if several == "as-is" or (double and not _are_labels([*sets.values(), others])):
        return {}
    if double and several is None:
        seen = f"seem to have several labels, joined by {mark}" if mark else "have several labels"
        names = ", --several-labels as-is treats the whole cell as one label" if mark else ""
        raise DataError(
            "E_LABEL_SEVERAL",
            f"{source}: {double:,} of {len(sets) + len(others):,} rows {seen}; Ockham predicts one label per row",
            fix=f"{_FIX}{names}",
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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know, which would show the text
            if _NUMPY_LIST.fullmatch(text):
                return [ast.literal_eval(item) for item in re.findall(_ITEM, text)]
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
