"""Written answers that are right or wrong as a whole, however much a wrong one resembles the target.

A number that has to be worked out: it stands at the target's end and nowhere in the text that asks for it. Or an answer
of a word or two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from ockham.evals.intervals import proportion
from ockham.records import Score
from ockham.verdict.sentences import ExactAnswers

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")
_BEHIND = " \t\r\n.%)}]\"'*"
"""What may stand behind the last number of an answer."""
_SHARE = 0.5
"""A task is one of such answers where so large a share of its test rows is."""
_FEW_WORDS = 2
_NUMBERS = "the answer ends with a number that the text does not hold"
_SHORT = "the answer is a word or two"


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


def judge_exact_answers(texts: Mapping[str, str], scores: Mapping[str, Sequence[Score]]) -> ExactAnswers | None:
    """Judge by candidate the results that have to be worked out, or else the short answers.

    ``None`` where fewer than half of the rows ask for such. ``texts`` are the inputs of the test rows by their ids,
    ``scores`` the same rows' answers of each candidate.
    """
    rows = next(iter(scores.values()), ())
    wanted = {
        score.example: result
        for score in rows
        if (result := result_to_work_out(texts.get(score.example, ""), score.target)) is not None
    }
    short = {score.example for score in rows if len(score.target.split()) <= _FEW_WORDS}
    if rows and len(wanted) >= _SHARE * len(rows):
        return _judge(scores, wanted, len(rows), _NUMBERS, lambda one: last_number(one.answer) == wanted[one.example])
    if rows and len(short) >= _SHARE * len(rows):
        return _judge(scores, short, len(rows), _SHORT, lambda one: one.value == 1.0)
    return None


def _judge(
    scores: Mapping[str, Sequence[Score]],
    rows: Collection[str],
    tested: int,
    what: str,
    is_right: Callable[[Score], bool],
) -> ExactAnswers:
    right = {
        name: proportion([float(is_right(one)) for one in mine if one.example in rows]) for name, mine in scores.items()
    }
    return ExactAnswers(rows=len(rows), tested=tested, what=what, right=right)


def _value(number: re.Match[str]) -> float:
    return float(number[0].replace(",", ""))
