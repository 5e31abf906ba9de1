"""A model that was made elsewhere is measured without a run: read before the rows, by its own labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests import tiny_classifier, tiny_gguf
from tests.tiny_classifier import LABELS
from tests.unit.rungs.test_own_models import WORDS, rows_of

from ockham.bundles.model_eval import evaluate_any, is_model
from ockham.cli import run
from ockham.errors import BundleError, ConfigError, DataError, ModelError, RunError


def test_a_classifier_is_measured_by_its_own_labels(tmp_path: Path) -> None:
    upper = [label.upper() for label in LABELS]
    folder = tiny_classifier.write_onnx(tmp_path / "mine", upper, words=WORDS)
    report = evaluate_any(folder, rows_of())
    assert report.candidate.name == "yours:mine"
    assert report.metrics["accuracy"].value == 1.0
    assert report.metrics["accuracy"].n == len(report.scores) > 50
    assert report.profile is not None
    assert report.seen is None, "nobody knows what it has learnt from"
    other = evaluate_any(tiny_classifier.write_onnx(tmp_path / "other"), rows_of())
    assert other.metrics["accuracy"].value < 0.9


def test_a_gguf_file_is_prompted_with_the_labels_of_the_rows(tmp_path: Path) -> None:
    report = evaluate_any(tiny_gguf.write(tmp_path / "tiny.gguf"), rows_of(count=10))
    assert report.candidate.name == "decoder:tiny"
    assert {score.answer for score in report.scores} <= set(LABELS)
    assert len(report.scores) > 20


def test_labels_that_do_not_meet_are_refused(tmp_path: Path) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine", ("LABEL_0", "LABEL_1", "LABEL_2"))
    with pytest.raises(DataError, match="the model mine does not know"):
        evaluate_any(folder, rows_of())


def test_a_model_that_cannot_be_read_is_refused_before_the_rows_are(tmp_path: Path) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine")
    (folder / "config.json").write_text("[")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        evaluate_any(folder, tmp_path / "there is no such file.csv")


def test_a_classifier_is_refused_for_a_task_without_labels(tmp_path: Path) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine")
    rows = [{"text": f"order {n}", "label": f'{{"number": {n}}}'} for n in range(40)]
    with pytest.raises(ConfigError, match="answers only with labels, but the task is extract"):
        evaluate_any(folder, rows)


def test_a_folder_that_is_no_model_is_told_what_it_lacks_and_what_can_be_measured(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"is not a run, a bundle or a model: it has no config\.json") as refusal:
        evaluate_any(tmp_path, rows_of())
    for kind in ("run", "bundle", "ForSequenceClassification", "ONNX", "sentence-transformers", "GGUF"):
        assert kind in refusal.value.fix
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds a LoRA adapter") as refusal:
        evaluate_any(tmp_path, rows_of())
    assert "merge_and_unload" in refusal.value.fix


def test_a_damaged_bundle_is_refused_as_one(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    assert not is_model(tmp_path)
    with pytest.raises(BundleError):
        evaluate_any(tmp_path, rows_of())


def test_a_model_is_known_by_the_name_that_ockham_models_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pulled = tmp_path / "ockham" / "models" / "tiny-one"
    pulled.mkdir(parents=True)
    tiny_gguf.write(pulled / "tiny-one.gguf")
    (pulled / "pulled.json").write_text("{}")
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in rows_of(count=10)))
    assert run(["eval", "tiny-one", str(rows), "--quiet"]) == 0
    assert "decoder:tiny-one" in capsys.readouterr().out
    with pytest.raises(RunError, match="there is no run, bundle or model tiny-two"):
        run(["eval", "tiny-two", str(rows), "--quiet"])


def test_the_command_measures_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine", words=WORDS)
    lines = [f"{row['text']},{row['label']}" for row in rows_of()]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    assert run(["eval", str(folder), str(tmp_path / "rows.csv"), "--quiet"]) == 0
    assert "yours:mine" in capsys.readouterr().out


def test_the_command_says_which_texts_were_not_read_whole_and_what_all_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine", words=WORDS)
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 32}))
    rows = [{**row, "text": f"Sort each letter into its pile, please. {row['text']}"} for row in rows_of()]
    rows = [{**row, "text": row["text"] + " milk" * 300} for row in rows[:2]] + rows[2:]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["eval", str(folder), str(tmp_path / "rows.jsonl")]) == 0
    captured = capsys.readouterr()
    out = " ".join(captured.out.split())
    assert "2 of 120 texts are longer than the model reads: 90 % of each was not read" in out
    assert "7 words occur in every input; rows are compared without them" in out
    assert "note: 7 words occur in every input" in captured.err
