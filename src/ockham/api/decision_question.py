"""The wire form of decision APIs: one choice question for a text, and the probabilities that come back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ockham.errors import EndpointError

LEAST_CHOICES, MOST_CHOICES = 2, 255
INSTRUCTIONS = "Which of these labels belongs to the input?"


def question(
    text: str, labels: Sequence[str], instructions: str, descriptions: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what is asked about a text: which of the labels it has, with what is said of some of them."""
    said = descriptions or {}
    choices = [{"value": label, **({"description": said[label]} if label in said else {})} for label in labels]
    asked = {"type": "choice", "instructions": instructions.strip() or INSTRUCTIONS, "choices": choices}
    return {"input": text, "questions": [asked]}


def check_labels(labels: Sequence[str]) -> None:
    """Raise `EndpointError` (``E_ENDPOINT``) for labels that no decision API can be asked for."""
    if not LEAST_CHOICES <= len(labels) <= MOST_CHOICES:
        what = f"a decision API answers for {LEAST_CHOICES} to {MOST_CHOICES} labels, and there are {len(labels):,}"
        raise EndpointError("E_ENDPOINT", what, fix="ask its chat API: --endpoint-api chat")


def read_answer(body: Mapping[str, Any]) -> tuple[str | None, float | None] | None:
    """Return the choice and its probability; (``None``, ``None``) for a refusal, ``None`` for what is no decision.

    The probability is that of the choice among those listed, or the confidence where none are.
    """
    answers = body.get("answers")
    answer = answers[0] if isinstance(answers, list) and len(answers) == 1 else None
    if not isinstance(answer, Mapping):
        return None
    if answer.get("type") == "refusal":
        return None, None
    choice = answer.get("choice")
    if answer.get("type") != "choice" or not isinstance(choice, str):
        return None
    listed = answer.get("probabilities")
    shares = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    of_choice = [one.get("probability") for one in shares if one.get("value") == choice]
    confidence = of_choice[0] if of_choice else answer.get("confidence")
    return choice, _share(confidence)


def _share(value: object) -> float | None:
    """Return a probability as a number; ``None`` for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= 1 else None
