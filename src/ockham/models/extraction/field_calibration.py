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
_PRIOR = 1.0
"""Weight of the belief that shares are right as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """A value that may be given: its share, and whether it is right."""

    share: float
    right: bool


def calibrate(
    writer: FieldWriter, spans_of: Callable[[str], Sequence[SpanShare]], rows: Sequence[TextRow]
) -> tuple[FieldRule, ...]:
    """Return the rules of the fields as validation rows choose them, by a model that has not seen these.

    A field with fewer than 20 values there keeps its rule.
    """
    guesses: dict[int, list[_Guess]] = {number: [] for number in range(len(writer.fields))}
    totals = Counter[int]()
    names = {".".join(entry.path): number for number, entry in enumerate(writer.fields)}
    for row in rows:
        wanted = Counter(field_scores.parse_fields(row.target) or {})
        for (name, _), count in wanted.items():
            if name in names:
                totals[names[name]] += count
        for number, values in writer.choices(row.text, spans_of(row.text)).items():
            left = Counter(wanted)
            for value in values:
                slot = _slot(writer, number, value.text)
                guesses[number].append(_Guess(share=value.share, right=left[slot] > 0))
                left[slot] -= 1
    return tuple(
        _choose_rule(rule, guesses[number], totals[number]) for number, rule in enumerate(writer.settings.rules)
    )


def _slot(writer: FieldWriter, number: int, text: str) -> field_scores.Slot:
    """Return a value as it is compared with those of targets."""
    path = writer.fields[number].path
    value = json.dumps(writer.object_of({path: [text]}))
    slots = [slot for slot in field_scores.parse_fields(value) or () if slot[0] == ".".join(path)]
    return slots[0] if slots else (".".join(path), text)


def _choose_rule(rule: FieldRule, guesses: Sequence[_Guess], total: int) -> FieldRule:
    if total < _LEAST_VALUES:
        return rule

    def f1(least: float) -> float:
        given = [guess for guess in guesses if guess.share >= least]
        return 2 * sum(guess.right for guess in given) / max(1, len(given) + total)

    least = max(_THRESHOLDS, key=lambda least: (round(f1(least), 6), -abs(least - rule.least)))
    slope, offset = _platt(guesses)
    return dataclasses.replace(rule, least=least, slope=slope, offset=offset)


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
