"""Several target columns: the cells of a row are the fields of one object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.sheet_bytes import write_ods

from ockham import cli
from ockham.errors import DataError
from ockham.readers.read import ReadResult, ReadSpec, read

TARGET = "company,date,total"
ROWS: list[dict[str, Any]] = [
    {"receipt": "ALDI 3 May 12.50", "company": "ALDI", "date": " 3 May ", "total": "12.50"},
    {"receipt": "Lidl 7", "company": "Lidl", "date": "", "total": "7"},
    {"receipt": "unreadable", "company": "", "date": " ", "total": ""},
]
OBJECTS = [
    {"company": "ALDI", "date": "3 May", "total": "12.50"},
    {"company": "Lidl", "total": "7"},
    None,
]


def objects(reading: ReadResult) -> list[Any]:
    return [json.loads(example.target) if example.target else None for example in reading.examples]


def code(source: object, **spec: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(source, ReadSpec(**spec))
    return f"{caught.value.code}: {caught.value.message}; {caught.value.fix}"


@pytest.mark.parametrize("target", [TARGET, " Company , DATE,total", '"company",date,total', '"company,date",total'])
def test_several_columns_are_the_fields_of_one_object(target: str) -> None:
    reading = read(ROWS, ReadSpec(target=target))
    assert [example.input for example in reading.examples] == [row["receipt"] for row in ROWS]
    by_plain = [
        None if row is None else {name.lower(): value for name, value in row.items()} for row in objects(reading)
    ]
    assert by_plain == OBJECTS
    assert reading.sources[0].target == target
    assert reading.sources[0].format == "list of dicts, a column for each field"
    (remark,) = [text for text in reading.warnings if "one object" in text]
    assert remark.endswith("; 4 empty cells are fields that the row does not have")


@pytest.mark.parametrize("kind", ["csv", "parquet", "frame", "ods"])
def test_the_object_is_the_same_in_every_format(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame(ROWS[:2])
    path = tmp_path / f"receipts.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pandas(frame), path)
    elif kind == "ods":
        pytest.importorskip("python_calamine", reason="needs the extra excel")
        write_ods(path, [list(ROWS[0]), *(list(row.values()) for row in ROWS[:2])])
    reading = read(frame if kind == "frame" else path, ReadSpec(target=TARGET))
    assert objects(reading) == OBJECTS[:2]


def test_numbers_and_what_is_missing(tmp_path: Path) -> None:
    rows = [
        {"receipt": "a", "total": 0, "share": 0.5, "paid": True, "items": ["b", "c"], "note": None},
        {"receipt": "b", "total": float("nan"), "share": 1, "paid": False, "items": [], "note": "x"},
    ]
    assert objects(read(rows, ReadSpec(target="total,share,paid,items,note"))) == [
        {"total": "0", "share": "0.5", "paid": "true", "items": ["b", "c"]},
        {"share": "1", "paid": "false", "note": "x"},
    ]


def test_columns_that_are_fields_are_no_inputs_but_may_group() -> None:
    rows = [{"text": "a", "description": "b", "label": "c", "vendor": "d"}]
    reading = read(rows, ReadSpec(target="description,vendor", group="vendor"))
    assert [(row.input, row.group) for row in reading.examples] == [("a", "d")]
    assert objects(reading) == [{"description": "b", "vendor": "d"}]


def test_a_column_whose_name_has_commas_is_one_column() -> None:
    rows = [{"text": "a", "company,date": "b", "company": "c", "date": "d", "total, EUR": "e"}]
    assert read(rows, ReadSpec(target="company,date")).examples[0].target == "b"
    assert objects(read(rows, ReadSpec(inputs=("text",), target='company,"total, EUR"'))) == [
        {"company": "c", "total, EUR": "e"}
    ]


def test_columns_that_cannot_be_fields_are_refused() -> None:
    missing = code(ROWS, target="company,dat,totl")
    assert missing.startswith("E_LABEL_MISSING: table has no column 'dat'; its columns are 'receipt', 'company'")
    assert missing.endswith("; did you mean --target company,date,total?")
    assert code(ROWS, target="company,zzzzz").endswith("name columns that it has with --target, separated by commas")
    assert code(ROWS, target="zzzzz,yyyyy").startswith("E_LABEL_MISSING: table has no column 'zzzzz,yyyyy'")
    assert code(ROWS, target="company,date,Company").startswith(
        "E_COLUMN: table: the target names column 'company' twice"
    )
    both = code(ROWS, target="company,total", inputs=("receipt", "total"))
    assert both == (
        "E_COLUMN: table: column 'total' is named as both input and target;"
        " name different columns with --input and --target"
    )


def test_inputs_are_read_without_the_fields() -> None:
    reading = read([{"receipt": "a"}], ReadSpec(inputs=("receipt",), target=TARGET, labelled=False))
    assert [(row.input, row.target) for row in reading.examples] == [("a", "")]


@pytest.mark.parametrize(
    "words", [["--target", TARGET], ["--target", "company", "--target", "date", "--target", "total"]]
)
def test_a_dry_run_says_what_the_target_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    path = tmp_path / "receipts.csv"
    pd.DataFrame([{**row, "receipt": f"{row['receipt']} {n}"} for n in range(10) for row in ROWS]).to_csv(
        path, index=False
    )
    assert cli.run(["fit", str(path), *words, "--dry-run", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["task"] == "extract"
    assert record["left_out"] == {"missing_target": 10}
    assert record["sources"][0]["target"] == TARGET
    assert any("one object with the fields company, date and total" in text for text in record["warnings"])


def test_one_column_is_a_field_where_that_is_asked_for() -> None:
    reading = read(ROWS, ReadSpec(inputs=("receipt",), target="total", fields=True))
    assert objects(reading) == [{"total": "12.50"}, {"total": "7"}, None]
    assert any("one object with the field total" in text for text in reading.warnings)
    assert [example.target for example in read(ROWS, ReadSpec(inputs=("receipt",), target="total")).examples] == [
        "12.50",
        "7",
        "",
    ]
    whole = [{"text": "ALDI 3", "fields": '{"total": "3"}'}, {"text": "Lidl 7", "fields": ""}]
    assert objects(read(whole, ReadSpec(target="fields", fields=True))) == [{"total": "3"}, None]
    assert code(ROWS, target="totl", fields=True).startswith("E_LABEL_MISSING")
