"""What validation rows decide of each field: from which share on its value is given, and how sure that share is."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockham.evals import field_scores
from ockham.models.extraction.field_writer import FieldRule, FieldWriter
from ockham.models.extraction.span_shares import SpanShare
from ockham.models.extraction.value_places import TextRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LEAST_VALUES = 20
"""Validation values that a field must have before they choose anything."""
_THRESHOLDS = tuple(step / 20 for step in range(3, 17))
_BASE_ROWS = 2.0
"""So many rows the share of rows without a value weighs."""
_PRIOR = 1.0
"""Weight of the belief that shares are right as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """A value that may be given: its share, and whether it is right."""

    share: float
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _SeenField:
    """A field in one row: the values that may be given, and how many it should have."""

    guesses: tuple[_Guess, ...]
    values: int


def calibrate(
    writer: FieldWriter, spans_of: Callable[[str], Sequence[SpanShare]], rows: Sequence[TextRow]
) -> tuple[FieldRule, ...]:
    """Return the rules of the fields as validation rows choose them, by a model that has not seen these.

    A field with fewer than 20 values there keeps its rule, and learns only how often it is rightly left empty.
    """
    seen: dict[int, list[_SeenField]] = {number: [] for number in range(len(writer.fields))}
    names = [".".join(entry.path) for entry in writer.fields]
    for row in rows:
        wanted = Counter(field_scores.parse_fields(row.target) or {})
        counts = Counter[str]()
        for (name, _), count in wanted.items():
            counts[name] += count
        choices = writer.choices(row.text, spans_of(row.text))
        for number, name in enumerate(names):
            values = choices.get(number, [])
            kept = values if writer.fields[number].repeated else values[:1]
            left, guesses = Counter(wanted), []
            for value in kept:
                slot = _slot(writer, number, value.text)
                guesses.append(_Guess(share=value.share, right=left[slot] > 0))
                left[slot] -= 1
            seen[number].append(_SeenField(guesses=tuple(guesses), values=counts[name]))
    return tuple(_choose_rule(rule, seen[number]) for number, rule in enumerate(writer.settings.rules))


def _slot(writer: FieldWriter, number: int, text: str) -> field_scores.Slot:
    """Return a value as it is compared with those of targets."""
    path = writer.fields[number].path
    value = json.dumps(writer.object_of({path: [text]}))
    slots = [slot for slot in field_scores.parse_fields(value) or () if slot[0] == ".".join(path)]
    return slots[0] if slots else (".".join(path), text)


def _choose_rule(rule: FieldRule, seen: Sequence[_SeenField]) -> FieldRule:
    guesses = [guess for row in seen for guess in row.guesses]
    total = sum(row.values for row in seen)
    if total < _LEAST_VALUES:
        return dataclasses.replace(rule, empty=_rightly_empty(rule.least, seen))

    def f1(least: float) -> float:
        given = [guess for guess in guesses if guess.share >= least]
        return 2 * sum(guess.right for guess in given) / max(1, len(given) + total)

    least = max(_THRESHOLDS, key=lambda least: (round(f1(least), 6), -abs(least - rule.least)))
    slope, offset = _platt(guesses)
    return dataclasses.replace(rule, least=least, slope=slope, offset=offset, empty=_rightly_empty(least, seen))


def _rightly_empty(least: float, seen: Sequence[_SeenField]) -> float:
    """Return how often a field is right where no value is given, held to the share of rows that have no value."""
    absent = sum(row.values == 0 for row in seen)
    base = (absent + 1) / (len(seen) + 2)
    left = [row.values == 0 for row in seen if all(guess.share < least for guess in row.guesses)]
    return (sum(left) + _BASE_ROWS * base) / (len(left) + _BASE_ROWS)


def _platt(guesses: Sequence[_Guess]) -> tuple[float, float]:
    """Fit slope and offset of the log-odds (Platt 1999), held to 1 and 0 by as much as one guess says."""
    import numpy as np
    from scipy.optimize import minimize

    if len(guesses) < _LEAST_VALUES:
        return 1.0, 0.0
    shares = np.clip([guess.share for guess in guesses], 1e-6, 1 - 1e-6)
    odds, right = np.log(shares / (1 - shares)), np.array([guess.right for guess in guesses], float)

    def loss(pair: NDArray[np.float64]) -> float:
        margin = pair[0] * odds + pair[1]
        return float(np.logaddexp(0, -margin) @ right + np.logaddexp(0, margin) @ (1 - right)) + _PRIOR * (
            float((pair[0] - 1) ** 2 + pair[1] ** 2)
        )

    solved = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.05, 5.0), (-8.0, 8.0)])
    slope, offset = (float(value) for value in solved.x)
    return (slope, offset) if math.isfinite(slope + offset) else (1.0, 0.0)
