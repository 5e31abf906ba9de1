"""Climbs with language models and with targets that are no labels: the same verdict, the right metrics."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests import tiny_decoder, tiny_gguf
from tests.stub_api import Response, Seen, says, serving

from ockham import store
from ockham.api.client import EndpointSpec
from ockham.bundles.export import export
from ockham.bundles.predict import predict
from ockham.errors import ConfigError, ModelError, RunError
from ockham.ladder import run_folder
from ockham.ladder.fit import FitSpec, fit
from ockham.models import causal_lm
from ockham.records import Answer, Progress, Requirements
from ockham.rungs import decoder_rungs
from ockham.serving.process import ServingProcess
from ockham.tuning import loop, precision

CITIES = ("Graz", "Linz", "Wels", "Steyr", "Ried", "Enns", "Perg", "Traun")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("weights") / "tiny.gguf")


@pytest.fixture(scope="module")
def trips() -> list[dict[str, Any]]:
    """Sentences about trips with their fields as JSON: some name no day."""
    draw = random.Random(3)
    rows = []
    for number in range(84):
        start, end = draw.sample(CITIES, 2)
        day = draw.choice(["Monday", "Friday", ""])
        noise = "".join(draw.choices("bcdfgklmnprst", k=12))
        rows.append(
            {
                "input": f"Ticket {number} {noise}: {start} to {end}{f' on {day}' if day else ''}, please",
                "target": json.dumps({"from": start, "to": end, **({"day": day} if day else {})}),
            }
        )
    return rows


def labelled(trips: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "target": "dated" if "day" in row["target"] else "open"} for row in trips]


def test_a_language_model_is_a_rung_like_any_other(trips: list[dict[str, Any]], weights: Path, tmp_path: Path) -> None:
    spec = FitSpec(rungs=("constant", "decoder"), models=(str(weights),), all=True)
    verdict = fit(labelled(trips), spec, Requirements(), out=tmp_path / "run")
    constant, decoder = verdict.candidates
    assert (constant.name, decoder.name, decoder.rung, decoder.status) == ("constant", "decoder:tiny", 5, "measured")
    assert verdict.metric == "accuracy"
    report = next(r for r in run_folder.load_result(tmp_path / "run").reports if r.candidate.name == "decoder:tiny")
    assert {score.answer for score in report.scores} <= {"dated", "open"}, "the answer is always a label"
    settings = report.candidate.settings
    assert settings["shots"] in (0, 8)
    assert settings["weights"] == "q8_0"
    found = [float(str(settings[f"validation_{shots}_shots"]).split()[1]) for shots in (0, 8)]
    assert settings["shots"] == (8 if found[1] > found[0] else 0), "validation chooses, and ties stay small"
    assert str(settings["validation_0_shots"]).endswith(f"n = {verdict.dataset.valid})")
    told: list[Progress] = []
    assert fit(labelled(trips), spec, Requirements(), out=tmp_path / "run", on_progress=told.append) == verdict
    assert not [one for one in told if "building" in one.message], "nothing is built twice"


def choices(*, marked: bool) -> list[dict[str, Any]]:
    """Questions with three to five options of their own, answered by "(B)" or by the text."""
    draw = random.Random(4)
    rows = []
    for _ in range(84):
        texts = draw.sample(CITIES, draw.randint(3, 5))
        right = draw.randrange(len(texts))
        lines = "\n".join(f"{'ABCDE'[place]}) {text}" for place, text in enumerate(texts))
        noise = "".join(draw.choices("bcdfgklmnprst", k=24))
        target = f"({'ABCDE'[right]})" if marked else texts[right]
        rows.append({"input": f"{noise}: where to?\n{lines}", "target": target})
    return rows


def options_of(row: dict[str, Any]) -> set[str]:
    """What a question's lines list: marks in brackets and texts."""
    lines = row["input"].splitlines()[1:]
    return {f"({line[0]})" for line in lines} | {line[3:] for line in lines}


