"""What becomes of answers that are not sure enough: whole ones, and the single fields of extracted objects."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ockham.bundles.answer_file import AnswerForm, write_answers
from ockham.bundles.answered_rows import AnsweredRow, RowAccount
from ockham.errors import ConfigError
from ockham.readers.input_rows import InputRow
from ockham.records import Answer

SURE = {"total": 0.9, "date": 0.3, "shop.town": 0.2}
VALUE = {"total": "9.00", "date": "22-04-16", "shop": {"town": "Ipoh", "name": "Ah Lim"}}


class Answering:
    """Rows that are answered already."""

    def __init__(self, rows: list[AnsweredRow]) -> None:
        self.rows = iter(rows)
        self.manifest = type("Manifest", (), {"task": "extract"})()
        self.table = type("Table", (), {"columns": ("text",), "open_ended": False, "delimiter": ",", "marked": False})()


def row(number: int, text: str = "a receipt") -> InputRow:
    return InputRow(str(number), number, None, {"text": text}, text)


def settle(answer: Answer, least: float | None, account: RowAccount | None = None) -> AnsweredRow:
    return (account or RowAccount()).settle(row(1), answer, least)


def test_only_doubtful_fields_are_left_empty() -> None:
    account = RowAccount()
    answer = Answer(value=json.dumps(VALUE), confidence=0.05, fields=SURE)
    settled = settle(answer, 0.5, account)
    assert settled.state == "answered"
    assert json.loads(str(settled.answer.value)) == {
        "total": "9.00",
        "date": None,
        "shop": {"town": None, "name": "Ah Lim"},
    }
    assert settled.answer.fields == SURE
    assert account.counts().fields_left_empty == 2
    assert settle(answer, None).answer.value == answer.value


def test_an_object_of_which_nothing_is_sure_is_no_answer() -> None:
    account = RowAccount()
    settled = settle(Answer(value='{"a.b": "x"}', confidence=0.2, fields={"a.b": 0.2}), 0.5, account)
    assert (settled.state, settled.answer.value) == ("doubtful", None)
    assert account.counts().doubtful == 1
    empty = settle(Answer(value="{}", confidence=0.1, fields={"total": 0.1}), 0.5)
    assert (empty.state, empty.answer.value) == ("answered", "{}"), "there was nothing that could be left out"


def test_without_confidences_of_fields_the_whole_answer_counts() -> None:
    assert settle(Answer(value='{"a": "x"}', confidence=0.2), 0.5).state == "doubtful"
    with pytest.raises(ConfigError, match="no confidence"):
        settle(Answer(value='{"a": "x"}'), 0.5)


def answered(least: float | None) -> list[AnsweredRow]:
    value = json.dumps({"total": "9.00", "total_confidence": "x", "confidence": "y"})
    sure = {"total": 0.25, "confidence": 0.75}
    return [settle(Answer(value=value, confidence=0.2, fields=sure), least)]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_each_field_has_its_confidence_beside_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"answers.{suffix}"
    notes = write_answers(path, Answering(answered(0.5)), AnswerForm())  # type: ignore[arg-type]
    names = ["text", "total", "total_confidence", "total_confidence_predicted", "confidence", "confidence_confidence"]
    record: dict[str, Any]
    if suffix == "csv":
        (record,) = csv.DictReader(path.read_text().splitlines())
        assert record["total"] == ""
        assert record["total_confidence"] == "0.25"
    elif suffix == "jsonl":
        record = json.loads(path.read_text())
        assert (record["total"], record["total_confidence"], record["confidence_confidence"]) == (None, 0.25, 0.75)
    else:
        (record,) = pq.read_table(path).to_pylist()
        assert (record["total"], record["total_confidence"], record["confidence_confidence"]) == (None, 0.25, 0.75)
    assert list(record) == [*names, "confidence_predicted"]
    assert float(record["confidence_predicted"]) == 0.2
    assert notes.renamed == {"total_confidence": "total_confidence_predicted", "confidence": "confidence_predicted"}
