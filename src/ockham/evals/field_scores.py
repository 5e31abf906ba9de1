"""Extracted fields: a JSON object as a bag of fields with their values, so that right and wrong can be counted.

A field is its path of keys; the items of a list each count, in any order. What is empty (an empty text, list or object,
or null) says that there is no such field, as leaving it out does. Texts are compared without case, and with runs of
white space as one space.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ockham.evals.distributions import Floats
from ockham.records import Score

Slot = tuple[str, str]
"""A field's path, and its value as it is compared."""


def parse_fields(text: str | None) -> Counter[Slot] | None:
    """Read the fields of a JSON object; ``None`` for what is no JSON object."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return Counter((path, _fold(text)) for path, text in field_values(value)) if isinstance(value, dict) else None


def field_values(value: object, path: str = "") -> Iterator[Slot]:
    """Yield the path and the value, as it is written, of each field in a parsed JSON object; blank texts are none."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from field_values(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from field_values(item, path)
    elif isinstance(value, str):
        if value.strip():
            yield path, value
    elif value is not None:
        yield path, json.dumps(value)


def valid(answer: str | None) -> bool:
    """Tell whether an answer is a JSON object."""
    return parse_fields(answer) is not None


def equal(answer: str | None, target: str) -> bool:
    """Tell whether an answer has the target's fields and no others."""
    fields = parse_fields(answer)
    return fields is not None and fields == parse_fields(target)


def f1_micro(sums: Floats) -> Floats:
    """Return F1 = 2 right / (given + wanted) from sums of shape (m, 3); 1 where nothing is wanted and nothing given."""
    right, answers, targets = sums[:, 0], sums[:, 1], sums[:, 2]
    both = answers + targets
    f1: Floats = np.where(both > 0, 2 * right / np.maximum(both, 1), 1.0)
    return f1


def tally(pairs: Iterable[tuple[str | None, str]]) -> Floats:
    """Count the fields of (answer, target) pairs: right, given, wanted, one row each (pairs, 3).

    An answer that is no JSON object gives no field.
    """
    rows = [_count(answer, target) for answer, target in pairs]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def by_field(scores: Sequence[Score]) -> dict[str, tuple[Floats, list[int]]]:
    """Count field by field: for each path, right, given, wanted of the rows that have it, (rows, 3), and those rows."""
    counts: dict[str, list[tuple[float, float, float]]] = {}
    places: dict[str, list[int]] = {}
    for place, score in enumerate(scores):
        answer_fields, target_fields = parse_fields(score.answer) or Counter(), parse_fields(score.target) or Counter()
        for path in {path for path, _ in (*answer_fields, *target_fields)}:
            mine = Counter({slot: count for slot, count in answer_fields.items() if slot[0] == path})
            theirs = Counter({slot: count for slot, count in target_fields.items() if slot[0] == path})
            counts.setdefault(path, []).append(((mine & theirs).total(), mine.total(), theirs.total()))
            places.setdefault(path, []).append(place)
    return {path: (np.array(rows, dtype=np.float64), places[path]) for path, rows in sorted(counts.items())}


def one_mistake(counts: Floats, clusters: Sequence[int] | None) -> float:
    """Say what one more wrong field would cost micro F1; in clusters, one in each row of a cluster."""
    both = float(counts[:, 1:].sum())
    rows = 1.0
    if clusters is not None:
        sizes = np.unique(np.asarray(clusters), return_counts=True)[1].astype(np.float64)
        rows = float(np.square(sizes).sum() / sizes.sum())
    return 2 * rows / both if both else rows / len(counts)


def _count(answer: str | None, target: str) -> tuple[int, int, int]:
    answer_fields, target_fields = parse_fields(answer) or Counter(), parse_fields(target) or Counter()
    return (answer_fields & target_fields).total(), answer_fields.total(), target_fields.total()


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
