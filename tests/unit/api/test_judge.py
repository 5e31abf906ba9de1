"""A large model as judge: what it sees, how its words are read, and what its opinions come to."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa
from tests.stub_api import Response, Seen, refuses, says, serving

from ockham.api.client import EndpointSpec
from ockham.api.judge import JudgeCase, LlmJudge, Opinion
from ockham.errors import EndpointError
from ockham.evals import judge_agreement
from ockham.ladder import measure, run_folder
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Progress, Score
from ockham.serving.process import BenchmarkSpec

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


def texts() -> list[dict[str, str]]:
    draw = random.Random(4)
    words = ["".join(draw.choices("abcdefghiklmnoprstu", k=7)) for _ in range(900)]
    return [
        {"input": f"say {n} {' '.join(words[6 * n : 6 * n + 6])}", "target": f"well {words[n]} and {n}"}
        for n in range(120)
    ]


SPEC = FitSpec(rungs=("constant", "lookup"), task="generate", all=True)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_FREE", BenchmarkSpec(seconds=0, most=20, rounds=1))


def counting(verdict: Callable[[dict[str, str]], str], stop: int) -> Callable[[int, Seen], Response]:
    return lambda number, seen: refuses(402) if number >= stop else says(json.dumps({"verdict": verdict(shown(seen))}))


@pytest.mark.usefixtures("short")
def test_a_climb_asks_the_judge_once_and_without_one_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Progress] = []

    def verdict(case: dict[str, str]) -> str:
        return "right" if case["answer"].split()[0] == case["target"].split()[0] else "wrong"

    with serving(counting(verdict, 40)) as api:
        judge = spec_of(api.url, price_in=1.0, price_out=2.0)
        spec = FitSpec(rungs=SPEC.rungs, task="generate", all=True, judge=judge)
        first = fit(texts(), spec, out=tmp_path / "run", on_progress=told.append)
        broken = run_folder.load_result(tmp_path / "run")
        assert any("the judge stopped (E_ENDPOINT" in said for said in broken.warnings)
        assert first.chosen is not None, "a judge that fails takes nothing from the run"
        before = len(api.seen)
        api.script = counting(verdict, 10_000)
        assert fit(texts(), spec, out=tmp_path / "run") == first
        rows = first.dataset.test
        assert rows <= 32, "the answers of a candidate are kept together"
        assert len(api.seen) - before == rows, "those of the first candidate were whole, those of the second were not"
        after = len(api.seen)
        fit(texts(), spec, out=tmp_path / "run")
        assert len(api.seen) == after, "a judge is asked once"
    (announced,) = [one.message for one in told if one.stage == "judge"]
    assert announced.startswith(f"at most {rows} rows go to 127.0.0.1:")
    assert f": {2 * rows} test answers with question and target; about 0." in announced
    for seen in api.seen:
        assert set(shown(seen)) == {"input", "target", "answer"}
        assert not any(name in json.dumps(seen.body) for name in ("lookup", "constant", "candidate"))
    found = run_folder.load_result(tmp_path / "run")
    assert set(found.judge_summaries) == {"constant", "lookup"}
    one = found.judge_summaries["lookup"]
    assert one.accuracy is not None
    assert (one.accuracy.value, one.accuracy.n, one.unusable) == (1.0, rows, 0), "every text begins with the same word"
    assert (one.both_right, one.judge_alone, one.exact_alone, one.both_wrong) == (0, rows, 0, 0)
    assert one.cost == pytest.approx(rows * (100 * 1.0 + 2 * 2.0) / 1e6)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "What a large model says about the answers" in page
    assert "The verdict does not rest on it" in page

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(httpx.Client, "stream", refuse)
    plain = fit(texts(), SPEC, out=tmp_path / "without")
    assert run_folder.load_result(tmp_path / "without").judge_summaries == {}
    assert "What a large model says" not in (tmp_path / "without" / "report.html").read_text(encoding="utf-8")
    assert plain.chosen == first.chosen
    assert [one.metrics for one in plain.candidates] == [one.metrics for one in first.candidates]


@pytest.mark.usefixtures("short")
def test_a_judge_is_for_written_texts(tmp_path: Path) -> None:
    rows = [{**row, "target": "ab"[n % 2]} for n, row in enumerate(texts())]
    with serving(lambda _number, _seen: says("right")) as api:
        fit(rows, FitSpec(rungs=("constant",), judge=spec_of(api.url)), out=tmp_path / "run")
    assert not api.seen
    assert any("the task is classify" in said for said in run_folder.load_result(tmp_path / "run").warnings)
