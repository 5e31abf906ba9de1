"""Bytes of a model's weights in the formats that engines read.

Bits a weight with the scales of its block counted, from the block structures of ggml (``ggml-common.h``): 32 weights
of Q8_0 take 2 + 32 bytes, of Q4_0 2 + 16, of Q5_0 2 + 4 + 16; 256 weights of Q4_K take 144 bytes, of Q5_K 176, of
Q6_K 210. Which tensor gets which type, and what takes the place of a K-quant whose rows are no multiple of 256,
follows ``llama_tensor_get_type`` (``llama-quant.cpp``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ockham.catalog import Architecture
from ockham.records.plan import Quantization

BITS: Final = {
    "f32": 32.0,
    "f16": 16.0,
    "bf16": 16.0,
    "int8": 8.0,
    "q8_0": 8 * 34 / 32,
    "q5_0": 8 * 22 / 32,
    "q5_1": 8 * 24 / 32,
    "q4_0": 8 * 18 / 32,
    "q6_k": 8 * 210 / 256,
    "q5_k": 8 * 176 / 256,
    "q4_k": 8 * 144 / 256,
}
"""Bits a weight."""

_BLOCK = 256
_INSTEAD = {"q6_k": "q8_0", "q5_k": "q5_1", "q4_k": "q5_0"}
_BASE = {"q4_k_m": "q4_k", "q5_k_m": "q5_k"}
_REORDERED = ("q4_0", "q4_k")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Bytes by part: the layers' matrices, the table of embeddings, the output matrix (0 where tied), the rest.

    ``reordered`` is the part of the matrices whose type an engine may keep in another order.
    """

    matrices: float
    table: float
    head: float
    small: float
    reordered: float

    @property
    def total(self) -> float:
        """All bytes."""
        return self.matrices + self.table + self.head + self.small


def usual(shape: Architecture) -> Quantization:
    """Return the 4-bit format that suits a model: K-quants need rows of 256; encoders are served in 8 bits."""
    if shape.kind == "encoder":
        return "int8"
    rows = (shape.hidden, shape.heads * shape.head_size, shape.expert_ffn or shape.ffn)
    return "q4_k_m" if all(row % _BLOCK == 0 for row in rows) else "q4_0"


def weights(shape: Architecture, quantization: Quantization) -> Weights:
    """Count the bytes of a model's weights in a format."""
    base = _BASE.get(quantization, quantization)
    wide, narrow = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    ffn = shape.expert_ffn or shape.ffn
    plain = [(shape.hidden, wide), (shape.hidden, narrow), (wide, shape.hidden)]
    plain += [(shape.hidden, ffn * shape.experts)] * (2 if shape.gated else 1)
    careful = [(shape.hidden, narrow), (ffn, shape.hidden * shape.experts)]
    types: dict[str, float] = {}
    more = _more_bits(shape.layers) if quantization in _BASE else 0
    for row, rows in plain:
        _add(types, base, row, row * rows * shape.layers)
    for row, rows in careful:
        _add(types, "q6_k", row, row * rows * more)
        _add(types, base, row, row * rows * (shape.layers - more))
    # The router chooses experts in 32 bits.
    router = shape.hidden * shape.experts * shape.layers if shape.experts > 1 else 0
    output = "q6_k" if base in ("q4_0", "q4_k", "q5_k") else base
    # Layers of several kinds have other matrices; their types are taken to be mixed in the same shares.
    more_or_less = max(0, shape.matrices - router) / sum(types.values())
    table = _type(output if shape.tied and shape.kind == "decoder" else base, shape.hidden)
    return Weights(
        matrices=more_or_less * sum(BITS[kind] / 8 * number for kind, number in types.items()),
        table=BITS[table] / 8 * shape.table,
        head=0.0 if shape.tied else BITS[_type(output, shape.hidden)] / 8 * shape.table,
        small=4.0 * (shape.small + router),
        reordered=more_or_less * sum(BITS[kind] / 8 * types.get(kind, 0.0) for kind in _REORDERED),
    )


def _add(types: dict[str, float], kind: str, row: int, number: float) -> None:
    name = _type(kind, row)
    types[name] = types.get(name, 0.0) + number


def _type(kind: str, row: int) -> str:
    return _INSTEAD[kind] if kind in _INSTEAD and row % _BLOCK else kind


def _more_bits(layers: int) -> int:
    """Count the layers whose most delicate matrices get 6 bits: the first and last eighth and every third between."""
    eighth = layers // 8
    return sum(i < eighth or i >= 7 * layers // 8 or (i - eighth) % 3 == 2 for i in range(layers))
