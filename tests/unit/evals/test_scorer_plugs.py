"""Scorers as the metric: their interval, the comparison, requirements, and a climb and a measurement end to end."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sample_package import OVERLAP, write_package

from ockham.errors import ConfigError, PlugError
from ockham.evals import tasks
from ockham.evals.comparison import compare
from ockham.evals.intervals import bounded_mean, wilson
from ockham.evals.scorer_plugs import load_scorer
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Answer, Example, Requirements, Score


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with the scorer `overlap` on the path."""
    folder = write_package(tmp_path / "site", "scorers", "overlap", OVERLAP)
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("acme_overlap", None)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    words = {"billing": ("invoice", "refund", "payment"), "delivery": ("parcel", "courier", "late")}
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        for number in range(240):
            label = ("billing", "delivery")[number % 2]
            topic = words[label][number % 3]
            writer.writerow([f"{topic} {chr(97 + number % 26)}{number * 7919 % 1000} about order {number}", label])
    return path


DRAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "uniform": lambda rng, n: rng.uniform(size=n),
    "high": lambda rng, n: rng.beta(10, 1, size=n),
    "narrow": lambda rng, n: rng.beta(60, 40, size=n),
    "both ends": lambda rng, n: rng.beta(0.2, 0.2, size=n),
    "nearly right, at times quite wrong": lambda rng, n: np.where(
        rng.uniform(size=n) < 0.05, 0.0, rng.uniform(0.97, 1, size=n)
    ),
    "right, half or wrong": lambda rng, n: rng.choice([0.0, 0.5, 1.0], size=n, p=[0.03, 0.07, 0.9]),
}
TRUTHS = {
    "uniform": 0.5,
    "high": 10 / 11,
    "narrow": 0.6,
    "both ends": 0.5,
    "nearly right, at times quite wrong": 0.95 * 0.985,
    "right, half or wrong": 0.935,
}


@pytest.mark.parametrize("name", sorted(DRAWS))
@pytest.mark.parametrize("rows", [20, 100])
def test_the_interval_of_a_mean_score_holds_the_truth_as_often_as_it_says(name: str, rows: int) -> None:
    rng, inside = np.random.default_rng(11), 0
    for _ in range(400):
        estimate = bounded_mean(DRAWS[name](rng, rows).tolist())
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        inside += estimate.low <= TRUTHS[name] <= estimate.high
    # 95 % less three standard errors of 400 draws
    assert inside / 400 >= 0.917


def test_the_interval_is_wilsons_where_scores_are_right_or_wrong() -> None:
    assert bounded_mean([1.0] * 45 + [0.0] * 5) == wilson(45, 50)


def test_equal_scores_are_not_certain() -> None:
    estimate = bounded_mean([0.8] * 100)
    assert estimate.low < 0.79 < 0.8 < estimate.high
    assert bounded_mean([0.8]).low < 0.3


def test_rows_in_clusters_say_less() -> None:
    values = [0.9, 0.4, 0.7, 0.2, 0.8] * 8
    alone = bounded_mean(values)
    together = bounded_mean(values, [place % 5 for place in range(40)])
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 6))
def test_the_interval_stays_inside(values: list[float], groups: int) -> None:
    for estimate in (bounded_mean(values), bounded_mean(values, [place % groups for place in range(len(values))])):
        assert 0 <= estimate.low <= estimate.value + 1e-12
        assert estimate.value - 1e-12 <= estimate.high <= 1


def graded(grades: list[float]) -> list[Score]:
    return [Score(example=str(n), answer="a", target="b", value=0.0, grade=grade) for n, grade in enumerate(grades)]


def test_a_comparison_is_paired_and_never_certain() -> None:
    rng = np.random.default_rng(5)
    base = rng.uniform(0.2, 0.8, size=120)
    better = compare(graded((base + 0.1).tolist()), graded(base.tolist()), "score")
    assert better.difference.value == pytest.approx(0.1)
    assert 0.05 < better.difference.low < 0.1 < better.difference.high < 0.15
    assert 0 < better.p_value < 0.001
    same = compare(graded(base.tolist()), graded(base.tolist()), "score")
    assert same.difference.value == 0
    assert same.difference.low < 0 < same.difference.high
    assert same.p_value == pytest.approx(1)


def test_no_answer_scores_0_and_is_not_asked_about(site: Path) -> None:
    scorer = load_scorer("overlap")
    rows = [Example(id=str(n), input="x", target="ab") for n in range(3)]
    scores = tasks.score_answers("generate", rows, [Answer(value="AB"), Answer(value=None), Answer(value="b")], scorer)
    assert [score.grade for score in scores] == [1.0, 0.0, 0.5]
    every = tasks.estimate_metrics("generate", scores, ())
    assert next(iter(every)) == "score"
    assert every["score"].value == pytest.approx(0.5)
    assert set(every) > {"chrf", "rouge_l", "accuracy"}
    assert tasks.metric_value("generate", "score", ["ab", "ab"], ["ab", None], scorer) == 0.5


def test_a_required_score_needs_a_scorer() -> None:
    needs = Requirements(min_score=0.9)
    with pytest.raises(ConfigError, match="min_score needs a scorer"):
        tasks.metric_for("classify", needs)
    assert tasks.metric_for("classify", needs, load_scorer("similarity")) == "score"
    assert tasks.metric_for("classify", Requirements(min_accuracy=0.5), load_scorer("similarity")) == "score"


def test_the_command_takes_a_scorer_from_a_flag_and_from_the_settings_file(
    site: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ockham.cli.commands import run as command

    monkeypatch.chdir(tmp_path)
    rung = ("--rung", "constant", "--json", "-q")
    command(["fit", str(data), "--out", "flag", *rung, "--scorer", "overlap:case=true", "--min-score", "0.1"])
    by_flag = json.loads(capsys.readouterr().out)
    (tmp_path / "ockham.toml").write_text(
        '[fit]\nmin_score = 0.1\nscorer = {name = "overlap", settings = {case = true}}\n'
    )
    command(["fit", str(data), "--out", "file", *rung])
    by_file = json.loads(capsys.readouterr().out)
    assert by_flag["scorer"] == by_file["scorer"]
    assert by_flag["metric"] == by_file["metric"] == "score"
    assert by_flag["requirements"]["min_score"] == 0.1
    assert command(["eval", "flag", str(data), "--scorer", "overlap"]) == 0
    assert "score " in capsys.readouterr().out


def test_a_scorer_that_fails_in_a_climb_is_named_without_a_row(site: Path, data: Path, tmp_path: Path) -> None:
    broken = OVERLAP.replace("letters = set", "raise KeyError(target)\n    letters = set")
    write_package(site, "scorers", "overlap", broken)
    sys.modules.pop("acme_overlap", None)
    with pytest.raises(PlugError, match=r"the scorer overlap .* raised KeyError at acme_overlap.py, line") as caught:
        fit(data, FitSpec(rungs=("linear",), scorer="overlap"), out=tmp_path / "run")
    assert "billing" not in str(caught.value)
