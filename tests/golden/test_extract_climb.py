"""A fit that extracts fields: what is required of single fields, and what bad input is told."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import pytest
from tests.unit.models.test_linear_tagger import receipts

import ockham
from ockham.bundles.predict import predict
from ockham.errors import ConfigError, DataError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import load_result
from ockham.records import Requirements
from ockham.store import read_bundle

Rows = list[dict[str, Any]]
SPEC = FitSpec(rungs=("constant", "pattern", "linear-tagger"), all=True)


def unlike(text: str, number: int) -> str:
    """Put a line of random letters before a text, so that no two are near-duplicates."""
    draw = random.Random(number)
    words = ["".join(draw.choices("bcdfgklmnprst", k=6)) for _ in range(30)]
    return f"{' '.join(words)}\n{text}"


def rows_with(change: dict[int, dict[str, Any]] | None = None, count: int = 80) -> Rows:
    """Receipts, with what each row's target has besides by its remainder of 4."""
    rows = []
    for number, row in enumerate(receipts(count)):
        target = {**json.loads(row.target), **(change or {}).get(number % 4, {})}
        rows.append({"input": unlike(row.text, number), "target": json.dumps(target)})
    return rows


def test_a_field_that_is_required_decides(tmp_path: Path) -> None:
    rows = rows_with()
    verdict = fit(rows, SPEC, Requirements(min_field={"total": 0.5}), out=tmp_path / "run")
    by_name = {line.name: line for line in verdict.candidates}
    assert verdict.chosen == "pattern"
    assert verdict.requirements["min_field:total"] == 0.5
    assert by_name["constant"].meets == {"min_field:total": "misses"}
    assert by_name["pattern"].meets == {"min_field:total": "meets"}
    assert "F1 of field total" in verdict.because
    (answer,) = predict(tmp_path / "run", [{"input": receipts(1, 500)[0].text}])
    assert json.loads(str(answer.answer)) == json.loads(receipts(1, 500)[0].target)
    with pytest.raises(ConfigError, match="the field 'totl', which no target has") as caught:
        fit(rows, SPEC, Requirements(min_field={"totl": 0.5}), out=tmp_path / "other")
    assert "date, total" in str(caught.value.fix)


def test_a_table_with_a_column_for_each_field_is_fitted_measured_and_answered(tmp_path: Path) -> None:
    """The names of columns are those of the fit, in whatever case another file has them."""

    def write(name: str, head: str, rows: Rows) -> str:
        with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(head.split(","))
            table.writerows([row["input"], *json.loads(row["target"]).values()] for row in rows)
        return str(tmp_path / name)

    rows, notes = rows_with(), list[str]()
    train, test = write("train.csv", "text,date,total", rows[:50]), write("test.csv", "text,Date,Total", rows[50:])
    spec = dataclasses.replace(SPEC, target="date,total", test=test)
    verdict = fit(
        train, spec, Requirements(min_f1_micro=0.9), out=tmp_path / "run", on_progress=lambda p: notes.append(p.message)
    )
    assert verdict.chosen == "pattern"
    assert "train.csv: csv, a column for each field, utf-8; text → date,total" in notes
    assert "note: train.csv: each row's target is one object with the fields date and total" in notes
    measured = ockham.eval(tmp_path / "run", test)
    assert measured.metrics["f1_micro"].value > 0.9
    (answer,) = predict(tmp_path / "run", [{"text": receipts(1, 500)[0].text}])
    assert json.loads(str(answer.answer)) == json.loads(receipts(1, 500)[0].target)
    assert read_bundle(tmp_path / "run" / "bundle").target == "date,total"


