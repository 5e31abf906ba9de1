"""The parity gate: what passes, what is told, what stops."""

from __future__ import annotations

import random

import pytest

from ockham.errors import ModelError
from ockham.evals import parity, tasks
from ockham.records import Answer, Example, Parity

TARGETS = ["a", "b"] * 200


def worse(rows: int) -> list[str]:
    """Answer all right but so many rows."""
    return ["x" if place < rows else target for place, target in enumerate(TARGETS)]


def compare(step: str, before: list[str], after: list[str]) -> Parity:
    rows = [Example(id=str(place), input="", target=target) for place, target in enumerate(TARGETS)]
    was, now = (
        tasks.score_answers("classify", rows, [Answer(value=one) for one in answers]) for answers in (before, after)
    )
    return parity.compare(step, was, now, "accuracy")


def check(before: list[str], after: list[str], *, exact: bool = False) -> None:
    parity.check(compare("quantizing", before, after), "the cause", "the next step", exact=exact)


def test_equal_answers_agree_wholly() -> None:
    found = compare("merging", TARGETS, TARGETS)
    assert (found.agreement.value, found.agreement.n) == (1.0, 400)
    assert found.difference.value == 0
    assert found.difference.low < 0 < found.difference.high
    check(TARGETS, TARGETS)


def test_changes_that_cost_nothing_pass() -> None:
    shuffled = random.Random(0).sample(range(400), 40)
    before = [target if place not in shuffled[:20] else "x" for place, target in enumerate(TARGETS)]
    after = [target if place not in shuffled[20:] else "x" for place, target in enumerate(TARGETS)]
    found = compare("quantizing", before, after)
    assert found.agreement.value == 0.9
    assert found.difference.value == 0
    check(before, after)


def test_a_loss_that_may_be_chance_passes() -> None:
    assert compare("quantizing", TARGETS, worse(3)).difference.value == pytest.approx(-0.0075)
    check(TARGETS, worse(3))


def test_a_loss_beyond_chance_stops_and_names_step_and_cause() -> None:
    with pytest.raises(ModelError, match=r"quantizing cost 7\.5 %.*92\.5 % of 400.*the cause") as caught:
        check(TARGETS, worse(30))
    assert caught.value.code == "E_PARITY"
    assert caught.value.fix == "the next step"


def test_a_gain_never_stops() -> None:
    check(worse(30), TARGETS)


def test_a_step_that_should_change_nothing_must_leave_nine_answers_in_ten_as_they_were() -> None:
    before = [target if place % 2 else "x" for place, target in enumerate(TARGETS)]
    after = ["y" if answer == "x" else answer for answer in before]
    check(before, after)
    with pytest.raises(ModelError, match=r"quantizing changed the answers \(50\.0 % of 400"):
        check(before, after, exact=True)
    check(TARGETS, worse(1), exact=True)
