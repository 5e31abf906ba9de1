"""Encoders of the user's own: refused before data is read, or measured, served and exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests import tiny_encoder

from ockham.bundles.export import export
from ockham.errors import ModelError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import load_result

pytestmark = pytest.mark.tune

PROMPTS = {"prompts": {"classification": "the price "}}


def test_an_encoder_of_an_unknown_build_is_refused_before_data_is_read(tmp_path: Path) -> None:
    folder = tiny_encoder.write(tmp_path / "model", "bert", layers=1)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "mpnet"}))
    named = (str(folder), "nobody/no-such-encoder")
    with pytest.raises(ModelError, match="its body is 'mpnet'; this version runs bert, roberta"):
        fit(tmp_path / "no-such-file.csv", FitSpec(rungs=("linear", "encoder"), encoder=named))
    for name in ("./nowhere", "nobody/no-such-encoder"):
        with pytest.raises(ModelError) as caught:
            fit(tmp_path / "no-such-file.csv", FitSpec(encoder=(name,)))
        assert caught.value.code == "E_MODEL_MISSING"


def test_a_modernbert_with_a_prompt_is_measured_and_exported_and_not_tuned(tmp_path: Path) -> None:
    folder = tiny_encoder.write(tmp_path / "model", "modernbert", layers=2, dense=("Tanh",), prompts=PROMPTS)
    spec = FitSpec(rungs=("encoder", "encoder-tuned"), encoder=(str(folder),), all=True)
    verdict = fit(tiny_encoder.labelled_rows(), spec, out=tmp_path / "run")
    assert [line.status for line in verdict.candidates] == ["measured", "skipped"]
    assert verdict.candidates[1].why == "model has a modernbert body, which this version does not tune"
    [report] = load_result(tmp_path / "run").reports
    assert report.candidate.settings["prompt"] == "the price "
    export(tmp_path / "run", "onnx", tmp_path / "exported")
    assert json.loads((tmp_path / "exported" / "settings.json").read_text())["prefix"] == "the price "
