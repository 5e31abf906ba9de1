"""A sample of a packed file comes from all over it, and no more of it is kept than asked for."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ockham.readers import file_sample
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import describe
from ockham.readers.file_sample import SampleSize, is_sampled_at_its_beginning, spread_documents


@pytest.mark.parametrize(("rows", "most"), [(1000, 10), (30, 10), (19, 10), (7, 10), (64, 1)])
def test_a_packed_file_is_sampled_all_over(
    rows: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = "".join(json.dumps({"text": f"line {number}"}) + "\n" for number in range(rows))
    path.write_bytes(gzip.compress(lines.encode()))
    request = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")
    file = describe(path, request, None)
    size = SampleSize(rows=most, size=1 << 20)
    numbers = [document.record for document in spread_documents(0, file, None, size)]
    assert len(numbers) == len(set(numbers)) == min(rows, most)
    gaps = [after - before for before, after in zip([0, *numbers], [*numbers, rows], strict=True)]
    assert max(gaps) <= 2 * max(1, rows / len(numbers)) + 1
    assert not is_sampled_at_its_beginning(path)
    monkeypatch.setattr(file_sample, "MOST_PACKED", 10)
    assert is_sampled_at_its_beginning(path)
    first = [document.record for document in spread_documents(0, file, None, size)]
    assert first == list(range(1, min(rows, most) + 1))


def test_a_sample_of_a_plain_file_reaches_from_its_first_row_to_its_last(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"line {number}"}) + "\n" for number in range(100)))
    request = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")
    documents = spread_documents(0, describe(path, request, None), None, SampleSize(rows=10, size=1 << 20))
    assert [document.record for document in documents] == list(range(1, 101, 11))
