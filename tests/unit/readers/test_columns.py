"""Columns found and named, conversations and tables in memory."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ockham.errors import DataError
from ockham.readers.columns import INPUTS, TARGETS
from ockham.readers.read import ReadResult, ReadSpec, read


def pairs(reading: ReadResult) -> list[tuple[str, str]]:
    return [(example.input, example.target) for example in reading.examples]


def code(source: object, **spec: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(source, ReadSpec(**spec))
    return f"{caught.value.code} {caught.value.message} {caught.value.fix}"


@pytest.mark.parametrize("target", TARGETS)
def test_usual_names_of_targets(target: str) -> None:
    assert pairs(read([{"text": "a", target.title(): "b", "n": 1, "m": 2}], ReadSpec())) == [("a", "b")]


@pytest.mark.parametrize("name", INPUTS)
def test_usual_names_of_inputs(name: str) -> None:
    assert pairs(read([{name.upper(): "a", "label": "b", "n": 1, "m": 2}], ReadSpec())) == [("a", "b")]


def test_no_name_is_usual_for_both() -> None:
    assert not set(INPUTS) & set(TARGETS)


def test_subject_and_body_together() -> None:
    rows = [{"Subject": "hi", "Body": "there", "tag": "x"}, {"Subject": " ", "Body": "alone", "tag": "y"}]
    reading = read(rows, ReadSpec())
    assert pairs(reading) == [("Subject: hi\nBody: there", "x"), ("Body: alone", "y")]
    assert reading.sources[0].inputs == ("Subject", "Body")


def test_named_columns() -> None:
    rows = [{"a": "1", "b": "2", "c": "3", "g": "G"}]
    reading = read(rows, ReadSpec(inputs=("b", "a"), target="c", group="g"))
    assert pairs(reading) == [("b: 2\na: 1", "3")]
    assert reading.examples[0].group == "G"
    assert reading.sources[0].group == "g"
    assert pairs(read(rows, ReadSpec(inputs=("A",), target="C"))) == [("1", "3")]


def test_what_is_ambiguous_is_asked() -> None:
    assert "'text', 'message'" in code([{"text": "a", "message": "b", "label": "c"}])
    two = code([{"text": "a", "label": "b", "category": "c"}])
    assert two.startswith("E_COLUMN")
    assert "--target label" in two
    assert code([{"text": "a", "label": "b"}], inputs=("text",), target="text").startswith("E_COLUMN")
    assert code([{"text": "a", "label": "b"}], group="contract").startswith("E_COLUMN")
    assert "did you mean --input text?" in code([{"text": "a", "label": "b"}], inputs=("txt",))
    assert code([{"foo": "a", "label": "b", "bar": "c"}]).startswith("E_COLUMN")


def test_the_column_that_is_most_like_labels_is_proposed_with_its_reason() -> None:
    """Short values that come again are not enough: the language and the channel of a mail are no labels either."""
    rows = [
        {
            "text": f"mail {n}",
            "language": ("en", "de")[n % 2],
            "channel": ("mail", "chat")[n % 2],
            "ticketTopic": f"topic {n % 7}",
            "customer_name": f"name {n}",
        }
        for n in range(60)
    ]
    said = code(rows)
    assert said.startswith("E_LABEL_MISSING")
    assert said.endswith(
        "name it: --target ticketTopic (its name, and 7 different values in the first 60 rows);"
        " to extract fields, name their columns: --target A,B"
    )
    others = [{"code" if name == "ticketTopic" else name: cell for name, cell in row.items()} for row in rows]
    assert "--target code (7 different values in the first 60 rows)" in code(others)
    only = [{"text": row["text"], "language": row["language"], "customer": row["customer_name"]} for row in rows]
    assert "--target language (2 different values in the first 60 rows)" in code(only)


def test_an_answer_that_is_written_is_proposed_by_its_name() -> None:
    rows = [{"text": f"question {n}", "bot_answer": f"answer {n}", "seen": f"on day {n}"} for n in range(60)]
    assert "name it: --target bot_answer (by its name)" in code(rows)


def test_the_only_one_left_is_taken_and_said() -> None:
    reading = read([{"foo": "a", "label": "b", "id": 1}], ReadSpec())
    assert pairs(reading) == [("a", "b")]
    assert reading.warnings == ("table: using column 'foo' as the input, the only one left",)
    reading = read([{"text": "a", "bar": "b"}], ReadSpec())
    assert pairs(reading) == [("a", "b")]
    assert code([{"foo": "a", "bar": "b"}]).startswith("E_LABEL_MISSING")


def test_a_group_is_proposed_and_never_taken() -> None:
    reading = read([{"text": "a", "label": "b", "contract": "c"}], ReadSpec())
    assert reading.examples[0].group is None
    assert "--group contract" in reading.warnings[0]


def test_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nhello, you\n")
    reading = read(path, ReadSpec(labelled=False))
    assert pairs(reading) == [("hello, you", "")]
    assert (reading.sources[0].dialect, reading.sources[0].target) == ("one column", "")
    assert pairs(read([{"text": "a", "label": "b"}], ReadSpec(labelled=False))) == [("a", "")]
    assert pairs(read([{"words": "a"}], ReadSpec(labelled=False))) == [("a", "")]


@pytest.mark.parametrize("text", ["hello there,yes\nbye,no\nciao,yes\n", "12,a\nhello,b\n"])
def test_a_first_row_of_data_is_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    said = code(path)
    assert said.startswith("E_COLUMN")
    assert "looks like data" in said
    assert not any(cell in said for cell in ("hello there", "yes", "12"))
    assert "hello there" not in code(path, target="label")


def test_blank_and_missing_cells() -> None:
    rows: list[dict[str, object]] = [
        {"text": "a", "label": None},
        {"text": "b", "label": "  "},
        {"text": "c"},
        {"text": None, "label": "x"},
        {"text": "d", "label": float("nan")},
        {"text": "e", "label": 0},
        {"text": "f", "label": False},
        {"text": "g", "label": 1.5},
    ]
    assert pairs(read(rows, ReadSpec())) == [
        ("a", ""), ("b", ""), ("c", ""), ("", "x"), ("d", ""), ("e", "0"), ("f", "false"), ("g", "1.5"),
    ]  # fmt: skip


def test_targets_that_are_objects_are_canonical() -> None:
    rows = [{"text": "a", "label": {"z": "é", "a": [1, {"y": 1, "b": None}]}}]
    assert read(rows, ReadSpec()).examples[0].target == '{"a":[1,{"b":null,"y":1}],"z":"é"}'


def test_frames_and_tables_agree() -> None:
    rows = [{"text": "a é", "label": "x"}, {"text": "b", "label": None}]
    expected = [("a é", "x"), ("b", "")]
    sources: list[tuple[object, str]] = [
        (rows, "list of dicts"),
        (pd.DataFrame(rows), "pandas frame"),
        (pl.DataFrame(rows), "polars frame"),
        (pa.Table.from_pylist(rows), "Arrow table"),
    ]
    readings = [read(source, ReadSpec()) for source, _ in sources]
    assert [pairs(reading) for reading in readings] == [expected] * 4
    assert [reading.sources[0].format for reading in readings] == [kind for _, kind in sources]
    assert len({reading.sources[0].sha256 for reading in readings}) == 1


def test_frames_with_odd_cells() -> None:
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": pd.Series([1, None, 3], dtype="Int64")})
    assert pairs(read(frame, ReadSpec())) == [("a", "1"), ("b", ""), ("c", "3")]
    frame = pd.DataFrame({"text": ["a", "b"], "label": [pd.NaT, pd.Timestamp("2020-01-02")]})
    assert pairs(read(frame, ReadSpec())) == [("a", ""), ("b", "2020-01-02 00:00:00")]


def test_an_arrow_table_with_odd_cells() -> None:
    days = pa.array([0, 10**9], pa.date32())  # the second is beyond the dates that Python has
    table = pa.table({"text": pa.array(["a", "b"]).dictionary_encode(), "label": days})
    first, second = pairs(read(table, ReadSpec()))
    assert first == ("a", "1970-01-01")
    assert second[0] == "b"
    assert second[1]
    times = pa.array([1, 1_600_000_000_000_000_000], pa.timestamp("ns"))
    table = pa.table({"text": ["a", "b"], "label": times})
    assert [target for _, target in pairs(read(table, ReadSpec()))] == [
        "1970-01-01 00:00:00.000000001", "2020-09-13 12:26:40.000000000",
    ]  # fmt: skip


def test_what_is_no_table() -> None:
    assert code(42).startswith("E_FORMAT")
    assert code(b"text,label").startswith("E_FORMAT")
    assert code([]).startswith("E_EMPTY")
    assert code([1, 2]).startswith("E_FORMAT")
    loop: dict[str, object] = {"text": "a"}
    loop["label"] = [loop]
    reading = read([{"text": "a", "label": "b"}, loop, {"text": "a", "label": {"n": float("nan")}}], ReadSpec())
    assert [item.reason for item in reading.quarantined] == ["a cell has a value that cannot be written as JSON"] * 2


def test_the_given_rows_stay_as_they_are() -> None:
    rows = [{"text": "a", "label": {"b": [1]}}]
    before = json.dumps(rows)
    read(rows, ReadSpec())
    assert json.dumps(rows) == before


def test_conversations() -> None:
    def say(*turns: str) -> dict[str, object]:
        roles = {"s": "system", "u": "user", "a": "assistant", "d": "developer"}
        return {"messages": [{"role": roles[turn[0]], "content": turn[2:]} for turn in turns], "case": "7"}

    reading = read(
        [say("u hi", "a yo"), say("d s", "u hi", "a yo"), say("u 1", "a 2", "u 3", "a 4", "u 5")], ReadSpec()
    )
    assert pairs(reading) == [("hi", "yo"), ("system: s\nuser: hi", "yo"), ("user: 1\nassistant: 2\nuser: 3", "4")]
    source = reading.sources[0]
    assert (source.format, source.inputs, source.target) == ("list of dicts, chat", ("messages",), "assistant")
    assert pairs(read([say("u hi")], ReadSpec(labelled=False))) == [("hi", "")]
    assert pairs(read([say("u hi", "a yo")], ReadSpec(target="case"))) == [("user: hi\nassistant: yo", "7")]
    assert read([say("u hi", "a yo")], ReadSpec(group="case")).examples[0].group == "7"


def test_logs_of_chat_calls() -> None:
    request = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}

    def answer(**choice: object) -> dict[str, object]:
        return {"request": request, "response": {"choices": [{"message": {"content": "yo"}, **choice}]}}

    rows = [
        answer(finish_reason="stop"),
        answer(finish_reason="length"),
        {"request": request, "response": {"error": 1}},
    ]
    reading = read(rows, ReadSpec())
    assert pairs(reading) == [("hi", "yo")]
    assert [(item.record, item.reason) for item in reading.quarantined] == [
        (2, "the logged answer was truncated"),
        (3, "the logged call has no answer"),
    ]


def test_chat_keeps_what_was_broken_before(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    path.write_text('{"messages": 1\n' + json.dumps({"messages": turns}) + "\n")
    reading = read(path, ReadSpec())
    assert pairs(reading) == [("a", "b")]
    assert [item.record for item in reading.quarantined] == [1]


@pytest.mark.parametrize(
    ("name", "cells"),
    [("", "012"), ("Unnamed: 0", "012"), ("__index_level_0__", "012"), ("level_0", "210"), ("notes", ["", "", ""])],
)
def test_a_column_of_row_numbers_or_of_nothing_is_no_other_one(tmp_path: Path, name: str, cells: list[str]) -> None:
    rows = [f"{cell},the pump {n} is loud,kind {n % 2}" for n, cell in enumerate(cells)]
    (tmp_path / "a.csv").write_text("\n".join([f"{name},text,feeling", *rows]))
    assert read(tmp_path / "a.csv", ReadSpec()).sources[0].target == "feeling"


def test_a_first_column_without_a_name_that_counts_no_rows_may_be_meant(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(",text,feeling\nred,the pump is loud,bad\nblue,the lift is fast,good\n")
    assert code(tmp_path / "a.csv").startswith("E_LABEL_MISSING")


def test_a_column_of_empty_objects_is_not_the_only_one_left() -> None:
    assert code([{"_id": "1", "text": "a", "metadata": {}}, {"_id": "2", "text": "b", "metadata": {}}]).startswith(
        "E_LABEL_MISSING"
    )
