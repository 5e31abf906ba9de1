"""The climb of a tagger: measured where targets are parts of their texts, skipped with a reason where they are not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ockham.bundles.predict import predict
from ockham.ladder import run_folder
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Requirements

pytestmark = pytest.mark.tune

CITIES = ("Graz", "Linz", "Wels", "Steyr", "Ried", "Enns", "Perg", "Traun")
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def trips() -> Rows:
    """Sentences about trips with their fields as JSON: a list of stops, a number, and sometimes a day."""
    draw = random.Random(3)
    rows = []
    for number in range(120):
        start, *stops = draw.sample(CITIES, draw.choice([2, 3]))
        seats, day = draw.randint(1, 9), draw.choice(["Monday", "Friday", ""])
        noise = "".join(draw.choices("bcdfgklmnprst", k=12))
        on = f" on {day}" if day else ""
        text = f"Ticket {number} {noise}: {seats} seats from {start} to {' and '.join(stops)}{on} 🚆, please"
        target = {"from": start, "to": stops, "seats": seats, **({"day": day.lower()} if day else {})}
        rows.append({"input": text, "target": json.dumps(target)})
    return rows


@pytest.mark.slow
def test_a_tagger_extracts_what_stands_in_the_text(trips: Rows, tmp_path: Path) -> None:
    spec = FitSpec(rungs=("constant", "lookup", "encoder-tuned", "encoder-tagger"), epochs=6, batch=4, all=True)
    verdict = fit(trips, spec, Requirements(), out=tmp_path / "run")
    assert (verdict.task, verdict.metric, verdict.chosen) == ("extract", "f1_micro", "encoder-tagger")
    by_name = {line.name: line for line in verdict.candidates}
    assert by_name["encoder-tuned"].why == "it answers with labels only, and the task is extract"
    tagged, looked = by_name["encoder-tagger"], by_name["lookup"]
    assert (tagged.rung, tagged.status) == (4, "measured")
    assert tagged.metrics["f1_micro"].low > looked.metrics["f1_micro"].high
    account = run_folder.load_result(tmp_path / "run")
    report = next(r for r in account.reports if r.candidate.name == "encoder-tagger")
    assert {part.label for part in report.per_label} == {"day", "from", "seats", "to"}
    assert report.candidate.settings["reachable"] == 1.0
    assert report.candidate.kind == "tagger"
    (parity,) = account.parity["encoder-tagger"]
    assert parity.agreement.value > 0.8
    assert account.training["encoder-tagger"][0].epoch == 0
    for score in report.scores:
        value = json.loads(str(score.answer))
        assert set(value) <= {"from", "to", "seats", "day"}
        assert isinstance(value["to"], list), "a required list is there, if empty"
        assert isinstance(value.get("seats", 0), int)
        text = account.examples[score.example].input
        assert all(part in text for part in [value["from"], *value["to"], value.get("day", "")])
    assert fit(trips, spec, Requirements(), out=tmp_path / "run") == verdict
    asked = [{"input": account.examples[score.example].input} for score in report.scores]
    found = [(row.answer, row.confidence) for row in predict(tmp_path / "run", asked)]
    assert found == [(score.answer, score.confidence) for score in report.scores]


def test_what_does_not_stand_in_the_texts_is_no_task_for_a_tagger(trips: Rows, tmp_path: Path) -> None:
    kinds = ("short", "long")
    rows = [
        {**row, "target": json.dumps({"kind": kinds[len(row["input"]) % 2], "n": place, "to": "Graz"})}
        for place, row in enumerate(trips)
    ]
    spec = FitSpec(rungs=("constant", "encoder-tagger"))
    line = fit(rows, spec, out=tmp_path / "run").candidates[1]
    assert line.status == "skipped"
    assert line.why.startswith("it marks values in the text, and of those of the training targets 4")
    assert line.why.endswith(" % stand in theirs as whole words (50 % is the minimum)")
    labels = [{**row, "target": kinds[len(row["input"]) % 2]} for row in trips]
    line = fit(labels, spec, out=tmp_path / "labels").candidates[1]
    assert (line.status, line.why) == ("skipped", "it extracts fields only, and the task is classify")
