"""Climbs with a model of the user's own: measured as the others are, and named where it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny_classifier
from tests.tiny_classifier import LABELS
from tests.unit.rungs.test_own_models import WORDS, examples, rows_of

from ockham.cli import output
from ockham.errors import DataError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import load_result
from ockham.records import CandidateResult, Requirements, Verdict
from ockham.rungs import own_models
from ockham.rungs.rung import RunContext


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


def test_a_model_that_answers_the_same_to_every_row_is_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_classifier.write_onnx(tmp_path / "mine")
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(folder / "model.onnx")
    table = numpy_helper.to_array(graph.graph.initializer[0]).copy()
    table[:] = [0, 1, 0]
    graph.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    onnx.save(graph, folder / "model.onnx")
    verdict = fit(rows_of(), FitSpec(rungs=("constant", "linear"), models=(str(folder),)), out=tmp_path / "run")
    yours = candidate(verdict, "yours:mine")
    assert yours.status == "measured"
    assert yours.why == f"it gives the same answer to all {yours.metrics['accuracy'].n} test rows"
    assert candidate(verdict, "constant").why == candidate(verdict, "linear").why == ""
    assert "it gives the same answer to all" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    output.verdict(verdict)
    assert "yours:mine measured: it gives the same answer" in " ".join(capsys.readouterr().out.split())
