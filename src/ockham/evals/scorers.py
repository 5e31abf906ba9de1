"""Judge whether an answer is right: callables from an `Example` and an `Answer` to a `Score`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ockham.data.multiple_choice import normalize_option
from ockham.evals import field_scores
from ockham.records import Answer, Example, Score

RightOrWrong: TypeAlias = Callable[[Example, Answer], Score]


def exact(example: Example, answer: Answer) -> Score:
    """Score 1 where the answer is the target, character for character, and 0 elsewhere; no answer is wrong."""
    return _score(example, answer, answer.value == example.target)


def option(example: Example, answer: Answer) -> Score:
    """Score 1 where the answer names the target's option; case and marks around it ("(b)", "B.") do not matter."""
    return _score(
        example, answer, answer.value is not None and normalize_option(answer.value) == normalize_option(example.target)
    )


def fields(example: Example, answer: Answer) -> Score:
    """Score 1 where the answer is a JSON object with the target's fields and values, in any order, and no others."""
    return _score(example, answer, field_scores.equal(answer.value, example.target))


def words(example: Example, answer: Answer) -> Score:
    """Score 1 where the answer is the target's text; runs of white space count as one space."""
    return _score(example, answer, answer.value is not None and answer.value.split() == example.target.split())


def _score(example: Example, answer: Answer, right: bool) -> Score:
    return Score(
        example=example.id,
        answer=answer.value,
        target=example.target,
        value=float(right),
        confidence=answer.confidence,
        fields=answer.fields,
    )
