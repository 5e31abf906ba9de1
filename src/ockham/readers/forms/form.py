"""What a form is: how records of a tool are told, and how one of them becomes a row of columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from ockham.readers.columns import ColumnRequest

Cells: TypeAlias = "Mapping[str, object]"


class LeftOut(NamedTuple):
    """A readable record that says itself that it is not to be used, and the rule in one word (``answer_reject``)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSample:
    """What a form is told by: the columns of a table, its first records, and what the user asked for.

    ``label_names`` are the names of classes, for columns that hold their numbers.
    """

    columns: tuple[str, ...]
    rows: tuple[Cells, ...]
    request: ColumnRequest
    label_names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def values(self, name: str) -> list[object]:
        """Return the values of a column in the records that have one."""
        return [row[name] for row in self.rows if row.get(name) is not None]

    def others(self, *names: str) -> tuple[str, ...]:
        """Return the columns but these, in their order."""
        return tuple(name for name in self.columns if name not in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormReader:
    """How the records of one table are read: the columns of the rows that `convert` makes of them.

    `convert` raises `ockham.readers.chat.UnsoundError` for a record that is not of the form. ``inputs`` and ``target``
    are taken where the user names none. ``spans`` says that the target is made of spans of the text.
    ``remarks`` is asked when all records are read.
    """

    columns: tuple[str, ...]
    convert: Callable[[Cells], Cells | LeftOut]
    inputs: tuple[str, ...] = ()
    target: str | None = None
    spans: bool = False
    remarks: Callable[[], Sequence[str]] = tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form by its name, with the two sentences of its documentation; `open` returns ``None`` for other records."""

    name: str
    recognised: str
    taken: str
    open: Callable[[FormSample], FormReader | None]


def parse_cell(value: object) -> object:
    """Return the list or object that a cell of a table holds as JSON; any other value as it is."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return value
    try:
        parsed: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed


def is_all(values: Iterable[object], test: Callable[[object], bool]) -> bool:
    """Tell whether there are values and all of them pass."""
    every = list(values)
    return bool(every) and all(map(test, every))


def is_texts(value: object) -> bool:
    """Tell whether a value is a list of texts; an empty one is."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_object_list(value: object) -> bool:
    """Tell whether a value is a list of objects; an empty one is."""
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def items_in(value: object) -> list[object]:
    """Return the items of a list; of anything else none."""
    return value if isinstance(value, list) else []


def objects_in(value: object) -> list[Mapping[str, object]]:
    """Return the objects of a list; of anything else none."""
    return [entry for entry in items_in(value) if isinstance(entry, Mapping)]


def object_at(value: object, *names: str) -> Mapping[str, object]:
    """Return the object that stands under these names, one inside of the other; an empty one where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}
