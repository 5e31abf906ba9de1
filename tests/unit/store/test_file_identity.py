"""What was read of a file is read again where the file has changed, and only there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests import tiny_gguf

from ockham.errors import ModelError
from ockham.llm import gguf_file
from ockham.store.file_identity import file_identity


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two seconds pass after all that the test does."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 2_000_000_000)


def test_a_file_that_has_just_changed_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    assert file_identity(path) is None


@pytest.mark.usefixtures("later")
def test_a_file_is_the_same_until_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = file_identity(path)
    assert before is not None
    assert file_identity(path) == before
    status = path.stat()
    time.sleep(0.02)
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_identity(path) != before, "even where its size and its own time are as before"


@pytest.mark.usefixtures("later")
def test_the_head_of_a_gguf_file_is_read_once_while_it_stays(tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "tiny.gguf")
    assert gguf_file.inspect(path) is gguf_file.inspect(path)
    time.sleep(0.02)
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ModelError, match="GGUF version 0"):
        gguf_file.inspect(path)
