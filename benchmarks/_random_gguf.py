"""GGUF files of a model's true shape with random weights: for measuring speed and memory without a download.

The layout follows the format's description (ggml-org/ggml, docs/gguf.md); the types of the tensors follow
``ockham.planning.quantization``. The vocabulary is the 256 bytes and names without meaning.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ockham.catalog import Architecture

UINT32, FLOAT32, STRING, ARRAY, INT32 = 4, 6, 8, 9, 5
ALIGNMENT = 32
# name: number in ggml, weights and bytes a block, bytes of scales at the block's start and end
TYPES = {
    "f32": (0, 1, 4, 0, 0),
    "f16": (1, 1, 2, 0, 0),
    "q4_0": (2, 32, 18, 2, 0),
    "q5_0": (6, 32, 22, 2, 0),
    "q8_0": (8, 32, 34, 2, 0),
    "q4_k": (12, 256, 144, 4, 0),
    "q6_k": (14, 256, 210, 0, 2),
}
INSTEAD = {"q4_k": "q5_0", "q6_k": "q8_0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor: its name, type, length of a row and number of rows (0 for a vector)."""

    name: str
    kind: str
    row: int
    rows: int

    @property
    def size(self) -> int:
        _, weights, size, _, _ = TYPES[self.kind]
        return self.row // weights * size * max(1, self.rows)


def write(shape: Architecture, quantization: str, path: Path) -> None:
    """Write the file; its weights come from a fixed seed."""
    rng = np.random.default_rng(0)
    tensors = list(_tensors(shape, quantization))
    pairs = list(_pairs(shape))
    with path.open("wb") as stream:
        stream.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs))
        at = 0
        for one in tensors:
            sides = (one.row, one.rows) if one.rows else (one.row,)
            stream.write(_text(one.name) + struct.pack(f"<I{len(sides)}Q", len(sides), *sides))
            stream.write(struct.pack("<IQ", TYPES[one.kind][0], at))
            at += _padded(one.size)
        stream.write(b"\0" * (_padded(stream.tell()) - stream.tell()))
        for one in tensors:
            _fill(one, rng, stream)
            stream.write(b"\0" * (_padded(one.size) - one.size))


def _tensors(shape: Architecture, quantization: str) -> Iterator[Tensor]:
    base = {"q4_k_m": "q4_k"}.get(quantization, quantization)
    output = "q6_k" if base in ("q4_0", "q4_k") else base
    wide, narrow = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    yield _matrix("token_embd", output if shape.tied else base, shape.hidden, shape.vocabulary)
    if not shape.tied:
        yield _matrix("output", output, shape.hidden, shape.vocabulary)
    yield _vector("output_norm.weight", shape.hidden)
    eighth = shape.layers // 8
    for i in range(shape.layers):
        more = i < eighth or i >= 7 * shape.layers // 8 or (i - eighth) % 3 == 2
        careful = "q6_k" if quantization == "q4_k_m" and more else base
        block = f"blk.{i}."
        for name, kind, row, rows in (
            ("attn_q", base, shape.hidden, wide),
            ("attn_k", base, shape.hidden, narrow),
            ("attn_v", careful, shape.hidden, narrow),
            ("attn_output", base, wide, shape.hidden),
            ("ffn_gate", base, shape.hidden, shape.ffn),
            ("ffn_up", base, shape.hidden, shape.ffn),
            ("ffn_down", careful, shape.ffn, shape.hidden),
        ):
            yield _matrix(block + name, kind, row, rows)
        if shape.bias == "qkv":
            for name, size in (("q", wide), ("k", narrow), ("v", narrow)):
                yield _vector(f"{block}attn_{name}.bias", size)
        yield _vector(f"{block}attn_norm.weight", shape.hidden)
        yield _vector(f"{block}ffn_norm.weight", shape.hidden)


def _matrix(name: str, kind: str, row: int, rows: int) -> Tensor:
    kind = INSTEAD[kind] if kind in INSTEAD and row % 256 else kind
    return Tensor(name=f"{name}.weight", kind=kind, row=row, rows=rows)


def _vector(name: str, size: int) -> Tensor:
    return Tensor(name=name, kind="f32", row=size, rows=0)


def _fill(one: Tensor, rng: np.random.Generator, stream: BinaryIO) -> None:
    if one.rows == 0:
        stream.write(np.full(one.row, 0.0 if one.name.endswith("bias") else 1.0, np.float32).tobytes())
        return
    _, weights, size, first, last = TYPES[one.kind]
    scale = np.frombuffer(np.float16(0.001).tobytes() * 2, np.uint8)
    for start in range(0, one.rows, 4096):
        rows = min(4096, one.rows - start)
        raw: npt.NDArray[np.uint8] = rng.integers(0, 256, (rows, one.row // weights, size), np.uint8)
        if one.kind == "f16":
            raw[:, :, 1] = (raw[:, :, 1] & 0x80) | 0x20  # small numbers of either sign
        if first:
            raw[:, :, :first] = scale[:first]
        if last:
            raw[:, :, -last:] = scale[:last]
        stream.write(raw.tobytes())


def _pairs(shape: Architecture) -> Iterator[bytes]:
    name = "qwen2" if shape.bias == "qkv" else "llama"
    yield _string("general.architecture", name)
    numbers = {
        "context_length": shape.context,
        "embedding_length": shape.hidden,
        "block_count": shape.layers,
        "feed_forward_length": shape.ffn,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "rope.dimension_count": shape.head_size,
        "vocab_size": shape.vocabulary,
    }
    for key, value in numbers.items():
        yield _text(f"{name}.{key}") + struct.pack("<II", UINT32, value)
    yield _text(f"{name}.attention.layer_norm_rms_epsilon") + struct.pack("<If", FLOAT32, 1e-5)
    yield _text(f"{name}.rope.freq_base") + struct.pack("<If", FLOAT32, 10_000.0)
    yield _string("tokenizer.ggml.model", "gpt2")
    yield _string("tokenizer.ggml.pre", "gpt-2")
    words = [*_bytes(), *(f"<{i}>" for i in range(shape.vocabulary - 256))]
    yield _text("tokenizer.ggml.tokens") + struct.pack("<IIQ", ARRAY, STRING, len(words)) + b"".join(map(_text, words))
    kinds = [1] * (shape.vocabulary - 1) + [3]
    yield _text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{len(kinds)}i", ARRAY, INT32, len(kinds), *kinds)
    yield _text("tokenizer.ggml.merges") + struct.pack("<IIQ", ARRAY, STRING, 1) + _text("a b")
    for which in ("bos", "eos"):
        yield _text(f"tokenizer.ggml.{which}_token_id") + struct.pack("<II", UINT32, shape.vocabulary - 1)


def _bytes() -> Iterator[str]:
    """Give the characters by which GPT-2's tokenizer writes the 256 bytes."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    yield from map(chr, shown)
    yield from (chr(256 + place) for place in range(256 - len(shown)))


def _string(key: str, value: str) -> bytes:
    return _text(key) + struct.pack("<I", STRING) + _text(value)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
