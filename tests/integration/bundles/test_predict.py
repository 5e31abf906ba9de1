"""R4 and R5: records that cannot be read are counted and named, with --quiet too, and the exit status tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from tests.integration.serving.test_process import ROWS, bundle

from ockham.bundles import predict
from ockham.cli import commands
from ockham.errors import DataError
from ockham.models import linear

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linear")
    linear.learn(ROWS, 1.0, seed=0, temperature=0.5).save(folder)
    return bundle(folder, "linear", sorted({row.target for row in ROWS}))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*args: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            commands.main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        assert isinstance(leaving.value.code, int)
        return leaving.value.code, out, err

    return command


def jsonl(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_quiet_prediction_names_what_it_left_out(served: Path, run: Run, tmp_path: Path) -> None:
    lines = ['{"text": "parcel 1"}', '{"text": "cut', '{"text": "\\ud800"}', '{"text": "pump 4"}', "[broken"]
    status, out, err = run("predict", served, jsonl(tmp_path / "new.jsonl", lines), "-q")
    assert status == 5
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["1", "4"]
    (line,) = err.splitlines()
    assert line.startswith("warning: left out 3 of 5 records: ")
    assert "E_FORMAT" in line
    assert line.endswith("(record numbers in new.jsonl: 2, 3, 5)")
    assert "cut" not in line, "nothing of the data is shown"


def test_every_record_answered_is_status_0_without_a_word(served: Path, run: Run, tmp_path: Path) -> None:
    status, out, err = run("predict", served, jsonl(tmp_path / "new.jsonl", ['{"text": "parcel"}']), "-q")
    assert (status, len(out.splitlines()), err) == (0, 1, "")


def test_of_many_records_some_are_named_and_all_are_counted(served: Path, run: Run, tmp_path: Path) -> None:
    lines = ['{"text": "parcel"}', *["[broken"] * 300]
    status, _, err = run("predict", served, jsonl(tmp_path / "new.jsonl", lines), "-q")
    assert status == 5
    assert err.startswith("warning: left out 300 of 301 records: ")
    assert err.endswith("(record numbers in new.jsonl: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 290 more)\n")


def test_a_quiet_evaluation_names_what_it_left_out(served: Path, run: Run, tmp_path: Path) -> None:
    rows = [json.dumps({"text": row.input, "label": row.target}) for row in ROWS]
    status, out, err = run("eval", served, jsonl(tmp_path / "rows.jsonl", [*rows, "[broken"]), "-q")
    assert status == 0, "the report says on how many rows it rests"
    assert "30 labelled rows" in out
    assert err.startswith("warning: left out 1 of 31 records: ")


def test_the_records_that_were_left_out_can_be_had(served: Path, tmp_path: Path) -> None:
    with predict.open_answers(served, jsonl(tmp_path / "new.jsonl", ['{"text": "parcel"}', "[broken"])) as answering:
        assert [answered.row.id for answered in answering.rows] == ["1"]
    assert [(bad.file, bad.record) for bad in answering.account.quarantined] == [("new.jsonl", 2)]


def test_a_blank_row_has_no_answer_in_python_either(served: Path) -> None:
    first, blank = predict.predict(served, [{"text": "parcel 1"}, {"text": " "}])
    assert first.answer == "delivery"
    assert (blank.id, blank.answer, blank.confidence) == ("2", None, None)
    with pytest.raises(DataError, match="--input names 2"):
        predict.predict(served, [{"a": "", "b": ""}], predict.PredictSpec(inputs=("a", "b")))


def test_texts_of_the_one_column_are_rows(served: Path) -> None:
    texts = ["parcel 1", None, "pump 4"]
    rows = predict.predict(served, [{"text": text} for text in texts])
    assert rows[1].answer is None
    for source in (texts, tuple(texts), pd.Series(texts), pl.Series(texts), pd.Series(texts).to_numpy()):
        assert predict.predict(served, source) == rows
    with pytest.raises(DataError, match="none of its 2 records can be read"):
        predict.predict(served, [1, 2])
