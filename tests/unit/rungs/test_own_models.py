"""Models that were made elsewhere: read before any data, measured as they came, refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import tiny_classifier, tiny_decoder, tiny_gguf
from tests.tiny_classifier import LABELS

from ockham.convert.sentence_folder import write_layout
from ockham.errors import ConfigError, ModelError
from ockham.ladder.fit import FitSpec, fit
from ockham.models import backend, own_folder, sentence_encoder
from ockham.records import Example
from ockham.rungs import own_models

TEXTS = ("parcel late", "where is my invoice", "the pump is broken", "milk " * 60, "", "card \ud800 paid twice")
WORDS = ("invoice", "parcel", "pump")
"""What the rows of a label have in common, in the order of `LABELS`."""


def rows_of(labels: Sequence[str] = LABELS, count: int = 40) -> list[dict[str, str]]:
    more = ("late", "where", "is", "my", "the", "broken", "card", "price", "milk", "twice", "paid", "not")
    return [
        {"text": f"{WORDS[n % 3]} {more[n % 12]} {more[n // 12 % 12]} {more[(n * 7) % 12]}", "label": labels[n % 3]}
        for n in range(3 * count)
    ]


def examples(labels: Sequence[str]) -> list[Example]:
    return [Example(id=str(n), input=row["text"], target=row["label"]) for n, row in enumerate(rows_of(labels))]


@pytest.mark.tune
@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_a_fine_tuned_classifier_answers_as_transformers_does(family: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = tiny_classifier.write_transformers(tmp_path / "mine", family)
    model = own_models.read_model(str(folder))
    assert model is not None
    assert (model.name, model.form, model.labels, model.max_tokens) == ("mine", "transformers", LABELS, 32)
    (tmp_path / "bundle").mkdir()
    assert own_models.write_bundle(model, examples(LABELS), LABELS, tmp_path / "bundle") == ()
    answers = backend.load_model("classifier", tmp_path / "bundle").answer(TEXTS)
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    home = AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    for text, answer in zip(TEXTS, answers, strict=True):
        clean = text.encode("utf-8", "replace").decode()
        with torch.inference_mode():
            logits = home(**tokenizer(clean, truncation=True, max_length=32, return_tensors="pt")).logits[0]
        assert answer.value == LABELS[int(logits.argmax())]
        assert answer.confidence == pytest.approx(float(logits.softmax(-1).max()), abs=1e-5)
    assert answers[3].tokens_in == 32


def test_a_graph_answers_as_it_does_alone(tmp_path: Path) -> None:
    import onnxruntime
    from tokenizers import Tokenizer

    folder = tiny_classifier.write_onnx(tmp_path / "mine")
    model = own_models.read_model(str(folder))
    assert model is not None
    assert (model.form, model.labels, model.kind) == ("onnx", LABELS, "classifier")
    (tmp_path / "bundle").mkdir()
    own_models.write_bundle(model, examples(LABELS), LABELS, tmp_path / "bundle")
    answers = backend.load_model("classifier", tmp_path / "bundle").answer(TEXTS[:3])
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text, answer in zip(TEXTS[:3], answers, strict=True):
        ids = np.array([words.encode(text).ids], np.int64)
        logits = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0]
        assert answer.value == LABELS[int(logits.argmax())]


@pytest.mark.tune
def test_a_sentence_encoder_with_a_head_answers_as_sentence_transformers_does(tmp_path: Path) -> None:
    from safetensors.numpy import load_file
    from sentence_transformers import SentenceTransformer

    folder = tiny_classifier.write_sentence(tmp_path / "mine")
    model = own_models.read_model(str(folder))
    assert model is not None
    assert (model.form, model.kind) == ("sentence-transformers", "encoder")
    (tmp_path / "bundle").mkdir()
    own_models.write_bundle(model, examples(LABELS), LABELS, tmp_path / "bundle")
    served = backend.load_model("encoder", tmp_path / "bundle")
    texts = [text for text in TEXTS if text and text.isprintable()]
    write_layout(sentence_encoder.find(str(folder)), folder)  # what a real folder has beside
    vectors = SentenceTransformer(str(folder), device="cpu").encode(texts)
    head = load_file(folder / "head.safetensors")
    margins = vectors @ head["weight"] + head["bias"]
    shares = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    answers = served.answer(texts)
    assert [answer.value for answer in answers] == [LABELS[row.argmax()] for row in margins]
    assert [answer.confidence for answer in answers] == pytest.approx(shares.max(axis=1).tolist(), abs=1e-4)


@pytest.mark.parametrize("labels", [LABELS, LABELS[:2]])
def test_a_head_of_scikit_learn_in_a_skops_file_has_its_decisions(labels: tuple[str, ...], tmp_path: Path) -> None:
    io = pytest.importorskip("skops.io")
    from sklearn.linear_model import LogisticRegression

    draw = np.random.default_rng(1)
    vectors = draw.normal(size=(60, 32)).astype(np.float32)
    fitted = LogisticRegression().fit(vectors, [labels[n % len(labels)] for n in range(60)])
    io.dump(fitted, tmp_path / "head.skops")
    head = own_folder.read_head(tmp_path)
    margins = vectors @ head.weight + head.bias
    shares = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    assert head.labels == tuple(sorted(labels))
    assert shares == pytest.approx(fitted.predict_proba(vectors), abs=1e-5)


def test_a_head_that_is_a_pickle_is_refused_by_name_and_never_opened(tmp_path: Path) -> None:
    folder = tiny_classifier.write_sentence(tmp_path / "mine")
    (folder / "head.safetensors").unlink()
    (folder / "model_head.pkl").write_bytes(b"cos\nsystem\n(S'touch opened'\ntR.")
    with pytest.raises(ModelError, match=r"model_head\.pkl is a pickle, and opening one runs whatever code") as caught:
        own_models.read_model(str(folder))
    assert "skops.io.dump" in caught.value.fix


def damage(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda config: config.update(problem_type="multi_label_classification"), "a row has one label here"),
        (lambda config: config.update(id2label={"0": "a", "2": "b"}), "does not number the labels from 0 on"),
        (lambda config: config.update(id2label={"0": "score"}), "1 labels"),
        (lambda config: config.update(auto_map={"AutoModel": "mine.Model"}), "code"),
    ],
)
@pytest.mark.tune
def test_what_is_no_classifier_is_refused(
    change: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path
) -> None:
    folder = tiny_classifier.write_transformers(tmp_path / "mine")
    damage(folder, change)
    with pytest.raises(ModelError, match=reason):
        own_models.read_model(str(folder))


@pytest.mark.tune
def test_language_models_are_prompted_as_before(tmp_path: Path) -> None:
    assert own_models.read_model(str(tiny_gguf.write(tmp_path / "tiny.gguf"))) is None
    folder = tmp_path / "decoder"
    tiny_decoder.llama(folder)
    assert own_models.read_model(str(folder)) is None
    (tmp_path / "broken.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(ModelError):
        own_models.read_model(str(tmp_path / "broken.gguf"))


def test_what_cannot_be_read_is_refused_before_any_data_is_read(tmp_path: Path) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine")
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        fit(tmp_path / "no such data.csv", FitSpec(models=(str(folder),)), out=tmp_path / "run")


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [tiny_classifier.write_onnx(tmp_path / parent / "mine") for parent in ("a", "b")]
    with pytest.raises(ConfigError, match="two models are called"):
        fit(rows_of(), FitSpec(models=tuple(map(str, folders))), out=tmp_path / "run")
