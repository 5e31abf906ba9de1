"""Quotes behind a blank, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ockham.readers.csv_cells import cells_alone
from ockham.readers.read import ReadSpec, read

LINES: dict[str, tuple[str, str, list[str]]] = {
    "a delimiter inside": (",", 'billing, "too much, again"', ["billing", "too much, again"]),
    "blanks on both sides": (";", 'billing;  "too much; again"  ;x', ["billing", "too much; again", "x"]),
    "doubled quotes": (",", 'a, "he said ""no"""', ["a", 'he said "no"']),
    "without quotes": (",", "a, b", ["a", " b"]),
    "a quote and more text": (",", 'a, "no" he said', ["a", ' "no" he said']),
    "a quote that is not closed": (",", 'a, "no', ["a", ' "no']),
    "behind a tab": ("\t", 'a\t "no"', ["a", ' "no"']),
}


@pytest.mark.parametrize(("delimiter", "line", "cells"), LINES.values(), ids=LINES)
def test_quotes_behind_a_blank(delimiter: str, line: str, cells: list[str]) -> None:
    assert cells_alone(line, delimiter) == cells


def test_a_file_with_blanks_behind_its_commas(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"label", "text"\r\n"leak", "the pump, again"\r\n"noise", "it is loud"\r\n')
    reading = read(tmp_path / "a.csv", ReadSpec())
    assert [(row.input, row.target) for row in reading.examples] == [
        ("the pump, again", "leak"),
        ("it is loud", "noise"),
    ]
