"""A climb over questions with options: asked in random order, and how steady the answers are."""

from __future__ import annotations

import random
from pathlib import Path

from tests.unit.data.test_multiple_choice import COLOURS, question

from ockham.bundles.predict import evaluate
from ockham.ladder import run_folder
from ockham.ladder.fit import FitSpec, fit


def test_a_climb_asks_in_random_order_and_tells_how_steady_answers_are(tmp_path: Path) -> None:
    # In nine rows of ten the first option is right, so that a model which always takes it would look good.
    draw = random.Random(2)
    made = [draw.choices("bcdfghjklmnpqrstvwxyz", k=24) for _ in range(400)]
    rows = []
    for number, letters in enumerate(made):
        row = question(number, draw.sample(COLOURS, 4), 0 if number % 10 else 2, form="X")
        rows.append({"input": f"{''.join(letters)} {row.input}", "target": row.target})
    spec = FitSpec(rungs=("constant", "lookup"), all=True)
    verdict = fit(rows, spec, out=tmp_path / "run")
    assert verdict.task == "choose"
    constant = next(one for one in verdict.candidates if one.name == "constant")
    assert constant.metrics["accuracy"].value < 0.5, "A is right in 90 % of the file, and in a quarter of what is asked"
    report = next(one for one in run_folder.load_result(tmp_path / "run").reports if one.candidate.name == "constant")
    assert report.order_consistency is not None
    asked = report.order_consistency
    assert asked.n == verdict.dataset.test
    assert 0 < asked.value < 0.5, "the mark stays, the option behind it changes"
    assert asked.low < asked.value < asked.high
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The same question, its options in another order" in page

    measured = evaluate(tmp_path / "run", rows)
    answer = {score.answer for score in measured.scores}
    assert len(answer) <= 4
    assert measured.metrics["accuracy"].value < 0.95
