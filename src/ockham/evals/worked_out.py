"""Answers that have to be worked out: a number that stands at their end and nowhere in the text that asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ockham.evals.intervals import proportion
from ockham.records import Score
from ockham.verdict.sentences import WorkedOutResults

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")
_BEHIND = " \t\r\n.%)}]\"'*"
"""What may stand behind the last number of an answer."""
_SHARE = 0.5
"""A task is one of working out where so large a share of its test rows is."""


def result_to_work_out(text: str, target: str) -> float | None:
    """Return the number that a target ends with, where the text does not hold it; else ``None``."""
    end = target.rstrip(_BEHIND)
    numbers = list(_NUMBER.finditer(end))
    if not numbers or numbers[-1].end() != len(end):
        return None
    result = _value(numbers[-1])
    return None if result in {_value(number) for number in _NUMBER.finditer(text)} else result


def last_number(answer: str | None) -> float | None:
    """Return the last number of an answer, or ``None``."""
    numbers = list(_NUMBER.finditer(answer or ""))
    return _value(numbers[-1]) if numbers else None


def judge_results(texts: Mapping[str, str], scores: Mapping[str, Sequence[Score]]) -> WorkedOutResults | None:
    """Judge the last numbers of answers, by candidate; ``None`` where fewer than half of the rows ask for any.

    ``texts`` are the inputs of the test rows by their ids, ``scores`` the same rows' answers of each candidate.
    """
    rows = next(iter(scores.values()), ())
    wanted = {
        score.example: result
        for score in rows
        if (result := result_to_work_out(texts.get(score.example, ""), score.target)) is not None
    }
    if not rows or len(wanted) < _SHARE * len(rows):
        return None
    right = {
        name: proportion(
            [float(last_number(one.answer) == wanted[one.example]) for one in mine if one.example in wanted]
        )
        for name, mine in scores.items()
    }
    return WorkedOutResults(rows=len(wanted), tested=len(rows), right=right)


def _value(number: re.Match[str]) -> float:
    return float(number[0].replace(",", ""))
