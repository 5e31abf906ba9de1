"""Damaged and hostile GGUF files (faults M03, M04, A01): refused in Python, quickly, in little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.gguf_bytes import (
    BOOL,
    FLOAT32,
    INT8,
    INT32,
    STRING,
    UINT8,
    UINT32,
    UINT64,
    Gguf,
    array,
    pair,
    tensor,
    text,
    u32,
    u64,
)

from ockham.errors import ModelError
from ockham.llm import gguf_file, lora_file

TOKENS = [b"a", b"b", b"<0x0A>", b"</s>"]


def inspect(raw: bytes, folder: Path) -> gguf_file.GgufHeader:
    path = folder / "model.gguf"
    path.write_bytes(raw)
    return gguf_file.inspect(path)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    extra = [pair("llama.context_length", UINT32, 512), pair("general.name", STRING, "né"), pair("x.f", FLOAT32, 0.5)]
    raw = Gguf(extra=extra).laid()
    head = inspect(raw, tmp_path)
    assert head.architecture == "llama"
    assert (head.number("block_count"), head.number("context_length"), head.number("none")) == (2, 512, None)
    assert head.metadata["general.name"] == "né"
    assert head.metadata["x.f"] == 0.5
    assert head.tokens == 4
    assert head.nbytes == len(raw)
    assert not head.is_adapter
    embedding, norm = head.tensors["token_embd.weight"], head.tensors["output_norm.weight"]
    assert (embedding.shape, embedding.type, embedding.nbytes) == ((32, 4), "F16", 256)
    assert (norm.shape, norm.type, norm.nbytes) == ((32,), "F32", 128)
    assert norm.start == embedding.start + 256
    assert norm.start + norm.nbytes == len(raw)


def test_other_alignments_and_version_2_are_read(tmp_path: Path) -> None:
    for alignment in (8, 64, 4096):
        extra = [pair("general.alignment", UINT32, alignment)]
        assert inspect(Gguf(alignment=alignment, extra=extra).laid(), tmp_path).tokens == 4
    assert inspect(Gguf(version=2).laid(), tmp_path).tokens == 4


ROW = 32
WIDE = tensor("token_embd.weight", (ROW, 4), 1, 0)

FAULTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "cut off"),
    "magic": (lambda: Gguf(magic=b"FUGG").laid(), "not a GGUF"),
    "a zip with a pickle": (lambda: b"PK\x03\x04" + bytes(64), "not a GGUF"),
    "version 0": (lambda: Gguf(version=0).laid(), "version 0"),
    "version 1": (lambda: Gguf(version=1).laid(), "version 1"),
    "version 4": (lambda: Gguf(version=4).laid(), "version 4"),
    "big endian": (lambda: Gguf(version=3 << 24).laid(), "big-endian"),
    "n_tensors 2^64-1": (lambda: Gguf(counts=(-1, 4)).laid(), "more tensors or keys"),
    "n_kv 2^64-1": (lambda: Gguf(counts=(2, -1)).laid(), "more tensors or keys"),
    "n_tensors too many for the file": (lambda: Gguf(counts=(60, 4)).laid(), "more tensors or keys"),
    "one tensor too many": (lambda: Gguf(counts=(3, 4)).laid(), "byte"),
    "one key too many": (lambda: Gguf(counts=(2, 5)).laid(), "byte"),
    "no tensor": (lambda: Gguf(tensors=[], data=b"").laid(), "no tensor"),
    "key size 2^64-1": (lambda: Gguf(extra=[u64(-1) + b"key"]).laid(), "longer than"),
    "key empty": (lambda: Gguf(extra=[pair("", UINT32, 1)]).laid(), "empty or there twice"),
    "key twice": (lambda: Gguf(extra=[pair("k", UINT32, 1)] * 2).laid(), "empty or there twice"),
    "key not UTF-8": (lambda: Gguf(extra=[text(b"\xff\xfe") + u32(UINT32) + u32(1)]).laid(), "UTF-8"),
    "value type 99": (lambda: Gguf(extra=[text("k") + u32(99) + bytes(8)]).laid(), "unknown type 99"),
    "value type 13": (lambda: Gguf(extra=[text("k") + u32(13) + bytes(8)]).laid(), "unknown type 13"),
    "string of 1 GiB": (lambda: Gguf(extra=[text("k") + u32(STRING) + u64(1 << 30)]).laid(), "longer than"),
    "string past the end": (lambda: Gguf(extra=[text("k") + u32(STRING) + u64(5000)]).laid(), "cut off"),
    "array of 2^63": (lambda: Gguf(extra=[text("k") + u32(9) + u32(UINT8) + u64(1 << 63)]).laid(), "longer than the"),
    "array whose bytes wrap": (
        lambda: Gguf(extra=[text("k") + u32(9) + u32(UINT64) + u64(1 << 61)]).laid(),
        "longer than the",
    ),
    "array of arrays": (lambda: Gguf(extra=[text("k") + u32(9) + u32(9) + u64(1)]).laid(), "an array again"),
    "array of an unknown type": (lambda: Gguf(extra=[text("k") + u32(9) + u32(77) + u64(1)]).laid(), "type 77"),
    "alignment 13": (lambda: Gguf(extra=[pair("general.alignment", UINT32, 13)]).laid(), "alignment"),
    "alignment 0": (lambda: Gguf(extra=[pair("general.alignment", UINT32, 0)]).laid(), "alignment"),
    "alignment 2^31": (lambda: Gguf(extra=[pair("general.alignment", UINT32, 1 << 31)]).laid(), "alignment"),
    "alignment a text": (lambda: Gguf(extra=[pair("general.alignment", STRING, "32")]).laid(), "alignment"),
    "alignment other than laid": (lambda: Gguf(extra=[pair("general.alignment", UINT32, 4096)]).laid(), "tensor"),
    "tensor name of 64 bytes": (lambda: Gguf(tensors=[tensor("n" * 64, (ROW,), 0, 0)]).laid(), "longer than 63"),
    "tensor name empty": (lambda: Gguf(tensors=[tensor("", (ROW,), 0, 0)]).laid(), "empty or there twice"),
    "tensor name twice": (lambda: Gguf(tensors=[WIDE, WIDE]).laid(), "empty or there twice"),
    "5 dimensions": (lambda: Gguf(tensors=[tensor("t", (1, 1, 1, 1, 1), 0, 0)]).laid(), "5 dimensions"),
    "no dimension": (lambda: Gguf(tensors=[tensor("t", (), 0, 0)]).laid(), "0 dimensions"),
    "a dimension of 0": (lambda: Gguf(tensors=[tensor("t", (ROW, 0), 0, 0)]).laid(), "shape"),
    "a negative dimension": (lambda: Gguf(tensors=[tensor("t", (-1,), 0, 0)]).laid(), "shape"),
    "dimensions 2^42+1": (lambda: Gguf(tensors=[tensor("t", (2**42 + 1, 2**22), 0, 0)]).laid(), "shape"),
    "dimensions whose product is 2^64": (lambda: Gguf(tensors=[tensor("t", (2**32, 2**32), 0, 0)]).laid(), "shape"),
    "a row that is no whole block": (lambda: Gguf(tensors=[tensor("t", (33, 1), 8, 0)]).laid(), "shape"),
    "tensor type 4 (removed)": (lambda: Gguf(tensors=[tensor("t", (ROW,), 4, 0)]).laid(), "unknown type 4"),
    "tensor type 2^32-1": (lambda: Gguf(tensors=[tensor("t", (ROW,), 2**32 - 1, 0)]).laid(), "unknown type"),
    "offset not aligned": (lambda: Gguf(tensors=[tensor("t", (ROW,), 0, 1)]).laid(), "does not begin"),
    "offset 2^64-32": (lambda: Gguf(tensors=[tensor("t", (ROW,), 0, -32)]).laid(), "does not begin"),
    "tensors overlap": (lambda: Gguf(tensors=[WIDE, tensor("t", (ROW,), 0, 0)]).laid(), "does not begin"),
    "a gap between tensors": (lambda: Gguf(tensors=[WIDE, tensor("t", (ROW,), 0, 512)]).laid(), "does not begin"),
    "cut off in the weights": (lambda: Gguf().laid()[:-1], "cut off"),
    "something behind": (lambda: Gguf().laid() + b"PK\x03\x04" + bytes(60), "something follows"),
    "no architecture": (lambda: Gguf(pairs=[pair("llama.block_count", UINT32, 1)]).laid(), "architecture"),
    "architecture no name": (lambda: Gguf(pairs=[pair("general.architecture", STRING, "../x")]).laid(), "architecture"),
    "513 layers": (lambda: Gguf(layers=513).laid(), "block_count"),
    "0 layers": (lambda: Gguf(layers=0).laid(), "block_count"),
    "token <0x-1>": (lambda: Gguf(tokens=[b"a", b"b", b"<0x-1>", b"</s>"]).laid(), "names no byte"),
    "tokens as numbers": (lambda: Gguf(extra=[array("tokenizer.ggml.scores", UINT8, [1] * 4)]).laid(), "type 0, not 6"),
    "scores too few": (lambda: Gguf(extra=[array("tokenizer.ggml.scores", FLOAT32, [1] * 3)]).laid(), "3 elements"),
    "scores one number": (lambda: Gguf(extra=[pair("tokenizer.ggml.scores", FLOAT32, 1)]).laid(), "not an array"),
    "types too few": (lambda: Gguf(types=[1, 1, 6]).laid(), "3 elements for 4"),
    "heads as bytes": (
        lambda: Gguf(extra=[array("llama.attention.head_count", INT8, [4, 4])]).laid(),
        "not read safely",
    ),
    "heads for 513 layers": (
        lambda: Gguf(extra=[array("llama.attention.head_count", INT32, [4] * 513)]).laid(),
        "not read safely",
    ),
    "token id past the end": (lambda: Gguf(extra=[pair("tokenizer.ggml.eos_token_id", UINT32, 4)]).laid(), "number of"),
    "embeddings for more tokens": (lambda: Gguf(tensors=[tensor("token_embd.weight", (ROW, 6), 1, 0)]).laid(), "6"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_m03_m04_every_fault_is_refused_in_a_second_and_in_64_mb(fault: str, tmp_path: Path) -> None:
    make, reason = FAULTS[fault]
    raw = make()
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(ModelError) as caught:
        inspect(raw, tmp_path)
    took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == "E_MODEL_FORMAT"
    assert reason in caught.value.message
    assert caught.value.message.startswith("model.gguf, byte ")
    assert took < 1
    assert peak < 64e6


def test_a_large_vocabulary_is_read_in_a_second_and_in_64_mb(tmp_path: Path) -> None:
    count = 150_000
    tokens = [b"token-%d" % n for n in range(count)]
    merges = array("tokenizer.ggml.merges", STRING, [b"ab cd"] * count)
    path = tmp_path / "model.gguf"
    path.write_bytes(Gguf(tokens=tokens, types=[1] * count, extra=[merges]).laid())
    began = time.process_time()
    assert gguf_file.inspect(path).tokens == count
    assert time.process_time() - began < 1
    tracemalloc.start()
    gguf_file.inspect(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        gguf_file.inspect(tmp_path / "none.gguf")
    assert caught.value.code == "E_MODEL_MISSING"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_m04_no_damage_to_the_head_ends_in_anything_but_a_head_or_a_refusal(
    data: st.DataObject, tmp_path: Path
) -> None:
    raw = bytearray(Gguf(extra=[pair("llama.rope", BOOL, True)]).laid())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, 420))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut])):
        assert code(damaged, tmp_path) in {"", "E_MODEL_FORMAT"}


def code(raw: bytes, folder: Path) -> str:
    """Give the refusal's code, or "" for a file that is read and lies within itself."""
    try:
        head = inspect(raw, folder)
    except ModelError as error:
        return error.code
    return "" if all(one.start + one.nbytes <= len(raw) for one in head.tensors.values()) else "outside"


