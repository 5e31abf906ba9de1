"""What leaks are worth is told of the same rows, paired, and never more than leaks can move."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.sample_letters import letters

from ockham.data.prepare import prepare
from ockham.data.split import SplitSpec
from ockham.ladder import diagnostics
from ockham.ladder.diagnostics import learning_gain, split_optimism
from ockham.readers.read import ReadSpec
from ockham.records import CurvePoint, Estimate, SplitOptimism
from ockham.rungs.rung import BuildConfig, RunContext
from ockham.tuning.tune_spec import TuneSpec


class Forgetful:
    """A run that keeps nothing."""

    def load(self, *_: object) -> None:
        """Find nothing."""

    def artifact(self, *_: object) -> None:
        """Find nothing."""

    def save(self, *_: object) -> None:
        """Keep nothing."""


def optimism(rows: list[dict[str, str]], seed: int = 0) -> SplitOptimism:
    spec = SplitSpec(seed=seed, valid_share=0.2)
    fitted = prepare(rows, ReadSpec(), spec, test=None, task_name=None, on_progress=lambda _: None)
    plan = BuildConfig(task="classify", metric="accuracy", seed=seed, encoder=None, tune=TuneSpec(), endpoint=None)
    context = RunContext(fitted, plan, cast("Any", Forgetful()), lambda _: None)
    return split_optimism(context)[0]


def hard_rows(count: int) -> list[dict[str, str]]:
    """Make rows whose label says little: which of them are asked about makes a large difference by itself."""
    return [{"text": f"{text} w{n % 13}", "label": "abc"[n * n % 7 % 3]} for n, (text, _) in enumerate(letters(count))]


@pytest.mark.parametrize("seed", range(4))
def test_the_difference_is_no_larger_than_the_leaks_can_make_it(seed: int) -> None:
    rows = hard_rows(300)
    rows += [{"text": rows[n]["text"], "label": rows[n]["label"]} for n in (3, 60, 100, 140, 200, 260)]
    found = optimism(rows, seed)
    assert abs(found.difference.value) <= found.leaks / found.naive.n + 1e-9
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.naive.value - found.guarded.value == pytest.approx(found.difference.value)
    assert found.naive.n == found.guarded.n == found.difference.n


def test_rows_without_leaks_are_worth_nothing() -> None:
    words = [f"{chr(97 + n % 26) * 5}{chr(97 + n // 26 % 26) * 4}" for n in range(400)]
    rows = [
        {"text": " ".join(words[(n * k) % 400] for k in (1, 7, 11, 13)), "label": "ab"[n % 2]} for n in range(1, 300)
    ]
    found = optimism(rows)
    assert (found.leaks, found.difference.value) == (0, 0.0)
    assert found.difference.low < 0 < found.difference.high


def test_many_leaks_are_worth_much() -> None:
    rows = hard_rows(120)
    rows += [{"text": f"{row['text']}!", "label": row["label"]} for row in rows]
    found = optimism(rows)
    assert found.leaks > 20
    assert found.difference.low > 0


def test_of_very_many_rows_whole_clusters_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = hard_rows(120)
    rows += [{"text": f"{row['text']}!", "label": row["label"]} for row in rows]
    every = optimism(rows)
    monkeypatch.setattr(diagnostics, "MOST_SPLIT_ROWS", 120)
    part = optimism(rows)
    assert every.learnt_rows > 120 > part.learnt_rows > 60
    assert part.leaks > 0.5 * part.naive.n, "a twin is drawn with its twin"
    assert part.difference.low <= part.difference.value <= part.difference.high


def test_the_gain_of_more_rows_is_that_of_the_rung_that_ends_highest() -> None:
    def point(name: str, rows: int, share: float, value: float) -> CurvePoint:
        return CurvePoint(
            candidate=name, rows=rows, share=share, metric=Estimate(value=value, low=value, high=value, n=69)
        )

    curve = [point("linear", 242, 0.5, 0.7), point("linear", 484, 1.0, 0.8), point("encoder", 484, 1.0, 0.75)]
    gain = learning_gain(curve)
    assert gain is not None
    assert (gain.name, gain.rows, gain.more_rows, round(gain.points, 9)) == ("linear", 242, 484, 10.0)
    assert learning_gain([]) is None
    assert learning_gain(curve[1:]) is None
