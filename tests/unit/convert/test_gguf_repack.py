"""A GGUF file in Q4_1 is written again in what serves: known numbers, and the same answers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests import tiny_gguf

from ockham import store
from ockham.convert import gguf_repack
from ockham.convert.gguf_quantize import unpack
from ockham.llm import gguf_file
from ockham.rungs import decoder_weights

pytest.importorskip("gguf", reason="the extra gguf is not installed")
pytest.importorskip("xllamacpp", reason="the extra gguf is not installed")

Q4_1, Q8_0 = 3, 8


def q4_1(matrix: NDArray[np.float32]) -> bytes:
    """Pack blocks of 32 as ggml does: scale and least value in 16 bits, then 4 bits each, low halves first."""
    laid = b""
    for block in matrix.reshape(-1, 32):
        least, most = float(block.min()), float(block.max())
        scale = (most - least) / 15
        numbers = np.clip(np.round((block - least) / (scale or 1.0)), 0, 15).astype(np.uint8)
        laid += np.array([scale, least], dtype="<f2").tobytes() + (numbers[:16] | numbers[16:] << 4).tobytes()
    return laid


@pytest.fixture
def slow_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small model whose matrices are in Q4_1."""
    monkeypatch.setattr(tiny_gguf, "q8_0", q4_1)
    monkeypatch.setattr(tiny_gguf, "Q8_0", Q4_1)
    return tiny_gguf.write(tmp_path / "slow.gguf")


def test_numbers_of_q4_1_are_what_its_definition_says() -> None:
    block = (np.arange(32) / 31 * 15 - 4).astype(np.float32)
    raw = q4_1(block)
    scale, least = np.frombuffer(raw[:4], dtype="<f2").astype(np.float32)
    expected = scale * np.round((block + 4) / 15 * 15) + least
    assert np.allclose(unpack(raw, "Q4_1"), expected, atol=1e-6)


def test_the_forms_that_serve_hold_the_same_weights(slow_file: Path) -> None:
    assert gguf_repack.is_slow(slow_file)
    gguf_repack.repack_pulled(slow_file.parent)
    for form, most in (("q8_0", 0.01), ("q4_0", 0.12)):
        path = gguf_repack.repacked_file(slow_file, form)  # type: ignore[arg-type]
        assert path is not None
        assert gguf_repack.weight_type(path) == form
        before, after = (gguf_file.inspect(file) for file in (slow_file, path))
        assert before.metadata == after.metadata
        for name, tensor in before.tensors.items():
            raw, other = (
                file.read_bytes()[head.tensors[name].start :][: head.tensors[name].nbytes]
                for file, head in ((slow_file, before), (path, after))
            )
            if tensor.type == "F32":
                assert raw == other
                continue
            true, made = unpack(raw, tensor.type), unpack(other, after.tensors[name].type)
            assert np.abs(true - made).max() <= most * np.abs(true).max()


def test_a_file_that_is_not_slow_is_left_as_it_is(tmp_path: Path) -> None:
    path = tiny_gguf.write(tmp_path / "fast.gguf")
    gguf_repack.repack_pulled(tmp_path)
    assert gguf_repack.repacked_file(path, "q8_0") is None
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_slow_file_of_the_users_own_is_converted_at_its_first_use_and_once_a_run(
    slow_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    with store.open_run(tmp_path / "run", {"data": "x"}) as run:
        context: Any = SimpleNamespace(run=run, on_progress=lambda progress: heard.append(progress.message))
        served = decoder_weights.base_of(str(slow_file), context).weights
        assert gguf_repack.weight_type(served) == "q8_0"
        assert heard == ["converting slow.gguf to q8_0"]
        monkeypatch.setattr(decoder_weights, "quantize", None)
        assert decoder_weights.base_of(str(slow_file), context).weights == served
    assert not (slow_file.parent / gguf_repack.FOLDER).exists(), "nothing is written beside a file of the user's own"