def adapter(
    folder: Path, architecture: str = "llama", rank: int = 8, width: int = 32, name: str = "output_norm"
) -> gguf_file.GgufHeader:
    pairs = [pair("general.architecture", STRING, architecture), pair("general.type", STRING, "adapter")]
    sizes = (width * rank * 4, rank * 64 * 4)
    tensors = [tensor(f"{name}.lora_a", (width, rank), 0, 0), tensor(f"{name}.lora_b", (rank, 64), 0, sizes[0])]
    return inspect(Gguf(pairs=pairs, tensors=tensors, data=bytes(sum(sizes))).laid(), folder)


def base(folder: Path) -> gguf_file.GgufHeader:
    tensors = [WIDE, tensor("blk.0.attn_q.weight", (32, 64), 0, 256)]
    return inspect(Gguf(tensors=tensors, data=bytes(256 + 32 * 64 * 4)).laid(), folder)


def test_a01_an_adapter_must_fit_its_base(tmp_path: Path) -> None:
    onto, name = base(tmp_path), "blk.0.attn_q.weight"
    lora_file.check(adapter(tmp_path, name=name), onto, "a.gguf")
    for wrong, reason in (
        (adapter(tmp_path, name=name, architecture="qwen2"), "'qwen2', the base is 'llama'"),
        (adapter(tmp_path, name=name, width=64), "do not fit"),
        (adapter(tmp_path, name="blk.9.attn_q.weight"), "which the base lacks"),
        (onto, "not a LoRA adapter"),
    ):
        with pytest.raises(ModelError, match=reason) as caught:
            lora_file.check(wrong, onto, "a.gguf")
        assert caught.value.code == "E_MODEL_FORMAT"
