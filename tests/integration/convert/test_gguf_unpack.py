"""A GGUF file becomes a folder with the same weights, and what is not the same or not known is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests import tiny_gguf
from tests.gguf_bytes import STRING, UINT32, pair

from ockham.convert import gguf_unpack
from ockham.convert.gguf_export import Converter
from ockham.errors import ModelError

pytest.importorskip("gguf", reason="the extra gguf is not installed")
pytest.importorskip("transformers", reason="the extra gguf is not installed")
pytestmark = pytest.mark.tune


def test_a_file_is_unpacked_into_a_folder_with_its_weights(converter: Converter, tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "tiny.gguf")
    assert gguf_unpack.can_unpack(path) is None
    gguf_unpack.write_folder(path, tmp_path / "folder")
    again = converter.convert(tmp_path / "folder", tmp_path / "again.gguf", "f16").path
    assert gguf_unpack.find_difference(path, again) is None
    other = tiny_gguf.write(tmp_path / "other.gguf", seed=1)
    assert "holds other numbers" in (gguf_unpack.find_difference(other, again) or "")


def test_a_family_that_is_not_known_says_so(tmp_path: Path) -> None:
    path = tmp_path / "quux.gguf"
    tiny_gguf.lay(path, tiny_gguf.matrices(0), quux_pairs())
    reason = gguf_unpack.can_unpack(path)
    assert reason is not None
    assert "family (quux)" in reason
    with pytest.raises(ModelError, match="cannot be unpacked"):
        gguf_unpack.write_folder(path, tmp_path / "folder")


def quux_pairs() -> list[bytes]:
    """The metadata of the tiny model, of an architecture that nobody knows."""
    own = [part for part in tiny_gguf.metadata() if b"llama" not in part]
    return [pair("general.architecture", STRING, "quux"), pair("quux.block_count", UINT32, tiny_gguf.LAYERS), *own]
