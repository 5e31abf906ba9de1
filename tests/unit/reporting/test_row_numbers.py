"""Rows have the numbers that a spreadsheet shows beside them."""

from __future__ import annotations

from pathlib import Path

from ockham.readers.read import ReadSpec, read
from ockham.records import IngestReport
from ockham.reporting.row_numbers import row_number


def numbers(source: Path) -> list[str]:
    reading = read(source, ReadSpec())
    intake = IngestReport(
        rows=reading.rows, kept_rows=reading.rows, dropped=(), quarantined=(), sources=reading.sources
    )
    return [row_number(intake, row.id) for row in reading.examples]


def test_the_header_of_a_file_in_a_folder_inside_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("text,label\nthe pump,noise\n")
    (tmp_path / "b.jsonl").write_text('{"text": "the lift", "label": "noise"}\n')
    assert numbers(tmp_path) == ["b.jsonl:1", "data/a.csv:2"]


def test_lines_above_the_header_count(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Tickets of June,\n# exported today\ntext,label\nthe pump,noise\nthe lift,noise\n")
    assert numbers(tmp_path / "a.csv") == ["4", "5"]
    assert numbers(tmp_path) == ["4", "5"]
    (tmp_path / "a.csv").write_text("sep=;\ntext;label\nthe pump;noise\nthe lift;noise\n")
    assert numbers(tmp_path / "a.csv") == ["2", "3"]  # a spreadsheet shows no line of the separator
