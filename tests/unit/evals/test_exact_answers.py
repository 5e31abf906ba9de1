"""Answers that are right or wrong as a whole: which targets ask for one, and how the answers do."""

from __future__ import annotations

import pytest

from ockham.evals.exact_answers import judge_exact_answers, last_number, result_to_work_out
from ockham.records import Score


@pytest.mark.parametrize(
    ("text", "target", "result"),
    [
        ("Ben has 3 boxes of 12 eggs.", "3 boxes of 12 are 36 eggs, so 36", 36.0),
        ("A desk is 1,200 and a lamp 50.", "Together: 1,250.", 1250.0),
        ("It fell from 2 degrees by 5", "2 - 5 = -3", -3.0),
        ("Half of 5", "**2.50**", 2.5),
        ("Take 36 of 40", "36", None),  # it stands in the text
        ("How many are 36.0 eggs", "36", None),
        ("Name the route", "Take line 7 to the harbour", None),  # it does not end with it
        ("List the towns", "SELECT NAME FROM TOWNS AS T1", None),  # part of a name
        ("Say hello", "Hello", None),
    ],
)
def test_a_target_asks_for_a_result_by_the_number_at_its_end(text: str, target: str, result: float | None) -> None:
    assert result_to_work_out(text, target) == result


def test_an_answer_is_judged_by_its_last_number() -> None:
    assert last_number("first 4, then 1,036 eggs in all") == 1036.0
    assert last_number("no idea") is None
    assert last_number(None) is None


def scores(*answers: str | None) -> list[Score]:
    targets = ("so it is 30", "so it is 41", "so it is 52", "there is none of them")
    return [
        Score(example=str(place), answer=answer, target=target, value=0.0)
        for place, (answer, target) in enumerate(zip(answers, targets, strict=True))
    ]


def test_each_candidate_is_judged_on_the_rows_that_ask() -> None:
    texts = {str(place): f"question about {place}" for place in range(4)}
    results = judge_exact_answers(
        texts, {"a": scores("30", "so 41 then", "52.0", "x"), "b": scores("31", None, "it", "52")}
    )
    assert results is not None
    assert (results.rows, results.tested) == (3, 4)
    assert (results.right["a"].value, results.right["b"].value) == (1.0, 0.0)
    assert results.right["a"].n == 3


def test_short_answers_are_right_or_wrong_as_a_whole() -> None:
    targets = ("(A)", "not true", "False", "sorted words that go on")
    rows = [
        Score(example=str(place), answer="x", target=target, value=float(place < 1))
        for place, target in enumerate(targets)
    ]
    exact = judge_exact_answers({}, {"a": rows})
    assert exact is not None
    assert (exact.rows, exact.tested, exact.what) == (3, 4, "the answer is a word or two")
    assert exact.right["a"].value == pytest.approx(1 / 3)


def test_a_task_of_which_few_rows_ask_is_left_alone() -> None:
    texts = {"0": "question", "1": "is it 41", "2": "is it 52", "3": "question"}
    assert judge_exact_answers(texts, {"a": scores("30", "41", "52", "none")}) is None
    assert judge_exact_answers({}, {}) is None
