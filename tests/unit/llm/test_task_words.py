"""What a user says of the task: read from a text or a file, and put before language models and nobody else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from tests import tiny_gguf
from tests.unit.rungs.test_own_models import candidate, rows_of

from ockham.bundles.measured_rows import EvalSpec
from ockham.bundles.model_eval import evaluate_any
from ockham.cli import run
from ockham.errors import ConfigError, DataError
from ockham.ladder.fit import FitSpec, fit
from ockham.llm import task_words
from ockham.models import causal_lm
from ockham.records import Progress
from ockham.store import bundle_digest, identity_of

MEANINGS = {"billing": "questions on invoices", "delivery": "where a parcel is", "defect": "something is broken"}


def test_instructions_are_a_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "task.txt").write_text("Sort the mails.\n", encoding="utf-8")
    assert task_words.read_instructions(str(tmp_path / "task.txt")) == "Sort the mails."
    assert task_words.read_instructions("Sort the mails. ") == "Sort the mails."
    assert task_words.read_instructions("Sort. " * 500).startswith("Sort. Sort.")
    assert task_words.read_instructions(None) == ""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        task_words.read_instructions(str(tmp_path / "bytes"))
    with pytest.raises(ConfigError, match="20,001 characters"):
        task_words.read_instructions("x" * 20_001)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_descriptions_are_read_from_any_table_and_meet_the_labels(form: str, tmp_path: Path) -> None:
    file = tmp_path / f"labels.{form}"
    rows = [{"label": label.upper(), "description": text} for label, text in MEANINGS.items()]
    if form == "csv":
        file.write_text("label,description\n" + "".join(f"{r['label']},{r['description']}\n" for r in rows))
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    descriptions = task_words.read_descriptions(str(file))
    words = task_words.task_words("Sort.", descriptions, tuple(MEANINGS))
    assert words == f"Sort.\nWhat the labels mean: {json.dumps(MEANINGS)}"
    with pytest.raises(DataError, match="1 of 3 labels that are described stand nowhere"):
        task_words.task_words("", descriptions, ("billing", "delivery"))


def test_a_label_that_is_described_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("label,description\nbilling,one\nbilling,two\n")
    with pytest.raises(ConfigError, match="described twice"):
        task_words.read_descriptions(str(file))


def test_they_stand_in_the_prompt_the_bundle_and_the_identity_of_the_run(tmp_path: Path) -> None:
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    (tmp_path / "labels.csv").write_text("label,description\nbilling,questions on invoices\n")
    digests, identities = set(), []
    plain = FitSpec(rungs=("decoder",), models=(str(weights),))
    said = dataclasses.replace(plain, instructions="Sort mails.", labels=str(tmp_path / "labels.csv"))
    for number, spec in enumerate((plain, said)):
        out = tmp_path / f"run{number}"
        verdict = fit(rows_of(count=10), spec, out=out)
        assert verdict.chosen == "decoder:tiny"
        orders = causal_lm.parts(out / "bundle").orders
        assert ("Sort mails." in orders) == (spec is said)
        assert ('{"billing": "questions on invoices"}' in orders) == (spec is said)
        digests.add(bundle_digest(out / "bundle"))
        identities.append(identity_of(out))
    assert len(digests) == 2
    assert "instructions" not in identities[0]
    assert str(identities[1]["instructions"]).startswith("Sort mails.\n")


def test_labels_that_are_bare_numbers_draw_a_warning_where_a_language_model_is_asked(tmp_path: Path) -> None:
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    rows = rows_of(("0", "1", "2"), count=10)
    told: list[Progress] = []
    fit(
        rows,
        FitSpec(rungs=("constant", "decoder"), models=(str(weights),)),
        out=tmp_path / "a",
        on_progress=told.append,
    )
    assert any("all 3 labels are bare numbers" in progress.message for progress in told)
    told.clear()
    said = FitSpec(rungs=("constant", "decoder"), models=(str(weights),), instructions="0 is billing, 1 delivery")
    fit(rows, said, out=tmp_path / "b", on_progress=told.append)
    fit(rows, FitSpec(rungs=("constant", "linear")), out=tmp_path / "c", on_progress=told.append)
    assert not any("bare numbers" in progress.message for progress in told)


def test_a_model_that_answers_the_same_to_every_row_is_called_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests import tiny_classifier

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
    from ockham.cli import output

    output.verdict(verdict)
    assert "yours:mine measured: it gives the same answer" in " ".join(capsys.readouterr().out.split())


def test_eval_prompts_a_model_with_them_and_a_bundle_has_its_own(tmp_path: Path) -> None:
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    plain = evaluate_any(weights, rows_of(count=10))
    told = evaluate_any(weights, rows_of(count=10), EvalSpec(instructions="Sort mails. " * 20))
    assert plain.profile is not None
    assert told.profile is not None
    assert (told.profile.tokens_in or 0) > (plain.profile.tokens_in or 0) + 20
    fit(rows_of(), FitSpec(rungs=("linear",)), out=tmp_path / "run")
    with pytest.raises(ConfigError, match="a bundle keeps the instructions"):
        evaluate_any(tmp_path / "run", rows_of(), EvalSpec(instructions="Sort."))


def test_the_flags_reach_the_run(tmp_path: Path) -> None:
    weights = tiny_gguf.write(tmp_path / "tiny.gguf")
    lines = "".join(f"{row['text']},{row['label']}\n" for row in rows_of(count=10))
    (tmp_path / "rows.csv").write_text("text,label\n" + lines)
    (tmp_path / "task.txt").write_text("Sort the mails of a shop.")
    arguments = ["fit", str(tmp_path / "rows.csv"), "--rung", "decoder", "--models", str(weights)]
    arguments += ["--instructions", str(tmp_path / "task.txt"), "--out", str(tmp_path / "run"), "--quiet"]
    assert run(arguments) == 0
    assert "Sort the mails of a shop." in causal_lm.parts(tmp_path / "run" / "bundle").orders
