"""Columns that say which rows are not to be used, and on which side of a split a row stands.

They are known by their names and values together, and are never taken for the input or the target unless the user
names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ockham.readers.columns import TARGETS, plain_name
from ockham.records import Side

_TRUE = {"true", "1", "yes", "t", "y", "1.0", "wahr", "ja", "vrai", "oui", "verdadero", "vero"}
_FALSE = {"false", "0", "no", "f", "n", "0.0", "falsch", "nein", "faux", "non", "falso"}
"""Spreadsheet programs write truth values in the language of the user."""
_BAD_IF_TRUE = {
    "was_cancelled", "cancelled", "canceled", "rejected", "is_rejected", "ignored", "is_ignored", "skipped",
    "is_skipped", "exclude", "excluded", "discarded", "is_discarded", "deleted", "is_deleted", "invalid", "is_invalid",
    "do_not_use",
}  # fmt: skip
_BAD_IF_FALSE = {
    "is_valid", "valid", "is_accepted", "accepted", "is_approved", "approved", "include", "included", "is_usable",
    "usable",
}  # fmt: skip
_STATUS = {
    "status", "annotation_status", "review_status", "label_status", "record_status", "state", "answer", "decision",
    "review", "assignmentstatus",
}  # fmt: skip
_GOOD_WORDS = {
    "accept", "accepted", "approve", "approved", "submitted", "complete", "completed", "done", "valid", "validated",
    "labeled", "labelled", "annotated", "reviewed", "ok", "final", "finished",
}  # fmt: skip
_BAD_WORDS = {
    "reject", "rejected", "ignore", "ignored", "skip", "skipped", "discard", "discarded", "delete", "deleted", "draft",
    "invalid", "cancelled", "canceled", "pending", "to_label", "unlabeled", "unlabelled", "to_do", "todo", "excluded",
}  # fmt: skip
_SPLIT = {"split", "set", "subset", "partition", "data_split", "dataset_split", "ml_use", "usage"}
SIDES: Mapping[str, Side] = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "development": "valid", "test": "test", "testing": "test", "eval": "test", "evaluation": "test", "holdout": "test",
}  # fmt: skip
NAMES = frozenset({*_BAD_IF_TRUE, *_BAD_IF_FALSE, *_STATUS, *_SPLIT})


class StatusColumn(NamedTuple):
    """A column as the file spells it, and the words in it that leave a row out; ``sides``: it names sides instead."""

    name: str
    bad: frozenset[str]
    sides: bool = False


def find_status_columns(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], named: Iterable[str]
) -> tuple[StatusColumn, ...]:
    """Find them among the columns by the first rows; those that the user ``named`` are what they were named as."""
    taken = {plain_name(name) for name in named}
    candidates = [name for name in columns if plain_name(name) in NAMES and plain_name(name) not in taken]
    hits = (_judge(name, {_word(row.get(name)) for row in rows} - {""}) for name in candidates)
    others = any(plain_name(name) in TARGETS and plain_name(name) not in NAMES for name in columns) or bool(taken)
    # "answer" is the usual name of a target, too: it says which rows to use only beside another one.
    return tuple(hit for hit in hits if hit is not None and (others or plain_name(hit.name) not in TARGETS))


def why_left_out(cells: Mapping[str, object], columns: Sequence[StatusColumn]) -> str:
    """Name the rule by which a row is left out, as in ``status_rejected``; "" where none is."""
    for column in columns:
        word = _word(cells.get(column.name))
        if word in column.bad:
            return f"{plain_name(column.name)}_{word}"
    return ""


def side_of(cells: Mapping[str, object], columns: Sequence[StatusColumn]) -> Side | None:
    """Return the side that a row names for itself."""
    return next((SIDES.get(_word(cells.get(column.name))) for column in columns if column.sides), None)


def _judge(name: str, words: set[str]) -> StatusColumn | None:
    plain = plain_name(name)
    if not words:
        return None
    if plain in _SPLIT:
        return StatusColumn(name, frozenset(), True) if words <= {*SIDES, "unassigned"} else None
    if plain in _STATUS:
        return StatusColumn(name, frozenset(_BAD_WORDS)) if words <= _GOOD_WORDS | _BAD_WORDS else None
    if not words <= _TRUE | _FALSE:
        return None
    return StatusColumn(name, frozenset(_TRUE if plain in _BAD_IF_TRUE else _FALSE))


def _word(value: object) -> str:
    if value is None or value != value or not isinstance(value, (str, bool, int, float)):
        return ""
    return plain_name(str(value))
