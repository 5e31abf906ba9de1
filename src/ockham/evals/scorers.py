"""Judge an answer. A scorer is a plain callable from an `Example` and an `Answer` to a `Score`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ockham.records import Answer, Example, Score

Scorer: TypeAlias = Callable[[Example, Answer], Score]


def exact(example: Example, answer: Answer) -> Score:
    """Score 1 where the answer is the target, character for character, and 0 elsewhere; no answer is wrong."""
    return Score(
        example=example.id,
        answer=answer.value,
        target=example.target,
        value=1.0 if answer.value == example.target else 0.0,
        confidence=answer.confidence,
    )
