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
from ockham.errors import ConfigError, DataError, ModelError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import load_result
from ockham.models import backend, own_folder, sentence_encoder
from ockham.records import CandidateResult, Example, Requirements, Verdict
from ockham.rungs import own_models
from ockham.rungs.rung import RunContext

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


def candidate(verdict: Verdict, name: str) -> CandidateResult:
    return next(result for result in verdict.candidates if result.name == name)


def test_a_named_model_is_measured_on_the_same_rows_although_a_smaller_rung_does(tmp_path: Path) -> None:
    upper = tuple(label.upper() for label in LABELS)
    folder = tiny_classifier.write_onnx(tmp_path / "mine", upper, words=WORDS)
    spec = FitSpec(models=(str(folder),), rungs=("constant", "linear"))
    verdict = fit(rows_of(), spec, Requirements(min_accuracy=0.4), out=tmp_path / "run")
    yours, linear = candidate(verdict, "yours:mine"), candidate(verdict, "linear")
    assert verdict.chosen == "linear"
    assert (yours.status, yours.rung, yours.named) == ("measured", own_models.NUMBER, True)
    assert yours.metrics["accuracy"].value == 1.0, "BILLING is billing"
    assert yours.metrics["accuracy"].n == linear.metrics["accuracy"].n
    assert verdict.exit_status == 0
    assert load_result(tmp_path / "run").comparisons[0].metric == "accuracy"


def test_labels_that_do_not_meet_fail_the_model_and_the_exit_status_says_so(tmp_path: Path) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine", ("LABEL_0", "LABEL_1", "LABEL_2"))
    spec = FitSpec(models=(str(folder),), rungs=("linear",))
    verdict = fit(rows_of(), spec, Requirements(min_accuracy=0.4), out=tmp_path / "run")
    yours = candidate(verdict, "yours:mine")
    assert (verdict.chosen, yours.status) == ("linear", "failed")
    assert yours.why.startswith("E_LABEL_SET: ")
    assert verdict.exit_status == 6
    model = own_models.read_model(str(folder))
    assert model is not None
    with pytest.raises(DataError, match="the model mine does not know") as caught:
        own_models.write_bundle(model, examples(LABELS), LABELS, tmp_path)
    assert "id2label" in caught.value.fix


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    folders = [tiny_classifier.write_onnx(tmp_path / parent / "mine") for parent in ("a", "b")]
    with pytest.raises(ConfigError, match="two models are called"):
        fit(rows_of(), FitSpec(models=tuple(map(str, folders))), out=tmp_path / "run")


def test_a_defect_of_a_rung_keeps_its_traceback_in_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine", words=WORDS)

    def stumble(_model: object, _context: RunContext, _folder: Path) -> None:
        raise ZeroDivisionError("a value of the data")

    monkeypatch.setattr(own_models, "_build", stumble)
    monkeypatch.setenv("OCKHAM_DEBUG", "1")
    told: list[str] = []
    spec = FitSpec(models=(str(folder),), rungs=("linear",))
    verdict = fit(
        rows_of(),
        spec,
        Requirements(min_accuracy=0.4),
        out=tmp_path / "run",
        on_progress=lambda progress: told.append(progress.message),
    )
    yours = candidate(verdict, "yours:mine")
    assert (yours.status, verdict.exit_status) == ("failed", 6)
    assert "ZeroDivisionError: a value of the data" in told
    assert yours.why == "E_DEFECT: an unexpected ZeroDivisionError (faults/yours-mine.txt has the traceback)"
    text = (tmp_path / "run" / "faults" / "yours-mine.txt").read_text(encoding="utf-8")
    assert "in stumble" in text
    assert "ZeroDivisionError: a value of the data" in text
    assert "a value of the data" not in yours.why
