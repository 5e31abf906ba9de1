"""Tuned models whose adapter is not merged: two tasks on one base, each held to parity, served by one engine."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests import tiny_decoder

from ockham.bundles.export import export
from ockham.bundles.predict import predict
from ockham.ladder import run_folder
from ockham.ladder.fit import FitSpec, fit
from ockham.models import causal_lm, model_files, shared_decoders
from ockham.models.causal_lm import DecoderRecord
from ockham.records import Answer
from ockham.rungs.decoder_weights import SLOTS
from ockham.serving.shared_base import shared_base

pytestmark = [pytest.mark.tune, pytest.mark.slow]
TUNED = "decoder-tuned:small"
WORDS = ("parcel", "refund", "invoice", "courier", "payment", "order", "charge", "system", "answer", "delivery")


class Runs(NamedTuple):
    """A run that labels, and one that extracts, of models tuned from one folder."""

    labels: Path
    fields: Path

    def bundles(self, name: str = TUNED) -> list[Path]:
        return [run_folder.bundle_of(run, name) for run in self]


def texts() -> list[str]:
    draw = random.Random(5)
    return [f"{number} {' '.join(draw.sample(WORDS, 4))}" for number in range(60)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    root = tmp_path_factory.mktemp("kept")
    folder = tiny_decoder.llama(root / "small", scale=0.05)
    labels: list[dict[str, Any]] = [
        {"input": text, "target": "late" if "parcel" in text else "paid"} for text in texts()
    ]
    fields = [
        {"input": f"{text}, please answer soon; " * 3, "target": json.dumps({"what": text.split()[1]})}
        for text in texts()
    ]
    made = Runs(root / "labels", root / "fields")
    for rows, run in zip((labels, fields), made, strict=True):
        spec = FitSpec(
            rungs=("constant", "decoder-tuned"),
            models=(str(folder),),
            all=True,
            epochs=1,
            batch=16,
            rank=4,
            precision="float32",
            keep_adapter=True,
        )
        fit(rows, spec, out=run)
    return made


def records(folders: list[Path]) -> list[DecoderRecord]:
    return [model_files.read(DecoderRecord, folder / causal_lm.FILE) for folder in folders]


def test_each_step_is_held_to_parity_and_nothing_is_merged(runs: Runs) -> None:
    for run in runs:
        account = run_folder.load_result(run)
        steps = account.parity[TUNED]
        assert [step.step for step in steps] == ["conversion with the adapter apart", "quantizing the base to q8_0"]
        assert all(step.agreement.n > 0 for step in steps)
        (report,) = [report for report in account.reports if report.candidate.name == TUNED]
        assert report.candidate.settings["adapter"] == "not merged"
        assert [step.step for step in account.parity[f"{TUNED}:4bit"]] == ["quantizing to 4 bits"]


@pytest.mark.parametrize("name", [TUNED, f"{TUNED}:4bit"])
def test_bundles_of_two_tasks_hold_one_base_and_an_adapter_each(runs: Runs, name: str) -> None:
    folders = runs.bundles(name)
    first, second = records(folders)
    assert first.weights.sha256 == second.weights.sha256
    assert first.adapter is not None
    assert second.adapter is not None
    assert first.adapter.sha256 != second.adapter.sha256
    assert (first.spec.context, first.spec.slots) != (second.spec.context, second.spec.slots)
    assert len({shared_base(folder, "gguf") for folder in folders}) == 1, "they share a process all the same"


def test_one_engine_for_both_answers_as_each_alone(runs: Runs) -> None:
    folders, asked = runs.bundles(), texts()[:12]
    alone: list[list[Answer]] = []
    for folder in folders:
        model = causal_lm.load(folder)
        alone.append(model.answer(asked))
        model.close()
    together = shared_decoders.load(folders)
    try:
        assert [[model.places, model.engine is together[0].engine] for model in together] == [[1, True], [SLOTS, True]]
        assert [_told(model.answer(asked)) for model in together] == [_told(answers) for answers in alone]
    finally:
        together[0].close()


def _told(answers: list[Answer]) -> list[tuple[str | None, float | None]]:
    return [(answer.value, answer.confidence) for answer in answers]


def test_it_is_a_bundle_like_any_other(runs: Runs, tmp_path: Path) -> None:
    folder = runs.bundles()[0]
    (answer,) = predict(folder, [{"input": texts()[0]}])
    assert answer.answer in {"late", "paid"}
    written = export(runs.labels, "gguf", tmp_path / "gguf", rung=TUNED)
    assert {"adapter.gguf", "model.gguf"} <= {path.name for path in written}
    assert "--lora adapter.gguf" in (tmp_path / "gguf" / "README.md").read_text(encoding="utf-8")
    export(runs.labels, "ollama", tmp_path / "ollama", rung=TUNED)
    assert "\nADAPTER ./adapter.gguf\n" in (tmp_path / "ollama" / "Modelfile").read_text(encoding="utf-8")
    export(runs.labels, "peft", tmp_path / "peft", rung=TUNED)
