"""A whole small climb: what its verdict says, that it can be stopped anywhere, and that the test set stays sealed."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.stub_api import Response, Seen, refuses, says, serving

from ockham.api.client import EndpointSpec
from ockham.errors import ConfigError, RunError
from ockham.ladder import run_folder
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Progress, Requirements, Verdict, plain
from ockham.rungs.rung import RunContext

EXAMPLE = Path(__file__).parents[2] / "examples" / "support_mail.csv"
QUICK = ("constant", "lookup", "linear")
SPEC = FitSpec(inputs=("text",), target="label", rungs=QUICK)
CHEAPEST = dataclasses.replace(SPEC, rungs=("constant", "lookup"))
KEYS = ["ockham", "task", "metric", "dataset", "requirements", "candidates", "chosen", "headline", "because"]
KEYS += ["next", "test_evaluations", "run", "bundle", "sealed", "scorer", "proven"]
DATASET = ["rows", "train", "valid", "test", "digest", "dropped", "leaks_prevented"]
LINE = ["name", "rung", "status", "why", "metrics", "latency_ms", "throughput_per_s", "memory_mb", "artifact_mb"]
LINE += ["fit_seconds", "cost_per_day", "meets", "rows_needed", "named"]

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """The beginnings of 200 mails of the four most frequent labels, with two repeats and a blank."""
    with EXAMPLE.open(encoding="utf-8", newline="") as stream:
        mails = list(csv.DictReader(stream))
    frequent = {label for label, _ in Counter(mail["label"] for mail in mails).most_common(4)}
    kept = [{"text": mail["body"][:300], "label": mail["label"]} for mail in mails if mail["label"] in frequent][:200]
    return [*kept, *kept[:2], {"text": " ", "label": kept[0]["label"]}]


def untimed(verdict: Verdict) -> Any:
    """Give a verdict without what differs from one measuring to the next, and without its place."""
    found = plain(verdict)
    found["next"] = found["next"].replace(found.pop("run"), "RUN")
    for line in found["candidates"]:
        for name in ("fit_seconds", "latency_ms", "throughput_per_s", "memory_mb", "cost_per_day"):
            del line[name]
    return found


@pytest.fixture(scope="module")
def climbed(rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Verdict, list[Progress]]:
    """A finished climb, and everything it told."""
    folder, told = tmp_path_factory.mktemp("climb") / "run", list[Progress]()
    verdict = fit(rows, SPEC, Requirements(requests_per_day=1000), out=folder, on_progress=told.append)
    return folder, verdict, told


def test_the_record_has_the_promised_names_in_order(climbed: tuple[Path, Verdict, list[Progress]]) -> None:
    folder, verdict, _ = climbed
    record = json.loads((folder / "verdict.json").read_bytes())
    assert record == plain(verdict)
    assert list(plain(verdict)) == KEYS
    assert list(plain(verdict)["dataset"]) == DATASET
    for line in plain(verdict)["candidates"]:
        assert list(line) == LINE
        assert list(line["metrics"]) == ["accuracy", "f1_macro", "f1_weighted"]
        assert set(line["metrics"]["accuracy"]) == {"value", "low", "high", "n"}
        assert {"p50", "p95", "p99"} <= set(line["latency_ms"])


def test_the_verdict_adds_up(climbed: tuple[Path, Verdict, list[Progress]], rows: Rows) -> None:
    folder, verdict, _ = climbed
    data = verdict.dataset
    repeats = 202 - len({" ".join(row["text"].split()) for row in rows[:-1]})
    assert data.rows == 203
    assert data.dropped == {"exact_duplicate": repeats, "empty_input": 1}
    assert data.rows == data.train + data.valid + data.test + repeats + 1
    assert [(line.name, line.rung, line.status) for line in verdict.candidates] == [
        ("constant", 0, "measured"),
        ("lookup", 1, "measured"),
        ("linear", 2, "measured"),
    ]
    assert all(line.metrics["accuracy"].n == data.test for line in verdict.candidates)
    assert verdict.metric == "accuracy"
    assert verdict.requirements == {"requests_per_day": 1000.0, "tolerance": 1.0}
    assert verdict.chosen == "linear"
    assert verdict.exit_status == 0
    assert verdict.test_evaluations == 1
    assert verdict.run == str(folder)
    for line in verdict.candidates:
        assert line.fit_seconds is not None
        assert line.memory_mb is not None
        assert line.cost_per_day is not None
        assert 5 < line.memory_mb < 2000
        assert line.cost_per_day > 0


def test_the_constant_scores_what_counting_says(climbed: tuple[Path, Verdict, list[Progress]]) -> None:
    folder, verdict, _ = climbed
    account = run_folder.load_result(folder)
    constant = next(report for report in account.reports if report.candidate.name == "constant")
    seen = [account.examples[score.example].target for score in constant.scores]
    assert constant.scores[0].answer is not None
    share = seen.count(constant.scores[0].answer) / len(seen)
    assert verdict.candidates[0].metrics["accuracy"].value == pytest.approx(share)


def test_the_chosen_bundle_answers_as_it_was_measured(climbed: tuple[Path, Verdict, list[Progress]]) -> None:
    from ockham.bundles.predict import predict

    folder, _, _ = climbed
    account = run_folder.load_result(folder)
    report = next(report for report in account.reports if report.candidate.name == "linear")
    asked = [{"text": account.examples[score.example].input} for score in report.scores]
    found = [(row.answer, row.confidence) for row in predict(folder, asked)]
    assert found == [(score.answer, score.confidence) for score in report.scores]


def test_asking_again_gives_the_identical_verdict_and_opens_nothing(
    climbed: tuple[Path, Verdict, list[Progress]], rows: Rows
) -> None:
    folder, verdict, _ = climbed
    told: list[Progress] = []
    again = fit(rows, SPEC, Requirements(requests_per_day=1000), out=folder, on_progress=told.append)
    assert again == verdict
    assert len((folder / "test_evaluations.jsonl").read_text().splitlines()) == 1
    assert not any(said.message.startswith(("building", "measuring", "studying")) for said in told)


def test_a_csv_file_gives_the_same_numbers(
    climbed: tuple[Path, Verdict, list[Progress]], rows: Rows, tmp_path: Path
) -> None:
    path = tmp_path / "mails.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    found = fit(path, CHEAPEST, Requirements(requests_per_day=1000), out=tmp_path / "run")
    assert found.dataset == climbed[1].dataset
    assert [line.metrics for line in found.candidates] == [line.metrics for line in climbed[1].candidates[:2]]


def test_a_climb_stopped_at_every_message_goes_on_to_the_same_verdict(
    climbed: tuple[Path, Verdict, list[Progress]], rows: Rows, tmp_path: Path
) -> None:
    """One run, stopped anew at each message that the whole climb told, each time one further."""
    messages = [said.message for said in climbed[2] if said.stage in ("climb", "measure")]
    assert len(messages) >= 8
    stopped = 0
    for message in dict.fromkeys(messages):

        def stop(said: Progress, at: str = message) -> None:
            if said.message.partition(":")[0] == at.partition(":")[0]:
                raise KeyboardInterrupt

        try:
            fit(rows, SPEC, Requirements(requests_per_day=1000), out=tmp_path / "run", on_progress=stop)
        except KeyboardInterrupt:
            stopped += 1
    assert stopped >= 8
    found = fit(rows, SPEC, Requirements(requests_per_day=1000), out=tmp_path / "run")
    assert untimed(found) == untimed(climbed[1])
    assert len((tmp_path / "run" / "test_evaluations.jsonl").read_text().splitlines()) == 1


def test_other_requirements_decide_anew_without_building(
    climbed: tuple[Path, Verdict, list[Progress]], rows: Rows
) -> None:
    folder, before, _ = climbed
    told: list[Progress] = []
    found = fit(rows, SPEC, Requirements(min_accuracy=0.999), out=folder, on_progress=told.append)
    assert found.chosen is None
    assert found.exit_status in (3, 4)
    assert found.candidates[0].meets["min_accuracy"] == "misses"
    assert [line.metrics for line in found.candidates] == [line.metrics for line in before.candidates]
    assert not any(said.message.startswith("building") for said in told)
    easy = fit(rows, SPEC, Requirements(min_accuracy=0.05), out=folder)
    assert easy.chosen == "constant"
    assert [line.status for line in easy.candidates] == ["measured", "skipped", "skipped"]
    every = fit(rows, dataclasses.replace(SPEC, all=True), Requirements(min_accuracy=0.05), out=folder)
    assert every.chosen == "constant"
    assert [line.status for line in every.candidates] == ["measured"] * 3


def test_an_unknown_rung_and_a_foreign_run_are_refused(
    climbed: tuple[Path, Verdict, list[Progress]], rows: Rows, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(rows, dataclasses.replace(SPEC, rungs=("linear", "oracle")), out=tmp_path / "run")
    assert caught.value.code == "E_CONFIG"
    assert "'oracle'" in caught.value.message
    for source, spec in ((rows[:-30], SPEC), (rows, dataclasses.replace(SPEC, seed=1))):
        with pytest.raises(RunError) as refused:
            fit(source, spec, out=climbed[0])
        assert refused.value.code == "E_RUN_CHANGED"


def test_the_opening_is_written_down_before_any_test_row_is_answered(
    rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = tmp_path / "run", list[bool]()
    side = RunContext.side

    def spy(context: RunContext, name: Any) -> Any:
        if name == "test":
            asked.append((folder / "test_evaluations.jsonl").exists())
        return side(context, name)

    monkeypatch.setattr(RunContext, "side", spy)
    fit(rows, CHEAPEST, out=folder)
    assert asked
    assert all(asked)


def test_test_labels_change_nothing_but_test_metrics(rows: Rows, tmp_path: Path) -> None:
    """The same climb over a test set whose labels were passed on by one row."""
    seen, unseen = rows[:150], rows[150:200]
    turned = [{**row, "label": unseen[place - 1]["label"]} for place, row in enumerate(unseen)]
    bundles, verdicts = [], []
    for name, test in (("true", unseen), ("turned", turned)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in test), encoding="utf-8")
        verdicts.append(fit(seen, dataclasses.replace(SPEC, test=str(path)), out=tmp_path / name))
        found = [json.loads(p.read_bytes()) for p in (tmp_path / name / "artifacts" / "bundle").glob("*/bundle.json")]
        bundles.append(sorted((bundle["candidate"]["name"], bundle) for bundle in found))
    for (name, one), (_, other) in zip(*bundles, strict=True):
        assert one["files"] == other["files"], name
        assert one["candidate"] == other["candidate"], name
    assert len(bundles[0]) == 3
    first, second = (verdict.candidates[2].metrics["accuracy"].value for verdict in verdicts)
    assert first > second + 0.1, "the true labels are the ones it learnt"


def test_an_endpoint_is_measured_and_priced(rows: Rows, tmp_path: Path) -> None:
    def answers(_number: int, seen: Seen) -> Response:
        return says(sorted({row["label"] for row in rows})[len(seen.text) % 4], tokens=(200, 10))

    with serving(answers) as api:
        asked = EndpointSpec(url=api.url, model="stub", key_env=None, price_in=1.0, price_out=10.0)
        spec = dataclasses.replace(SPEC, rungs=("constant", "endpoint"), endpoint=asked)
        verdict = fit(rows, spec, Requirements(requests_per_day=1e6), out=tmp_path / "run")
    line = verdict.candidates[1]
    assert (line.name, line.rung, line.status) == ("endpoint", 7, "measured")
    assert line.cost_per_day == pytest.approx(1e6 * (200 * 1.0 + 10 * 10.0) / 1e6)
    assert line.metrics["accuracy"].n == verdict.dataset.test
    assert run_folder.load_result(tmp_path / "run").hosted == ("endpoint",)


def test_an_endpoint_that_refuses_fails_alone(rows: Rows, tmp_path: Path) -> None:
    with serving(lambda _number, _seen: refuses(401)) as api:
        asked = EndpointSpec(url=api.url, model="stub", key_env=None)
        spec = dataclasses.replace(SPEC, rungs=("constant", "endpoint"), endpoint=asked)
        verdict = fit(rows, spec, out=tmp_path / "run")
    assert [line.status for line in verdict.candidates] == ["measured", "failed"]
    assert verdict.candidates[1].why.startswith("E_ENDPOINT: ")
    assert "SECRET" not in verdict.candidates[1].why
    assert verdict.chosen == "constant"


def test_the_encoder_climbs_too(rows: Rows, tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, rungs=("constant", "encoder"))
    verdict = fit(rows[:120], spec, out=tmp_path / "run")
    encoder = verdict.candidates[1]
    assert encoder.status == "measured"
    assert encoder.metrics["accuracy"].low > verdict.candidates[0].metrics["accuracy"].value
    assert verdict.chosen == "encoder"
    assert fit(rows[:120], spec, out=tmp_path / "run") == verdict
