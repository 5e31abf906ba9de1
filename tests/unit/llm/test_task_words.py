"""What a user says of the task, read from a text or a file (tests/golden/test_task_words_climb.py has the rest)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ockham.errors import ConfigError, DataError
from ockham.llm import task_words

MEANINGS = {"billing": "questions on invoices", "delivery": "where a parcel is", "defect": "something is broken"}


def test_instructions_are_a_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "task.txt").write_text("Sort the mails.\n", encoding="utf-8")
    assert task_words.read_instructions(str(tmp_path / "task.txt")) == "Sort the mails."
    assert task_words.read_instructions("Sort the mails. ") == "Sort the mails."
    assert task_words.read_instructions("Sort. " * 500).startswith("Sort. Sort.")
    assert task_words.read_instructions(None) == ""
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        task_words.read_instructions(str(tmp_path / "bytes"))
    with pytest.raises(ConfigError, match="20,001 characters"):
        task_words.read_instructions("x" * 20_001)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_descriptions_are_read_from_any_table_and_meet_the_labels(form: str, tmp_path: Path) -> None:
    file = tmp_path / f"labels.{form}"
    rows = [{"label": label.upper(), "description": text} for label, text in MEANINGS.items()]
    if form == "csv":
        file.write_text("label,description\n" + "".join(f"{r['label']},{r['description']}\n" for r in rows))
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    descriptions = task_words.read_descriptions(str(file))
    words = task_words.task_words("Sort.", descriptions, tuple(MEANINGS))
    assert words == f"Sort.\nWhat the labels mean: {json.dumps(MEANINGS)}"
    assert task_words.without_meanings(words, MEANINGS) == "Sort."
    assert task_words.without_meanings(words, {}) == words
    with pytest.raises(DataError, match="1 of 3 described labels do not occur"):
        task_words.task_words("", descriptions, ("billing", "delivery"))


def test_a_label_that_is_described_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("label,description\nbilling,one\nbilling,two\n")
    with pytest.raises(ConfigError, match="described twice"):
        task_words.read_descriptions(str(file))
