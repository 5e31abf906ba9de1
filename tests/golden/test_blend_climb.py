"""A climb with a blend: measured, chosen, verified and loaded as any other, and skipped where it is of no use."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

import ockham
from ockham.bundles.export import export
from ockham.bundles.verify import verify
from ockham.errors import ModelError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import bundle_of
from ockham.models.backend import load_model
from ockham.records import CandidateResult, Verdict
from ockham.rungs import encoder_rungs

EXAMPLE = Path(__file__).parents[2] / "examples" / "support_mail.csv"
NAME = "linear+encoder"
SPEC = FitSpec(inputs=("text",), target="label", rungs=("constant", "linear", "encoder", NAME))


def mails(count: int) -> list[dict[str, str]]:
    with EXAMPLE.open(encoding="utf-8", newline="") as stream:
        rows = [{"text": mail["body"][:200], "label": mail["label"]} for mail in csv.DictReader(stream)]
    return rows[:count]


def of(verdict: Verdict, name: str) -> CandidateResult:
    return next(one for one in verdict.candidates if one.name == name)


def test_a_blend_is_measured_and_served_as_one_bundle(tmp_path: Path) -> None:
    run = tmp_path / "run"
    verdict = fit(mails(160), dataclasses.replace(SPEC, all=True), out=run)
    blended, parts = of(verdict, NAME), [of(verdict, name) for name in ("linear", "encoder")]
    assert blended.status == "measured"
    assert blended.artifact_mb == pytest.approx(sum(one.artifact_mb or 0 for one in parts), rel=0.1)
    assert verify(run).ok
    folder = bundle_of(run, NAME)
    with ockham.load(folder) as model:
        texts = [row["text"] for row in mails(200)[160:]]
        rows = model.probabilities(texts)
        answers = model.predict(texts)
    direct = load_model("blend", folder).answer(texts)
    assert [answer.value for answer in answers] == [answer.value for answer in direct]
    assert all(sum(row) == pytest.approx(1) for row in rows)
    assert [max(row) for row in rows] == [pytest.approx(answer.confidence) for answer in answers]
    export(run, "onnx", tmp_path / "out", rung=NAME)
    command = [sys.executable, "-B", "predict.py", *texts]
    lines = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, check=True, text=True).stdout
    exported = [json.loads(line) for line in lines.splitlines()]
    assert [row["answer"] for row in exported] == [answer.value for answer in direct]
    assert [row["confidence"] for row in exported] == [pytest.approx(answer.confidence, abs=1e-5) for answer in direct]


def test_a_blend_of_a_rung_that_failed_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise ModelError("E_MODEL_FORMAT", "the encoder cannot be used", fix="choose another")

    monkeypatch.setattr(encoder_rungs, "_write_encoder", refuse)
    verdict = fit(mails(80), SPEC, out=tmp_path / "run")
    assert of(verdict, "encoder").status == "failed"
    assert (of(verdict, NAME).status, of(verdict, NAME).why) == (
        "skipped",
        "it blends linear and encoder, and encoder failed",
    )
