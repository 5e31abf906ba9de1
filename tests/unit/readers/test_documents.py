"""Documents whose columns have the names of a conversation's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ockham.errors import DataError
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import Document, SourceFile, describe, documents_of

WANTED = ColumnRequest(inputs=(), target=None, group=None, labelled=False, source="")


def texts(file: SourceFile) -> list[tuple[str, ...]]:
    return [document.texts for document in documents_of(0, file, None) if isinstance(document, Document)]


def test_plain_texts_in_a_column_called_messages_are_texts(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("messages\nthe pump is loud\nthe lift stands\n")
    file = describe(tmp_path / "a.csv", WANTED, None)
    assert not file.chat
    assert texts(file) == [("the pump is loud",), ("the lift stands",)]


def test_turns_in_a_column_called_messages_are_a_conversation(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "the pump is loud"}, {"role": "assistant", "content": "a plumber comes"}]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    file = describe(tmp_path / "a.jsonl", WANTED, None)
    assert file.chat
    assert texts(file) == [("the pump is loud",)]


def test_turns_that_are_written_out_in_a_cell_are_refused_by_name(tmp_path: Path) -> None:
    cell = json.dumps([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]).replace('"', '""')
    (tmp_path / "a.csv").write_text(f'messages\n"{cell}"\n')
    with pytest.raises(DataError, match="is chat, which `ockham curate` does not read"):
        describe(tmp_path / "a.csv", WANTED, None)
