"""A climb whose metric is a scorer of another package, measured again by `ockham.eval`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests.unit.evals.test_scorer_plugs import data, site

import ockham
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Requirements

__all__ = ["data", "site"]


@pytest.mark.usefixtures("site")
def test_a_climb_is_decided_by_the_scorer(data: Path, tmp_path: Path) -> None:
    spec = FitSpec(rungs=("constant", "linear"), scorer="overlap:case=true", all=True)
    verdict = fit(data, spec, Requirements(min_score=0.8), out=tmp_path / "run")
    assert verdict.metric == "score"
    assert verdict.chosen == "linear"
    assert "score" in verdict.because
    assert verdict.scorer is not None
    assert (verdict.scorer.name, verdict.scorer.package) == ("overlap", "acme-overlap 1.0")
    assert verdict.scorer.settings == {"case": True}
    constant = next(one for one in verdict.candidates if one.name == "constant")
    estimate = constant.metrics["score"]
    assert constant.metrics["accuracy"].value < estimate.value < 1, "half of the answers share some letters"
    assert constant.meets == {"min_score": "misses"}
    result = ockham.load_result(tmp_path / "run")
    assert result.comparisons[0].metric == "score"
    assert result.verdict == verdict
    page = (tmp_path / "run/report.html").read_text("utf-8")
    assert "the scorer overlap (shared letters) of acme-overlap 1.0" in page
    again = fit(data, spec, Requirements(min_score=0.8), out=tmp_path / "run")
    assert again == verdict
    report = ockham.eval(tmp_path / "run", data, ockham.EvalSpec(scorer="overlap"))
    assert next(iter(report.metrics)) == "score"
    assert report.scorer is not None
    assert report.scorer.settings == {"case": False}
    plain = fit(data, dataclasses.replace(spec, scorer=None), out=tmp_path / "run")
    assert plain.metric == "accuracy"
    assert plain.scorer is None
    assert "score" not in plain.candidates[0].metrics
    assert plain.test_evaluations == 2, "another scorer is another look at the test set"
