"""A small Llama with random weights as a GGUF file, laid down byte by byte: no torch, no converter, in milliseconds.

The vocabulary is the 256 bytes and three chat marks, without merges, so any text has tokens. Matrices are in Q8_0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.gguf_bytes import BOOL, FLOAT32, INT32, STRING, UINT32, Gguf, array, pair, tensor
from tests.tiny_decoder import CHATML, SPECIAL

WIDTH, HEADS, KEYS, WIDE, LAYERS = 64, 4, 2, 128, 2
F32, Q8_0 = 0, 8

Matrix = NDArray[np.float32]


def letters() -> list[bytes]:
    """The 256 bytes as GPT-2 writes them: printable ones as themselves, the others from U+0100 on."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)).encode() for byte in range(256)]


def q8_0(matrix: Matrix) -> bytes:
    """Quantize rows of a multiple of 32: one scale in 16 bits and 32 numbers in 8 bits a block."""
    blocks = matrix.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    numbers = np.round(np.divide(blocks, scale, out=np.zeros_like(blocks), where=scale > 0)).astype(np.int8)
    return b"".join(s.astype("<f2").tobytes() + n.tobytes() for s, n in zip(scale[:, 0], numbers, strict=True))


def matrices(seed: int) -> dict[str, Matrix]:
    draw = np.random.default_rng(seed)
    tokens = 256 + len(SPECIAL)

    def drawn(rows: int, columns: int = WIDTH) -> Matrix:
        return draw.normal(0, 0.2, (rows, columns)).astype(np.float32)

    made = {"token_embd.weight": drawn(tokens), "output_norm.weight": np.ones(WIDTH, dtype=np.float32)}
    keys = WIDTH * KEYS // HEADS
    for layer in range(LAYERS):
        shapes: dict[str, tuple[int, ...]] = {
            "attn_q": (WIDTH,),
            "attn_k": (keys,),
            "attn_v": (keys,),
            "attn_output": (WIDTH,),
        }
        shapes |= {"ffn_gate": (WIDE,), "ffn_up": (WIDE,), "ffn_down": (WIDTH, WIDE)}
        for name, shape in shapes.items():
            made[f"blk.{layer}.{name}.weight"] = drawn(*shape)
        for name in ("attn_norm", "ffn_norm"):
            made[f"blk.{layer}.{name}.weight"] = np.ones(WIDTH, dtype=np.float32)
    return made


def metadata() -> list[bytes]:
    tokens = [*letters(), *(mark.encode() for mark in SPECIAL)]
    numbers = {
        "block_count": LAYERS,
        "context_length": 2048,
        "embedding_length": WIDTH,
        "feed_forward_length": WIDE,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KEYS,
        "rope.dimension_count": WIDTH // HEADS,
        "vocab_size": len(tokens),
    }
    return [
        pair("general.architecture", STRING, "llama"),
        *(pair(f"llama.{name}", UINT32, value) for name, value in numbers.items()),
        pair("llama.attention.layer_norm_rms_epsilon", FLOAT32, 1e-5),
        pair("tokenizer.ggml.model", STRING, "gpt2"),
        pair("tokenizer.ggml.pre", STRING, "gpt-2"),
        array("tokenizer.ggml.tokens", STRING, tokens),
        array("tokenizer.ggml.token_type", INT32, [1] * 256 + [3] * len(SPECIAL)),
        array("tokenizer.ggml.merges", STRING, []),
        pair("tokenizer.ggml.bos_token_id", UINT32, 256),
        pair("tokenizer.ggml.eos_token_id", UINT32, 258),
        pair("tokenizer.ggml.add_bos_token", BOOL, False),
        pair("tokenizer.chat_template", STRING, CHATML),
    ]


def lay(path: Path, named: Mapping[str, Matrix], pairs: list[bytes], *, whole: bool = False) -> Path:
    """Write tensors and metadata; ``whole``: in 32 bits, as adapters are."""
    tensors, data = [], b""
    for name, matrix in named.items():
        plain = whole or matrix.ndim == 1
        tensors.append(tensor(name, matrix.shape[::-1], F32 if plain else Q8_0, len(data)))
        data += matrix.astype("<f4").tobytes() if plain else q8_0(matrix)
        data += bytes(-len(data) % 32)
    path.write_bytes(Gguf(pairs=pairs, tensors=tensors, data=data).laid())
    return path


def write(path: Path, seed: int = 0) -> Path:
    """Write a model."""
    return lay(path, matrices(seed), metadata())


def write_adapter(path: Path, seed: int, *, size: float = 0.5, rank: int = 4) -> Path:
    """Write a LoRA adapter that changes the model's queries, keys and outputs a lot."""
    draw = np.random.default_rng(seed)
    made: dict[str, Matrix] = {}
    for name, onto in matrices(0).items():
        if name.split(".")[-2] in {"attn_q", "attn_output", "ffn_down"}:
            rows, columns = onto.shape
            made[f"{name}.lora_a"] = draw.normal(0, size, (rank, columns)).astype(np.float32)
            made[f"{name}.lora_b"] = draw.normal(0, size, (rows, rank)).astype(np.float32)
    pairs = [
        pair("general.architecture", STRING, "llama"),
        pair("general.type", STRING, "adapter"),
        pair("adapter.type", STRING, "lora"),
        pair("adapter.lora.alpha", FLOAT32, float(rank)),
    ]
    return lay(path, made, pairs, whole=True)
