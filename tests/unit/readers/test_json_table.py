"""Documents that are one table: every way in which pandas writes a frame gives the frame's rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ockham.errors import DataError
from ockham.readers.read import ReadResult, ReadSpec, read

TEXTS = ("the pump is loud", "the lift stands still", "who pays for it")
LABELS = ("noise", "lift", "bills")
PAIRS = list(zip(TEXTS, LABELS, strict=True))


def read_document(folder: Path, document: object, **spec: Any) -> ReadResult:
    (folder / "a.json").write_text(json.dumps(document))
    return read(folder / "a.json", ReadSpec(**spec))


def pairs(reading: ReadResult) -> list[tuple[str, str]]:
    return [(row.input, row.target) for row in reading.examples]


def by_column(index: tuple[str, ...], **columns: Any) -> dict[str, Any]:
    return {name: dict(zip(index, cells, strict=True)) for name, cells in columns.items()}


NUMBERS, NAMES = ("0", "1", "2"), ("t1", "t2", "t3")
FRAMES: dict[str, Any] = {
    "by column": by_column(NUMBERS, text=TEXTS, label=LABELS),
    "by column, rows with names": by_column(NAMES, text=TEXTS, label=LABELS),
    "by row": {key: {"text": text, "label": label} for key, (text, label) in zip(NUMBERS, PAIRS, strict=True)},
    "by row, with names": {
        key: {"text": text, "label": label} for key, (text, label) in zip(NAMES, PAIRS, strict=True)
    },
    "lists": {"text": TEXTS, "label": LABELS},
    "split": {"columns": ["text", "label"], "index": [0, 1, 2], "data": PAIRS},
    "table": {"schema": {}, "data": [{"index": n, "text": t, "label": s} for n, (t, s) in enumerate(PAIRS)]},
}


@pytest.mark.parametrize("document", FRAMES.values(), ids=FRAMES)
def test_the_rows_of_a_frame(tmp_path: Path, document: object) -> None:
    assert pairs(read_document(tmp_path, document)) == PAIRS


ONE_ROW: dict[str, Any] = {
    "by column": by_column(("0",), text=TEXTS[:1], label=LABELS[:1]),
    "by row": {"0": {"text": TEXTS[0], "label": LABELS[0]}},
    "lists": {"text": TEXTS[:1], "label": LABELS[:1]},
    "split": {"columns": ["text", "label"], "index": [0], "data": PAIRS[:1]},
}


@pytest.mark.parametrize("document", ONE_ROW.values(), ids=ONE_ROW)
def test_a_frame_of_one_row(tmp_path: Path, document: object) -> None:
    assert pairs(read_document(tmp_path, document)) == PAIRS[:1]


@pytest.mark.parametrize("orient", ["lists", "by column"])
def test_lists_in_the_cells_of_a_frame_cost_no_row(tmp_path: Path, orient: str) -> None:
    labels = [["noise"], ["lift"], []]
    columns = {"text": TEXTS, "labels": labels}
    reading = read_document(tmp_path, columns if orient == "lists" else by_column(NUMBERS, **columns))
    assert pairs(reading) == [(TEXTS[0], "noise"), (TEXTS[1], "lift"), (TEXTS[2], "")]


def test_names_that_come_again_keep_their_columns(tmp_path: Path) -> None:
    document = {"columns": ["text", "label", "note", "note"], "data": [[*pair, "a", "b"] for pair in PAIRS]}
    assert pairs(read_document(tmp_path, document)) == PAIRS
    assert {row.input for row in read_document(tmp_path, document, inputs=("note (2)",)).examples} == {"b"}
    document["columns"] = ["text", "label", "text", "note"]
    with pytest.raises(DataError, match="columns 1 and 3 have the same name"):
        read_document(tmp_path, document)


def test_rows_that_do_not_fit_the_names_are_not_lost_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_document(tmp_path, {"columns": ["text", "label"], "data": [*PAIRS, ["one cell"]]})
