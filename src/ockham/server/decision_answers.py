"""Answers to typed questions from the label probabilities of a classifier: values only, nothing is asked here.

A question over some of the labels is answered by their probabilities given that it is one of them (p / sum of p). A
model that knows the confidence of its answer alone shares what is left among the other labels equally.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ockham.records import Answer
from ockham.server.api_error import ApiError
from ockham.server.decision_types import ChoiceQuestion, PredicateQuestion, ScoreQuestion

AFFIRMATIVE = (("true", "false"), ("yes", "no"), ("1", "0"))
"""Pairs of labels of which the first says that a predicate holds."""
_NAMED = 100
Value = str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a model said of one input: its answer and, where it knows them, the probability of each of its labels."""

    answer: Answer
    probabilities: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQuestions:
    """The labels that a model answers with, and the confidence below which it declines."""

    labels: tuple[str, ...]
    min_confidence: float | None = None

    def answer(self, question: ChoiceQuestion | PredicateQuestion | ScoreQuestion, decided: Decided) -> dict[str, Any]:
        """Return the answer to a question, or a refusal where the model gives none.

        Raises `ApiError` (400) where the question is not about the labels of the model.
        """
        if isinstance(question, ChoiceQuestion):
            return self._choose(question, decided)
        if isinstance(question, ScoreQuestion):
            return self._score(question, decided)
        return self._predicate(question, decided)

    def check(self, question: ChoiceQuestion | PredicateQuestion | ScoreQuestion, param: str) -> None:
        """Raise `ApiError` (400) where a question is not about the labels of the model, before it is asked."""
        if isinstance(question, ChoiceQuestion):
            self.labels_of([choice.value for choice in question.choices], f"{param}.choices")
        elif isinstance(question, ScoreQuestion):
            self.labels_of([level.label for level in question.levels], f"{param}.levels")
        else:
            self._affirmative(question, param)

    def labels_of(self, values: Sequence[Value], param: str) -> list[str]:
        """Return the label of each value. Raises `ApiError` (400) that lists the labels where one is none of them."""
        labels = [self._label_of(value) for value in values]
        unknown = [number for number, label in enumerate(labels) if label is None]
        known = [label for label in labels if label is not None]
        if unknown:
            listing = ", ".join(self.labels[:_NAMED]) + (", …" if len(self.labels) > _NAMED else "")
            message = f"{len(unknown)} of {len(values)} values are not labels of the model, which are: {listing}"
            raise ApiError(400, message, code="unknown_label", param=f"{param}[{unknown[0]}]")
        if len(set(known)) < len(known):
            raise ApiError(400, "Two values stand for the same label of the model", param=param)
        return known

    def _label_of(self, value: Value) -> str | None:
        if isinstance(value, str):
            return value if value in self.labels else None
        word = "true" if value else "false"
        matching = [label for label in self.labels if label.lower() == word]
        return matching[0] if len(matching) == 1 else None

    def shares(self, labels: Sequence[str], decided: Decided) -> dict[str, float] | None:
        """Return the probability of each label given that it is one of these; ``None`` where the model declines."""
        if decided.answer.value is None:
            return None
        every = decided.probabilities or self._spread(decided.answer)
        if every is None:
            return None
        total = math.fsum(every.get(label, 0.0) for label in labels)
        if total <= 0:
            return None
        # Where no label is left out nothing is divided: what was measured is what is served, to the last bit.
        among = every if every.keys() <= set(labels) else {label: every.get(label, 0.0) / total for label in labels}
        best = max(among.get(label, 0.0) for label in labels)
        if self.min_confidence is not None and best < self.min_confidence:
            return None
        if decided.probabilities is None and decided.answer.value not in labels:
            return None  # all that is known of these labels is that none of them is the answer
        return {label: among.get(label, 0.0) for label in labels}

    def _spread(self, answer: Answer) -> dict[str, float] | None:
        if answer.value is None or answer.confidence is None:
            return None
        others = [label for label in self.labels if label != answer.value]
        rest = (1.0 - answer.confidence) / max(1, len(others))
        return {**dict.fromkeys(others, rest), answer.value: answer.confidence}

    def _choose(self, question: ChoiceQuestion, decided: Decided) -> dict[str, Any]:
        values = [choice.value for choice in question.choices]
        labels = self.labels_of(values, "choices")
        shares = self.shares(labels, decided)
        if shares is None:
            return refusal(question.name)
        best = max(range(len(values)), key=lambda index: (shares[labels[index]], labels[index] == decided.answer.value))
        return {
            "type": "choice",
            "name": question.name,
            "choice": values[best],
            "confidence": shares[labels[best]],
            "probabilities": [
                {"value": value, "probability": shares[label]} for value, label in zip(values, labels, strict=True)
            ],
        }

    def _score(self, question: ScoreQuestion, decided: Decided) -> dict[str, Any]:
        """Answer with the mean level: the levels are numbered from 0, in the order of the question."""
        labels = self.labels_of([level.label for level in question.levels], "levels")
        shares = self.shares(labels, decided)
        if shares is None:
            return refusal(question.name)
        return {
            "type": "score",
            "name": question.name,
            "score": math.fsum(value * shares[label] for value, label in enumerate(labels)),
            "confidence": max(shares.values()),
            "probabilities": [
                {"label": label, "probability": shares[label], "value": value} for value, label in enumerate(labels)
            ],
        }

    def _predicate(self, question: PredicateQuestion, decided: Decided) -> dict[str, Any]:
        affirmative = self._affirmative(question, "question")
        shares = self.shares(self.labels, decided)
        if shares is None:
            return refusal(question.name)
        return {"type": "predicate", "name": question.name, "probability": shares[affirmative]}

    def _affirmative(self, question: PredicateQuestion, param: str) -> str:
        """Return the label that says yes: of a pair like yes and no, or the one that the question names."""
        if len(self.labels) != 2:
            message = f"A predicate needs a model with two labels, and this one has {len(self.labels)}"
            raise ApiError(400, f"{message}: ask a choice question", code="unknown_label", param=param)
        lower = {label.lower(): label for label in self.labels}
        for yes, no in AFFIRMATIVE:
            if lower.keys() == {yes, no}:
                return lower[yes]
        words = question.instructions if isinstance(question.instructions, str) else ""
        for text in (question.name or "", words):
            named = [label for label in self.labels if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.I)]
            if len(named) == 1:
                return named[0]
        message = f"The instructions must name one of the labels, which are {' and '.join(self.labels)}"
        raise ApiError(400, message, code="unknown_label", param=f"{param}.instructions")


def refusal(name: str | None) -> dict[str, Any]:
    """Return the answer of a model that declines."""
    return {"type": "refusal", "name": name}
