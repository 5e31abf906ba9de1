"""Conversations as rows: which turn is the answer, and what of its calls is said."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ockham.readers.read import ReadSpec, read

ASKED = ("the pump in flat 3 makes trouble", "the lift stands still", "who pays for the plumber")
PLAIN = {"messages": [{"role": "user", "content": ASKED[0]}, {"role": "assistant", "content": "a plumber comes"}]}


def write_lines(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def targets(path: Path) -> list[str]:
    return [example.target for example in read(path, ReadSpec()).examples]


def call(name: str, arguments: Mapping[str, object], key: str = "c1") -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": key, "type": "function", "function": function}]}


def test_a_conversation_that_ends_with_a_tool_s_result_is_answered_by_the_call_before_it(tmp_path: Path) -> None:
    rows = [
        {"messages": [
            {"role": "user", "content": text},
            call("route", {"team": team}),
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ]}
        for text, team in zip(ASKED, ("pumps", "lifts", "bills"), strict=True)
    ]  # fmt: skip
    assert targets(write_lines(tmp_path, rows)) == ['{"team":"pumps"}', '{"team":"lifts"}', '{"team":"bills"}']


def test_the_weight_of_the_answer_counts_whatever_comes_after_it(tmp_path: Path) -> None:
    rows = [
        {"messages": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": "a plumber comes", "weight": weight},
            {"role": "user", "content": "thanks"},
        ]}
        for text, weight in zip(ASKED, (1, 0, 1), strict=True)
    ]  # fmt: skip
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert [row.reason for row in reading.dropped] == ["weight_0"]
    assert len(reading.examples) == 2


@pytest.mark.parametrize(
    ("names", "named"), [(("open", "close", "open"), True), (("open", "open", "open"), False)], ids=["several", "one"]
)
def test_calls_of_several_functions_keep_their_names_in_sharegpt_too(
    tmp_path: Path, names: Sequence[str], named: bool
) -> None:
    rows = [
        {"conversations": [
            {"from": "human", "value": text},
            {"from": "function_call", "value": json.dumps({"name": name, "arguments": {"ticket": 7}})},
        ]}
        for text, name in zip(ASKED, names, strict=True)
    ]  # fmt: skip
    expected = [{"name": name, "arguments": {"ticket": 7}} if named else {"ticket": 7} for name in names]
    assert [json.loads(target) for target in targets(write_lines(tmp_path, rows))] == expected


def test_a_function_s_turn_in_openai_s_former_form_answers_the_call_before_it(tmp_path: Path) -> None:
    rows = [
        {"messages": [
            {"role": "user", "content": text},
            {"role": "assistant", "content": None, "function_call": {"name": "stock", "arguments": "{}"}},
            {"role": "function", "name": "stock", "content": "42"},
            {"role": "assistant", "content": "there are 42"},
        ]}
        for text in ASKED
    ]  # fmt: skip
    reading = read(write_lines(tmp_path, rows), ReadSpec())
    assert [example.target for example in reading.examples] == ["there are 42"] * 3
    assert reading.examples[0].input.splitlines()[-1] == "tool: 42"
    rows = [{"messages": [rows[0]["messages"][0], *rows[0]["messages"][2:]]}] * 3
    assert {row.reason for row in read(write_lines(tmp_path, [*rows, PLAIN]), ReadSpec()).quarantined} == {
        "roles are out of order: a tool turn answers no call"
    }


@pytest.mark.parametrize(
    ("column", "who", "says"), [("messages", "role", "content"), ("conversations", "from", "value")]
)
def test_conversations_in_the_cells_of_a_table(tmp_path: Path, column: str, who: str, says: str) -> None:
    turns = [[{who: "user", says: text}, {who: "assistant", says: f"answer to {text}"}] for text in ASKED]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[column], *([json.dumps(cell)] for cell in turns)])
    assert targets(tmp_path / "a.csv") == [f"answer to {text}" for text in ASKED]


def test_a_column_of_plain_texts_is_no_conversation_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("messages,label\nthe pump is loud,noise\nthe lift stands,lift\n")
    assert targets(tmp_path / "a.csv") == ["noise", "lift"]


def test_conversations_in_a_frame_that_was_read_from_parquet(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "a plumber comes"}]}
        for text in ASKED
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    frame = pd.read_parquet(tmp_path / "a.parquet")
    assert [(row.input, row.target) for row in read(frame, ReadSpec()).examples] == [
        (text, "a plumber comes") for text in ASKED
    ]
