"""What was read of a file is read again where the file has changed, and only there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests import tiny_gguf
from tests.written import writing_bundle

from ockham import store
from ockham.errors import BundleError, ModelError
from ockham.llm import gguf_file
from ockham.models import causal_lm
from ockham.store import bundle
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


@pytest.mark.usefixtures("later")
def test_a_bundle_that_is_checked_and_loaded_is_read_for_its_digests_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = bundle.file_digest

    def reading(path: Path, *, quick: bool = False) -> str:
        read.append(path.name)
        return real(path, quick=quick)

    folder = writing_bundle(tmp_path / "tale")
    monkeypatch.setattr(bundle, "file_digest", reading)
    store.read_bundle(folder)
    causal_lm.load(folder).close()
    assert sorted(read) == ["gguf.json", "model.gguf"]
    time.sleep(0.02)
    weights = (folder / "model.gguf").read_bytes()
    (folder / "model.gguf").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(BundleError, match="was changed"):
        store.read_bundle(folder)
    with pytest.raises(ModelError, match="SHA-256"):
        causal_lm.load(folder)