def all_valid(run: Path, name: str, rows: list[dict[str, Any]], *, marked: bool) -> bool:
    """Tell whether every answer to a test row is an option of its own question, in the form of the targets."""
    account = run_folder.load_result(run)
    report = next(one for one in account.reports if one.candidate.name == name)
    by_id = {str(number): options_of(row) for number, row in enumerate(rows, start=1)}
    assert all(score.target in by_id[score.example] for score in report.scores)
    answers = [(by_id[score.example], score.answer or "") for score in report.scores]
    assert report.order_consistency is not None
    assert 0 <= report.order_consistency.value <= 1
    return all(answer in valid and answer.startswith("(") == marked for valid, answer in answers)


def test_a_choice_is_always_one_of_its_own_questions_options(weights: Path, tmp_path: Path) -> None:
    rows = choices(marked=True)
    spec = FitSpec(rungs=("constant", "decoder"), models=(str(weights),), all=True)
    verdict = fit(rows, spec, Requirements(), out=tmp_path / "run")
    assert verdict.task == "choose"
    assert all_valid(tmp_path / "run", "decoder:tiny", rows, marked=True)
    fresh = "zzz: where to?\nA) Wien\nB) Bad Ischl\nC) Gmunden\nD) Wels\nE) Linz\nF) Lienz"
    (answer,) = predict(run_folder.bundle_of(tmp_path / "run", "decoder:tiny"), [{"input": fresh}])
    assert answer.answer in {"(A)", "(B)", "(C)", "(D)", "(E)", "(F)"}


def test_objects_are_extracted_and_judged_field_by_field(
    trips: list[dict[str, Any]], weights: Path, tmp_path: Path
) -> None:
    spec = FitSpec(rungs=("constant", "lookup", "encoder", "decoder"), models=(str(weights),), all=True)
    verdict = fit(trips, spec, Requirements(), out=tmp_path / "run")
    assert (verdict.task, verdict.metric) == ("extract", "f1_micro")
    by_name = {line.name: line for line in verdict.candidates}
    assert {name for name, line in by_name.items() if line.status == "measured"} == {
        "constant",
        "lookup",
        "decoder:tiny",
    }
    assert by_name["encoder"].why == "it answers with labels only, and the task is extract"
    report = next(r for r in run_folder.load_result(tmp_path / "run").reports if r.candidate.name == "lookup")
    assert {part.label for part in report.per_label} == {"day", "from", "to"}
    assert report.metrics["f1_micro"].value > report.metrics["accuracy"].value
    assert by_name["lookup"].metrics["f1_micro"].value > by_name["constant"].metrics["f1_micro"].value
    assert verdict.chosen == "lookup"
    (answer,) = predict(tmp_path / "run", [{"input": trips[0]["input"]}])
    assert answer.answer == trips[0]["target"]


def test_an_endpoint_is_asked_for_objects(trips: list[dict[str, Any]], tmp_path: Path) -> None:
    def reply(_number: int, seen: Seen) -> Response:
        words = seen.text.replace(",", " ").split()
        at = words.index("to")
        return says(json.dumps({"to": words[at + 1], "from": words[at - 1]}))

    with serving(reply) as api:
        endpoint = EndpointSpec(url=api.url, model="big", key_env="", concurrency=1)
        spec = FitSpec(rungs=("constant", "endpoint"), endpoint=endpoint, all=True)
        verdict = fit(trips, spec, Requirements(), out=tmp_path / "run")
        order = api.seen[0].body["messages"][0]["content"]
        room = api.seen[0].body["max_tokens"]
    assert '"from": {"type": "string"}' in order
    assert room > max(len(row["target"]) for row in trips)
    line = verdict.candidates[-1]
    wanted = [json.loads(row["target"]) for row in trips]
    assert line.metrics["f1_micro"].value == pytest.approx(
        2 * 2 / (2 + sum(map(len, wanted)) / len(wanted)), abs=0.06
    ), "only the days are missing"
    assert verdict.chosen == "endpoint"


