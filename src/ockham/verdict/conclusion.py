"""The first sentences of a verdict: "Use X" where that is shown, "Best so far" where it is not, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ockham.plain_numbers import percent
from ockham.records import Estimate
from ockham.records.quantities import QUANTITIES

HALF = 0.5
"""A candidate whose first metric is lower gives more wrong answers than right ones."""
_LONGEST = 40
"""Characters of a label's or a field's name that are shown."""
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakSpot:
    """The field or label that a candidate does worst: its F1, and the number of test rows that have it."""

    kind: Literal["field", "label"]
    name: str
    f1: Estimate
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerQuality:
    """What a metric alone does not show: how many whole objects are right, of how many, and the weakest spot."""

    right: int | None = None
    rows: int = 0
    weakest: WeakSpot | None = None
    unusable: tuple[str, ...] = ()
    """The fields of which more values are wrong or missing than right, the weakest first."""


def shortfall(metric: str, seen: Estimate, quality: AnswerQuality) -> list[str]:
    """Say why answers are of no use as they are, where no requirement says what is good enough; nothing if they are."""
    if quality.right == 0:
        return details(quality)
    right = QUANTITIES[metric].right if metric in QUANTITIES else None
    if right is None or seen.value >= HALF:
        return []
    return [f"more than half of the {right} are wrong", *details(quality)]


def details(quality: AnswerQuality) -> list[str]:
    """Write how many whole objects are right and what is weakest, a phrase each."""
    phrases = [] if quality.right is None else [f"{quality.right:,} of {quality.rows:,} whole objects right"]
    spot = quality.weakest
    if spot is not None and spot.f1.value < 1:
        test_rows = "1 test row" if spot.rows == 1 else f"{spot.rows:,} test rows"
        phrases.append(f"weakest {spot.kind} {_shorten(spot.name)} (F1 {percent(spot.f1.value, 0)}, {test_rows})")
    if quality.unusable:
        names = ", ".join(map(_shorten, quality.unusable[:_MOST_NAMED]))
        more = len(quality.unusable) - _MOST_NAMED
        fields = "field" if len(quality.unusable) == 1 else "fields"
        phrases.append(f"not usable: {fields} {names}{f' and {more:,} more' if more > 0 else ''} (F1 below 50 %)")
    return phrases


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\u2026"


def headline(name: str, seen: Estimate | None = None, useless: Sequence[str] = (), *, proven: bool) -> str:
    """Recommend a candidate, or where that is not proven say that it is ahead; ``useless`` says why it is of no use."""
    if useless and seen is not None:
        return f"Best so far: {name} ({percent(seen.value, 1)}), not usable yet: {'; '.join(useless)}."
    return f"Use {name}." if proven else f"Best so far: {name}."


def reason(why: str, facts: Sequence[str]) -> str:
    """Say why a candidate is recommended: that it "scores best"."""
    return f"It {why}: {'; '.join(facts)}."


def measured_facts(facts: Sequence[str], *doubts: str) -> str:
    """Say what is known of the candidate that is ahead; ``doubts`` say why it is not recommended."""
    return f"It has {'; '.join([*facts, *doubts])}."
