"""Static embeddings load as encoders and agree with sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests import tiny_encoder

from ockham.bundles.export import export
from ockham.convert import onnx_export
from ockham.errors import ModelError
from ockham.ladder.fit import FitSpec, fit
from ockham.models import encoder, onnx_encoder, sentence_encoder

TEXTS = ("parcel late", "where is my refund", "unheard words", "milk " * 9000, "a not paid pump twice", "the the card")


@pytest.fixture(params=["modules", "model2vec"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tiny_encoder.write_static(tmp_path / "static", request.param)


@pytest.mark.tune
@pytest.mark.parametrize("quantize", [False, True])
def test_vectors_agree_with_sentence_transformers(folder: Path, quantize: bool, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    sentence = sentence_encoder.find(str(folder))
    assert sentence.is_static
    (tmp_path / "served").mkdir()
    served = onnx_export.write(sentence, sentence.weights(), TEXTS, tmp_path / "served", quantize=quantize)
    expected = SentenceTransformer(str(folder), device="cpu", local_files_only=True).encode(list(TEXTS))
    # In 8 bits each row of the table has its own scale: of a thousandth of a vector's length at most.
    assert (served.embed(TEXTS) * expected).sum(axis=1) == pytest.approx(1, abs=1e-3 if quantize else 1e-6)


def test_a_text_without_a_token_has_the_vector_zero_whatever_stands_beside_it(folder: Path, tmp_path: Path) -> None:
    sentence = sentence_encoder.find(str(folder))
    (tmp_path / "served").mkdir()
    served = onnx_export.write(sentence, sentence.weights(), TEXTS, tmp_path / "served")
    alone, beside = served.embed([""]), served.embed(["", "parcel", ""])
    assert not alone.any()
    assert np.array_equal(beside[[0, 2]], np.zeros((2, 16), np.float32))


def test_a_fit_serves_and_exports_it_and_does_not_tune_it(folder: Path, tmp_path: Path) -> None:
    spec = FitSpec(rungs=("encoder", "encoder-tuned"), encoder=(str(folder),), all=True)
    verdict = fit(tiny_encoder.labelled_rows(), spec, out=tmp_path / "run")
    assert [line.status for line in verdict.candidates] == ["measured", "skipped"]
    assert verdict.candidates[1].why == "static has static embeddings: no layers to tune"
    answer = encoder.load(tmp_path / "run" / "bundle").answer(["is the refund"])[0]
    assert answer.value == "a"
    export(tmp_path / "run", "onnx", tmp_path / "onnx")  # which compares an answer of its program
    assert json.loads((tmp_path / "onnx" / "settings.json").read_text())["special_tokens"] is False


def test_a_table_that_is_none_and_layers_behind_it_are_refused(folder: Path) -> None:
    from safetensors.numpy import save_file

    home = sentence_encoder.find(str(folder)).folder
    save_file({"embeddings": np.zeros(3, np.float32)}, home / "model.safetensors")
    with pytest.raises(ModelError, match="table of vectors cannot be read"):
        sentence_encoder.find(str(folder))
    listed = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(
        json.dumps([*listed, {"type": "sentence_transformers.models.Dense", "path": "2"}])
    )
    with pytest.raises(ModelError, match="runs Normalize alone"):
        sentence_encoder.find(str(folder))
    (folder / "modules.json").write_text(json.dumps([{**listed[0], "path": "../outside"}]))
    with pytest.raises(ModelError, match="outside the folder"):
        sentence_encoder.find(str(folder))


def test_settings_say_that_no_token_is_put_around_a_text(folder: Path) -> None:
    settings = onnx_encoder.settings_of(sentence_encoder.find(str(folder)))
    assert (settings.special_tokens, settings.hidden) == (False, 16)