def test_texts_are_written_and_judged_by_their_likeness(trips: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [
        {**row, "target": f"book {' '.join(json.loads(row['target']).values())} {i}"} for i, row in enumerate(trips)
    ]
    verdict = fit(rows, FitSpec(rungs=("constant", "lookup", "decoder"), all=True), out=tmp_path / "run")
    assert (verdict.task, verdict.metric) == ("generate", "chrf")
    constant, lookup, ours, decoder = verdict.candidates
    assert lookup.metrics["chrf"].value > constant.metrics["chrf"].value
    assert lookup.metrics["accuracy"].value == 0.0
    assert (ours.name, ours.status) == ("decoder:ockham-nano", "measured"), "it is on every machine"
    assert decoder.status == "skipped"
    assert decoder.why.startswith("of the catalogue's language models ")
    assert "pythia-70m" in decoder.why


def test_a_metric_of_another_task_is_refused(trips: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="min_f1_macro is required, and the task is extract"):
        fit(trips, FitSpec(), Requirements(min_f1_macro=0.5), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_models_of_one_name_and_a_missing_file_are_refused_and_a_missing_id_fails_alone(
    trips: list[dict[str, Any]], weights: Path, tmp_path: Path
) -> None:
    same = tmp_path / "tiny.gguf"
    shutil.copy(weights, same)
    with pytest.raises(ConfigError, match="two models are called 'tiny'"):
        fit(trips, FitSpec(models=(str(weights), str(same))), out=tmp_path / "one")
    with pytest.raises(ModelError, match="there is no folder or file"):
        fit(trips, FitSpec(models=(str(tmp_path / "gone.gguf"),)), out=tmp_path / "one")
    gone = FitSpec(rungs=("constant", "decoder"), models=("elsewhere/gone",), all=True)
    verdict = fit(trips, gone, out=tmp_path / "two")
    assert verdict.candidates[-1].status == "failed"
    assert verdict.candidates[-1].why.startswith("E_MODEL_MISSING: 'elsewhere/gone' is not on this machine")
    assert verdict.exit_status == 6


def test_a_run_that_was_stopped_asks_no_row_again_and_reads_the_weights_once(
    trips: list[dict[str, Any]], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = FitSpec(rungs=("constant", "decoder"), models=(str(weights),), all=True)
    whole = fit(labelled(trips), spec, out=tmp_path / "whole")

    asked: list[int] = []
    read: list[str] = []
    answer, hashed, served = causal_lm.Decoder.answer, store.file_digest, ServingProcess.answer

    def counting(self: causal_lm.Decoder, inputs: Sequence[str]) -> list[Answer]:
        asked.append(len(inputs))
        return answer(self, inputs)

    def counting_too(self: ServingProcess, inputs: Sequence[str]) -> list[Answer]:
        asked.append(len(inputs))
        return served(self, inputs)

    def reading(path: Path) -> str:
        read.append(path.name)
        return hashed(path)

    def stopping(told: Progress) -> None:
        if told.message == stop[0] and told.done == stop[1]:
            raise KeyboardInterrupt

    monkeypatch.setattr(causal_lm.Decoder, "answer", counting)
    monkeypatch.setattr(ServingProcess, "answer", counting_too)
    monkeypatch.setattr(store, "file_digest", reading)
    valid, test = whole.dataset.valid, whole.dataset.test
    monkeypatch.setattr("ockham.rungs.decoder_prompted._CHUNK", 8)
    often = dataclasses.replace(decoder_rungs.DECODER, saved_every=8)
    monkeypatch.setattr(decoder_rungs, "DECODER", often)
    for said in ("asking the model with 8 examples", "answering the test rows with decoder:tiny"):
        stop = (said, 8)
        with pytest.raises(KeyboardInterrupt):
            fit(labelled(trips), spec, out=tmp_path / "run", on_progress=stopping)
    stop = ("", 0)
    again = fit(labelled(trips), spec, out=tmp_path / "run", on_progress=stopping)
    decoder, before = again.candidates[-1], whole.candidates[-1]
    assert decoder.metrics == before.metrics
    # Validation twice, with none and with 8 examples, the test rows by the decoder once; the constant answers them too.
    assert sum(asked) == 2 * valid + test + test
    # The weights are read for their digest when building begins, once for each time that it began.
    assert read.count(weights.name) == 2


@pytest.mark.tune
@pytest.mark.slow
def test_a_tuned_model_chooses_among_its_own_questions_options(tmp_path: Path) -> None:
    folder = tiny_decoder.llama(tmp_path / "small", scale=0.05)
    rows = choices(marked=False)
    spec = FitSpec(
        rungs=("constant", "decoder-tuned"),
        models=(str(folder),),
        all=True,
        epochs=1,
        batch=16,
        rank=4,
        precision="bfloat16",
    )
    verdict = fit(rows, spec, Requirements(), out=tmp_path / "run")
    measured = [line.name for line in verdict.candidates if line.status == "measured"]
    assert "decoder-tuned:small" in measured
    for name in measured[1:]:
        assert all_valid(tmp_path / "run", name, rows, marked=False)
    steps = run_folder.load_result(tmp_path / "run").parity["decoder-tuned:small"]
    assert [step.step for step in steps] == ["conversion with the adapter apart", "merging", "quantizing to q8_0"]


@pytest.mark.tune
@pytest.mark.slow
@pytest.mark.parametrize(("chosen", "begun_on", "gone_on_on"), [("float32", 0.1, 3.0), ("bfloat16", 3.0, 0.1)])
def test_a_folder_is_tuned_held_to_parity_served_and_exported(
    chosen: str,
    begun_on: float,
    gone_on_on: float,
    trips: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped in the midst of tuning, it goes on where the other precision is faster: in the one it began with."""
    folder = tiny_decoder.llama(tmp_path / "small", scale=0.05)
    spec = FitSpec(rungs=("constant", "decoder-tuned"), models=(str(folder),), all=True, epochs=2, batch=8, rank=4)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)  # a state is saved behind every step

    def stopping(progress: Progress) -> None:
        if progress.message == "tuning small" and progress.done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(precision, "measure_speedup", lambda _seconds: begun_on)
    with pytest.raises(KeyboardInterrupt):
        fit(labelled(trips), spec, Requirements(), out=tmp_path / "run", on_progress=stopping)
    monkeypatch.setattr(precision, "measure_speedup", lambda _seconds: gone_on_on)
    told: list[Progress] = []
    verdict = fit(labelled(trips), spec, Requirements(), out=tmp_path / "run", on_progress=told.append)
    assert min(one.done for one in told if one.message == "tuning small" and one.done) == 3, (
        "the state was gone on from"
    )
    small, tuned = verdict.candidates[-2:]
    assert (tuned.name, tuned.rung, tuned.status) == ("decoder-tuned:small", 6, "measured")
    assert (small.name, small.rung, small.status) == ("decoder-tuned:small:4bit", 6, "measured")
    assert small.artifact_mb is not None
    assert tuned.artifact_mb is not None
    assert small.artifact_mb < tuned.artifact_mb
    account = run_folder.load_result(tmp_path / "run")
    report = next(r for r in account.reports if r.candidate.name == tuned.name)
    assert {score.answer for score in report.scores} <= {"dated", "open"}
    assert report.candidate.settings["weights"] == "q8_0"
    assert report.candidate.settings["precision"] == chosen
    assert account.tuned_in is not None
    assert (account.tuned_in.precision, account.tuned_in.speedup) == (chosen, begun_on)
    assert [step.step for step in account.parity[small.name]] == ["quantizing to 4 bits"]
    steps = account.parity[tuned.name]
    assert [step.step for step in steps] == ["conversion with the adapter apart", "merging", "quantizing to q8_0"]
    assert all(step.agreement.n > 0 for step in steps)
    assert [one.message for one in told if "memorizes the rows" in one.message], "few rows are warned about"
    again: list[Progress] = []
    assert fit(labelled(trips), spec, Requirements(), out=tmp_path / "run", on_progress=again.append) == verdict
    assert not [one for one in again if "building" in one.message], "nothing is tuned twice"
    export(tmp_path / "run", "peft", tmp_path / "adapter-4bit", rung=small.name)
    written = export(tmp_path / "run", "peft", tmp_path / "adapter", rung=tuned.name)
    assert [path.name for path in written] == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    card = written[0].read_text(encoding="utf-8")
    assert f"n = {report.metrics['accuracy'].n}" in card, "the card tells what was measured"
    with pytest.raises(RunError, match="no candidate 'linear'"):
        export(tmp_path / "run", "peft", tmp_path / "other", rung="linear")
