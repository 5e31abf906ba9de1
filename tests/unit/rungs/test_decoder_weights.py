"""The weights of a language model that was named: its folder is converted once a run, whatever is made of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from tests import tiny_gguf

from ockham import store
from ockham.convert.gguf_export import Converted
from ockham.llm import gguf_file
from ockham.rungs import decoder_4bit, decoder_weights
from ockham.rungs.rung import RunContext


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def conversions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take the place of the converter, and keep the precision that each conversion was asked for."""
    whole = tiny_gguf.lay(tmp_path / "whole.gguf", tiny_gguf.matrices(2), tiny_gguf.metadata(), whole=True)
    asked: list[str] = []

    def convert(_folder: Path, out: Path, precision: str) -> Converted:
        asked.append(precision)
        out.write_bytes(whole.read_bytes())
        return Converted(path=out, sha256=store.file_digest(out), nbytes=out.stat().st_size, source="of the folder")

    monkeypatch.setattr(decoder_weights, "convert", convert)
    return asked


def test_a_folder_is_converted_once_for_its_8_bit_4_bit_and_16_bit_forms(
    tmp_path: Path, model: Path, conversions: list[str]
) -> None:
    pytest.importorskip("xllamacpp", reason="needs ockham[gguf]")
    with store.open_run(tmp_path / "run", {}) as run:
        context = cast("RunContext", SimpleNamespace(run=run, on_progress=lambda _: None))
        eight = decoder_weights.base_of(str(model), context)
        four = decoder_4bit.of_folder(str(model), context)
        whole = decoder_weights.convert_or_find_16_bits(model, context)
        again = decoder_weights.convert_or_find(model, "another name for it", context)
        assert conversions == ["f16"]
        assert four is not None
        forms = [{tensor.type for tensor in gguf_file.inspect(base.weights).tensors.values()} for base in (eight, four)]
        assert [("Q8_0" in forms[0], "Q4_0" in forms[1])] == [(True, True)]
        assert whole.sha256 == store.file_digest(whole.path)
        assert eight.source == again.source == whole.source == "of the folder"


def test_without_a_quantizer_the_converter_writes_8_bits(
    tmp_path: Path, model: Path, conversions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_weights, "can_quantize", lambda: False)
    with store.open_run(tmp_path / "run", {}) as run:
        decoder_weights.base_of(str(model), cast("RunContext", SimpleNamespace(run=run, on_progress=lambda _: None)))
    assert conversions == ["f16", "q8_0"]
