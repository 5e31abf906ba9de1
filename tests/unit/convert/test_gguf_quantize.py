"""Quantizing a GGUF file: the engine's own quantizers against others, written here from the formats' definition."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests import tiny_gguf
from tests.gguf_bytes import UINT32, pair

from ockham.convert import gguf_quantize
from ockham.errors import ModelError
from ockham.llm import gguf_file
from ockham.llm.llamacpp import Engine, EngineSpec


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    return tiny_gguf.lay(folder / "whole.gguf", tiny_gguf.matrices(2), tiny_gguf.metadata(), whole=True)


def raw(path: Path, name: str) -> bytes:
    tensor = gguf_file.inspect(path).tensors[name]
    return path.read_bytes()[tensor.start : tensor.start + tensor.nbytes]


def types(path: Path) -> Mapping[str, str]:
    return {name: tensor.type for name, tensor in gguf_file.inspect(path).tensors.items()}


def q4_0(matrix: NDArray[np.float32]) -> bytes:
    """Blocks of 32: a scale that puts the value of largest size at -8, then 4-bit numbers, low halves first."""
    out = b""
    for block in matrix.reshape(-1, 32):
        largest = block[np.abs(block).argmax()]
        scale = np.float32(largest) / np.float32(-8)
        inverse = np.float32(1) / scale if scale else np.float32(0)
        numbers = np.clip((block * inverse + np.float32(8.5)).astype(np.int8), 0, 15).astype(np.uint8)
        out += struct.pack("<e", scale) + (numbers[:16] | numbers[16:] << 4).tobytes()
    return out


def test_8_and_4_bits_are_what_the_formats_define(whole: Path, tmp_path: Path) -> None:
    matrix = tiny_gguf.matrices(2)["blk.1.ffn_down.weight"]
    eight = gguf_quantize.quantize(whole, tmp_path / "8.gguf", "q8_0").path
    assert raw(eight, "blk.1.ffn_down.weight") == tiny_gguf.q8_0(matrix)
    four = gguf_quantize.quantize(whole, tmp_path / "4.gguf", "q4_0").path
    assert raw(four, "blk.1.ffn_down.weight") == q4_0(matrix)


def test_norms_stay_whole_and_the_last_matrix_keeps_more_bits(whole: Path, tmp_path: Path) -> None:
    made = types(gguf_quantize.quantize(whole, tmp_path / "4.gguf", "q4_0").path)
    assert made["output_norm.weight"] == made["blk.0.attn_norm.weight"] == "F32"
    assert made["token_embd.weight"] == "Q8_0", "it is the output too; its rows of 64 hold no block of 256"
    assert {kind for name, kind in made.items() if name.startswith("blk") and "norm" not in name} == {"Q4_0"}


def test_pitfall_5_k_quants_give_way_where_rows_are_no_multiple_of_256(whole: Path, tmp_path: Path) -> None:
    made = types(gguf_quantize.quantize(whole, tmp_path / "k.gguf", "q4_k_m").path)
    assert set(made.values()) == {"F32", "Q5_0", "Q8_0"}
    assert made["blk.1.ffn_down.weight"] == "Q8_0"
    assert made["blk.0.attn_q.weight"] == "Q5_0"


def test_the_file_says_what_it_is_and_keeps_all_else(whole: Path, tmp_path: Path) -> None:
    marked = tmp_path / "marked.gguf"
    pairs = [*tiny_gguf.metadata(), pair("general.file_type", UINT32, 0)]
    tiny_gguf.lay(marked, tiny_gguf.matrices(2), pairs, whole=True)
    made = gguf_quantize.quantize(marked, tmp_path / "4.gguf", "q4_0", source="abc")
    before, after = (dict(gguf_file.inspect(path).metadata) for path in (marked, made.path))
    assert after.pop("general.file_type") == gguf_quantize.FILE_TYPES["q4_0"]
    before.pop("general.file_type")
    assert before == after
    assert (made.source, made.nbytes) == ("abc", made.path.stat().st_size)
    assert made.nbytes < marked.stat().st_size / 3


def test_what_is_quantized_answers_nearly_the_same(whole: Path, tmp_path: Path) -> None:
    found = []
    for path in (whole, *(gguf_quantize.quantize(whole, tmp_path / form, form).path for form in ("q8_0", "q4_0"))):
        engine = Engine(path, EngineSpec(context=64, slots=1, threads=1))
        top = engine.top([257, 70, 80, 90], 259)
        engine.close()
        found.append(np.array([top[token] for token in range(259)]))
    true, eight, four = found
    losses = [float((np.exp(true) * (true - other)).sum()) for other in (eight, four)]
    assert 0 < losses[0] < 0.05
    assert losses[0] < losses[1] < 1


def test_a_file_that_is_quantized_already_is_refused(whole: Path, tmp_path: Path) -> None:
    eight = gguf_quantize.quantize(whole, tmp_path / "8.gguf", "q8_0").path
    with pytest.raises(ModelError, match="only 32 and 16 bits"):
        gguf_quantize.quantize(eight, tmp_path / "4.gguf", "q4_0")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_m09_a_weight_that_is_no_number_is_refused_and_its_tensor_named(value: float, tmp_path: Path) -> None:
    named = tiny_gguf.matrices(2)
    named["blk.0.ffn_up.weight"][3, 4] = value
    path = tiny_gguf.lay(tmp_path / "w.gguf", named, tiny_gguf.metadata(), whole=True)
    with pytest.raises(ModelError, match=r"blk\.0\.ffn_up\.weight") as caught:
        gguf_quantize.quantize(path, tmp_path / "8.gguf", "q8_0")
    assert caught.value.code == "E_MODEL_FORMAT"


def test_numbers_in_16_bits_are_read_exactly() -> None:
    values = np.array([1.5, -0.25, 0, 65280, 3e-5], dtype=np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    cut = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert gguf_quantize._floats(upper, "BF16").tolist() == cut.tolist()
    halves = values[:3].astype("<f2")
    assert gguf_quantize._floats(halves.tobytes(), "F16").tolist() == values[:3].tolist()
