"""Forms and columns are found in Parquet as in lines of JSON, whatever their columns are called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ockham.errors import DataError
from ockham.readers import examples, parquet_file
from ockham.readers.read import ReadResult, ReadSpec, read

TEXTS = ("the pump is loud", "the lift stands still", "who pays for it")
LABELS = ("noise", "lift", "bills")
Rows = Sequence[Mapping[str, Any]]


def as_parquet(folder: Path, rows: Rows) -> ReadResult:
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), folder / "a.parquet")
    return read(folder / "a.parquet", ReadSpec())


def as_lines(folder: Path, rows: Rows) -> ReadResult:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read(folder / "a.jsonl", ReadSpec())


FORMS: dict[str, Rows] = {
    "SQuAD": [
        {"id": f"q{n}", "title": "house", "context": f"{t}. It is {s}.", "question": "What?", "answers": {"text": [s]}}
        for n, (t, s) in enumerate(zip(TEXTS, LABELS, strict=True))
    ],
    "a column for each label": [
        {"text": text, **{name: int(name == label) for name in LABELS}}
        for text, label in zip(TEXTS, LABELS, strict=True)
    ],
    "Argilla": [
        {"text": text, "fault": [{"user_id": "u1", "value": label, "status": "submitted"}], "fault-suggestion": ""}
        for text, label in zip(TEXTS, LABELS, strict=True)
    ],
    "tokens and tags": [{"tokenized_text": ["Anna", "has", "it"], "bio_tags": ["B-NAME", "O", "O"]}] * 3,
    "nested records": [
        {"ticket": {"text": text}, "meta": {"label": label}} for text, label in zip(TEXTS, LABELS, strict=True)
    ],
    "exchanges": [
        {"inputs": {"ask": text}, "outputs": {"said": label}} for text, label in zip(TEXTS, LABELS, strict=True)
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_the_same_in_parquet(tmp_path: Path, form: str) -> None:
    parquet, lines = as_parquet(tmp_path, FORMS[form]), as_lines(tmp_path, FORMS[form])
    assert parquet.sources[0].format == f"parquet, {form}"
    assert parquet.examples == lines.examples
    assert len(parquet.examples) == 3


def test_of_a_wide_file_the_usual_columns_alone_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "_MOST_PEEKED", 3)
    rows = [{"text": "the pump is loud", "label": "noise", **{f"column{n}": n for n in range(9)}}]
    assert [(row.input, row.target) for row in as_parquet(tmp_path, rows).examples] == [("the pump is loud", "noise")]
    with pytest.raises(DataError):
        as_parquet(tmp_path, FORMS["SQuAD"])


def test_pictures_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    plain = parquet_file.column_cells

    def column_cells(array: pa.Array) -> list[Any]:
        seen.append(str(array.type))
        return plain(array)

    monkeypatch.setattr(parquet_file, "column_cells", column_cells)
    rows = [{"text": t, "mood": s, "picture": {"bytes": b"x" * 9}} for t, s in zip(TEXTS, LABELS, strict=True)]
    with pytest.raises(DataError):  # there are two columns that may be meant
        as_parquet(tmp_path, rows)
    assert seen
    assert not any("binary" in kind for kind in seen)
