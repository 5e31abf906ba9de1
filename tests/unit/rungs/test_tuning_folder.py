"""The folder that a language model is tuned from."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from ockham.rungs.decoder_weights import packed_file
from ockham.rungs.rung import RunContext
from ockham.rungs.tuning_folder import tuning_folder


def test_a_folder_with_its_own_weights_is_tuned_from_these_whatever_gguf_stands_beside_them(tmp_path: Path) -> None:
    (tmp_path / "model-q4.gguf").write_bytes(b"GGUF")
    assert packed_file(tmp_path) == tmp_path / "model-q4.gguf"
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert packed_file(tmp_path) is None
    assert tuning_folder(str(tmp_path), cast("RunContext", SimpleNamespace())) == tmp_path
    assert packed_file(tmp_path / "model-q4.gguf") == tmp_path / "model-q4.gguf"
