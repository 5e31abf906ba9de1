"""A large model as judge: what it sees, how its words are read, and what its opinions come to."""

from __future__ import annotations

import json
import math
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa
from tests.stub_api import Response, Seen, refuses, says, serving

from ockham.api.client import EndpointSpec
from ockham.api.judge import JudgeCase, LlmJudge, Opinion
from ockham.errors import EndpointError
from ockham.evals import judge_agreement
from ockham.records import Score

CASES = [JudgeCase(input=f"question {n}", target=f"target {n}", answer=f"answer {n}") for n in range(5)]


def spec_of(url: str, **more: Any) -> EndpointSpec:
    return EndpointSpec(url=url, model="big", key_env="", concurrency=1, retries=0, **more)


def judged(url: str, *chunks: list[JudgeCase]) -> list[Opinion]:
    with closing(LlmJudge(spec_of(url))) as judge:
        return [one for chunk in chunks for one in judge.judge(chunk)]


def shown(seen: Seen) -> dict[str, str]:
    """Give what the judge was shown."""
    found: dict[str, str] = json.loads(seen.body["messages"][-1]["content"])
    return found


def test_the_judge_sees_three_strings_and_is_bound_to_two_verdicts() -> None:
    with serving(lambda number, _: says('{"verdict": "right"}' if number % 2 else '{"verdict": "wrong"}')) as api:
        found = judged(api.url, CASES)
    assert [one.right for one in found] == [False, True, False, True, False]
    assert [(one.tokens_in, one.tokens_out) for one in found] == [(100, 2)] * 5
    assert [shown(seen) for seen in api.seen] == [
        {"input": case.input, "target": case.target, "answer": case.answer} for case in CASES
    ]
    schema = api.seen[0].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["verdict"]["enum"] == ["right", "wrong"]


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ('{"verdict": "right"}', True),
        ("Right.", True),
        (" wrong\n", False),
        ('"wrong"', False),
        ("right or wrong", None),
        ("The answer is right", None),
        ('{"verdict": "maybe"}', None),
        ('{"verdict": 1}', None),
        ("", None),
        ("[true]", None),
    ],
)
def test_what_is_neither_verdict_is_no_opinion(said: str, right: bool | None) -> None:
    with serving(lambda _number, _seen: says(said)) as api:
        assert [one.right for one in judged(api.url, CASES[:2])] == [right, right]


def test_an_api_that_cannot_be_bound_is_asked_freely() -> None:
    def script(_number: int, seen: Seen) -> Response:
        return refuses(400, "unknown_parameter") if "response_format" in seen.body else says("right")

    with serving(script) as api:
        assert [one.right for one in judged(api.url, CASES[:3], CASES[3:])] == [True] * 5
    assert sum("response_format" in seen.body for seen in api.seen) == 1, "which the first case finds out"
    assert len(api.seen) == 6


def test_a_refusal_that_nothing_can_mend_is_raised() -> None:
    with serving(lambda _number, _seen: refuses(401)) as api, pytest.raises(EndpointError):
        judged(api.url, CASES)


def test_a_key_that_is_not_set_is_said_before_anything_is_sent() -> None:
    with pytest.raises(EndpointError) as caught:
        LlmJudge(EndpointSpec(url="http://127.0.0.1:9/v1", model="big", key_env="JUDGE_KEY"), environment={})
    assert "JUDGE_KEY" in caught.value.message


def score(number: int, right: bool, cluster: int | None = None) -> Score:
    return Score(example=str(number), answer="a", target="t", value=float(right), cluster=cluster)


def test_kappa_is_that_of_another_implementation() -> None:
    counts = (50, 12, 7, 31)
    table = np.repeat(np.eye(4), counts, axis=0)
    theirs = cohens_kappa(np.array([[counts[0], counts[1]], [counts[2], counts[3]]]))
    ours = judge_agreement.kappa(table, None)
    assert ours is not None
    assert ours.value == pytest.approx(theirs.kappa, abs=1e-12)
    # Theirs is the large-sample formula of Fleiss, Cohen and Everitt (1969).
    assert (ours.high - ours.low) / 2 == pytest.approx(1.959964 * math.sqrt(theirs.var_kappa), rel=0.03)


def test_kappa_covers_its_true_value() -> None:
    # Two judges that are each right about a hidden truth in 85 and 90 % of the cases: kappa follows from the shares.
    truth, first, second = 0.4, 0.85, 0.9
    cells = [
        truth * first * second + (1 - truth) * (1 - first) * (1 - second),
        truth * first * (1 - second) + (1 - truth) * (1 - first) * second,
        truth * (1 - first) * second + (1 - truth) * first * (1 - second),
        truth * (1 - first) * (1 - second) + (1 - truth) * first * second,
    ]
    chance = (cells[0] + cells[1]) * (cells[0] + cells[2]) + (cells[2] + cells[3]) * (cells[1] + cells[3])
    known = (cells[0] + cells[3] - chance) / (1 - chance)
    draw, held = np.random.default_rng(1), 0
    for _ in range(300):
        found = judge_agreement.kappa(np.eye(4)[draw.choice(4, size=200, p=cells)], None)
        assert found is not None
        held += found.low <= known <= found.high
    assert held >= 0.91 * 300


def test_opinions_are_counted_against_exact_scores() -> None:
    scores = [score(n, n < 6, cluster=n // 2) for n in range(10)]
    said = [True, True, True, True, False, None, True, True, False, False]
    found = judge_agreement.summarize_opinions("big", scores, said, 0.5)
    assert (found.both_right, found.judge_alone, found.exact_alone, found.both_wrong) == (4, 2, 1, 2)
    assert found.unusable == 1
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(6 / 9)
    assert found.accuracy.n == 9
    assert found.kappa is not None
    assert found.kappa.n == 9
    assert judge_agreement.summarize_opinions("big", scores, [None] * 10, None).accuracy is None
    one_sided = judge_agreement.summarize_opinions("big", scores[:5], [True] * 5, None)
    assert one_sided.kappa is None, "nothing can be agreed on where all is one thing"