def test_values_that_stand_nowhere_and_fields_that_are_empty_are_told(tmp_path: Path) -> None:
    notes: list[str] = []
    change: dict[int, dict[str, Any]] = {
        0: {"kind": "invoice of goods"},
        1: {"kind": "receipt, small"},
        2: {"note": ""},
        3: {"note": None},
    }
    verdict = fit(rows_with(change), SPEC, out=tmp_path / "run", on_progress=lambda p: notes.append(p.message))
    lost = [note for note in notes if note.startswith("note: field kind: ")]
    assert lost
    assert all(note.endswith("do not occur in their texts: it cannot be extracted") for note in lost)
    assert "not usable: field kind (F1 below 50 %)" in verdict.because
    (empty,) = [note for note in notes if note.startswith("note: field note: ")]
    assert empty.endswith("training rows: nothing can be learnt about it")
    assert "note: field note: empty in all " in empty
    assert sum("occur several times in their texts: the models choose the place" in note for note in notes) == 1
    facts = {fact.field: fact for fact in load_result(tmp_path / "run").fields}
    assert facts["kind"].nowhere == facts["kind"].values > 0
    assert facts["total"].several == facts["total"].values == facts["total"].rows
    assert facts["note"].kind == "empty"


def test_two_fields_with_one_value_are_both_answered(tmp_path: Path) -> None:
    rows = [
        {**row, "target": json.dumps({**json.loads(row["target"]), "cash": json.loads(row["target"])["total"]})}
        for row in rows_with()
    ]
    notes: list[str] = []
    verdict = fit(rows, SPEC, out=tmp_path / "run", on_progress=lambda p: notes.append(p.message))
    tagged = next(line for line in verdict.candidates if line.name == "linear-tagger")
    assert tagged.metrics["f1_micro"].value > 0.95
    shared = "note: fields total, cash: the same text in most rows: its places are shared out among them"
    assert shared in notes


def test_rows_without_any_field_and_nested_objects(tmp_path: Path) -> None:
    rows: Rows = [
        {"input": unlike(row.text, number), "target": json.dumps({"paid": json.loads(row.target)})}
        for number, row in enumerate(receipts(120))
    ]
    rows += [{"input": unlike("nothing to see here", 1000 + n), "target": "{}"} for n in range(30)]
    notes: list[str] = []
    verdict = fit(rows, SPEC, out=tmp_path / "run", on_progress=lambda p: notes.append(p.message))
    assert "note: the fields of nested objects are told apart by their paths: paid.date, paid.total" in notes
    assert any("training rows have no field at all" in note for note in notes)
    assert next(line for line in verdict.candidates if line.name == "linear-tagger").metrics["f1_micro"].value > 0.9
    with pytest.raises(DataError, match="none of the 40 targets has a field with a value"):
        fit([{"input": f"text {n}", "target": '{"a": ""}'} for n in range(40)], FitSpec(task="extract"))


def test_values_that_say_the_same_match_where_that_is_asked_for(tmp_path: Path) -> None:
    """The targets write days as no text does, now one way and now another, so that no form can be learnt."""
    rows = rows_with()
    for number, row in enumerate(rows):
        target = json.loads(row["target"])
        row["target"] = json.dumps({**target, "date": target["date"].replace("-", "/" if number % 2 else ".")})
    spec = FitSpec(rungs=("linear-tagger",), all=True)
    (exact,) = fit(rows, spec, out=tmp_path / "exact").candidates
    assert exact.metrics["f1_micro"].value < 0.8
    loose = FitSpec(rungs=("linear-tagger",), all=True, match=("date=normalised", "total=exact"))
    (matched,) = fit(rows, loose, out=tmp_path / "loose").candidates
    assert matched.metrics["f1_micro"].value > 0.9
    assert any("normalised" in warning for warning in load_result(tmp_path / "loose").warnings)
    with pytest.raises(ConfigError, match="the field 'totl', which no target has"):
        fit(rows, FitSpec(match=("totl=normalised",)), out=tmp_path / "other")
    with pytest.raises(ConfigError, match="FIELD=exact or FIELD=normalised"):
        fit(rows, FitSpec(match=("total=loose",)), out=tmp_path / "other")
