"""A Llama in plain torch: weights by the names of Hugging Face's format, and functions over them.

RMSNorm, rotary positions, grouped queries and SwiGLU, as in "LLaMA" (Touvron et al., 2023, arXiv:2302.13971). The
output matrix is the embedding's, as in Llama 3.2, or one of its own. The loss holds no more than a slice of the logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name for it
from torch import Tensor

Weights = Mapping[str, Tensor]
EMBEDDING = "model.embed_tokens.weight"
LAST_NORM = "model.norm.weight"
OUTPUT = "lm_head.weight"
_SLICE = 512
"""Positions whose logits exist at the same time, on a CPU; on an accelerator sixteen times as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The size of a model. All sides are multiples of 32, so that 8-bit blocks fit."""

    vocabulary: int = 8192
    hidden: int = 256
    layers: int = 8
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 768
    context: int = 512
    theta: float = 10_000.0
    epsilon: float = 1e-5
    tied: bool = True

    @property
    def output(self) -> str:
        """The name of the output matrix."""
        return EMBEDDING if self.tied else OUTPUT

    @property
    def head(self) -> int:
        """The width of one attention head."""
        return self.hidden // self.heads


SHAPES = {
    "8m": Shape(layers=5, tied=False),
    "14m": Shape(hidden=512, layers=5, heads=8, kv_heads=4),
    "26m": Shape(hidden=512, heads=8, kv_heads=4, ffn=1280),
}
"""What a processor can train, and for an accelerator the most that stays under 30 MB in 16 bits and in 8 bits."""


def matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """Name the matrices inside the blocks with their sizes (out, in)."""
    inner, kv = shape.hidden, shape.kv_heads * shape.head
    block = {
        "self_attn.q_proj": (inner, inner),
        "self_attn.k_proj": (kv, inner),
        "self_attn.v_proj": (kv, inner),
        "self_attn.o_proj": (inner, inner),
        "mlp.gate_proj": (shape.ffn, inner),
        "mlp.up_proj": (shape.ffn, inner),
        "mlp.down_proj": (inner, shape.ffn),
    }
    return {f"model.layers.{i}.{name}.weight": size for i in range(shape.layers) for name, size in block.items()}


def start(shape: Shape, seed: int, device: str = "cpu") -> dict[str, Tensor]:
    """Draw weights: embeddings with deviation .02, matrices uniform by their width, what ends a block zero.

    A block that starts as nothing lets the first steps be stable (as in "Fixup", Zhang et al., 2019).
    """
    generator = torch.Generator().manual_seed(seed)
    weights = {EMBEDDING: 0.02 * torch.randn(shape.vocabulary, shape.hidden, generator=generator)}
    for name, (rows, columns) in matrices(shape).items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            weights[name] = torch.zeros(rows, columns)
        else:
            weights[name] = (2 * torch.rand(rows, columns, generator=generator) - 1) * (3 / columns) ** 0.5 * 0.5
    for i in range(shape.layers):
        weights[f"model.layers.{i}.input_layernorm.weight"] = torch.ones(shape.hidden)
        weights[f"model.layers.{i}.post_attention_layernorm.weight"] = torch.ones(shape.hidden)
    weights[LAST_NORM] = torch.ones(shape.hidden)
    if not shape.tied:
        weights[OUTPUT] = torch.zeros(shape.vocabulary, shape.hidden)
    return {name: tensor.to(device) for name, tensor in weights.items()}


def parameters(shape: Shape) -> int:
    """Count the numbers in a model's weights."""
    inside = sum(rows * columns for rows, columns in matrices(shape).values())
    return inside + (1 if shape.tied else 2) * shape.vocabulary * shape.hidden + (2 * shape.layers + 1) * shape.hidden


def hidden(weights: Weights, shape: Shape, tokens: Tensor, dtype: torch.dtype) -> Tensor:
    """Give the states before the output matrix, (batch, length, hidden), for tokens (batch, length)."""
    turn = _rotations(shape, tokens.shape[1], tokens.device, dtype)
    x = F.embedding(tokens, weights[EMBEDDING]).to(dtype)
    for i in range(shape.layers):
        at = f"model.layers.{i}."
        x = x + _attention(_norm(x, weights[f"{at}input_layernorm.weight"], shape), weights, at, shape, turn)
        x = x + _mlp(_norm(x, weights[f"{at}post_attention_layernorm.weight"], shape), weights, at)
    return _norm(x, weights[LAST_NORM], shape)


def logits(weights: Weights, shape: Shape, tokens: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Give all logits, (batch, length, vocabulary): for a few positions, not for training."""
    return hidden(weights, shape, tokens, dtype) @ weights[shape.output].to(dtype).T


def loss(weights: Weights, shape: Shape, tokens: Tensor, counts: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Give the summed cross-entropy in nats of every token but the first, given those before it.

    ``tokens`` are (batch, length + 1); ``counts`` (batch, length), where given, is 0 for tokens that do not count.
    """
    states = hidden(weights, shape, tokens[:, :-1], dtype).flatten(0, 1)
    targets = tokens[:, 1:].flatten()
    kept = torch.ones_like(targets, dtype=torch.float32) if counts is None else counts.flatten()
    return _cross_entropy(states, weights[shape.output], targets, kept)


def losses(weights: Weights, shape: Shape, tokens: Tensor, dtype: torch.dtype) -> Tensor:
    """Give the cross-entropy in nats of each token but the first, (batch, length), without gradients."""
    with torch.no_grad():
        states = hidden(weights, shape, tokens[:, :-1], dtype).flatten(0, 1)
        table, targets = weights[shape.output].to(dtype), tokens[:, 1:].flatten()
        parts = [
            F.cross_entropy((states[some] @ table.T).float(), targets[some], reduction="none")
            for some in _slices(targets)
        ]
        return torch.cat(parts).reshape(tokens.shape[0], -1)


def _cross_entropy(states: Tensor, table: Tensor, targets: Tensor, kept: Tensor) -> Tensor:
    """Take output matrix and cross-entropy in one, slice by slice; the gradients are made on the way forward."""
    with torch.no_grad():
        near = table.to(states.dtype)
        to_states, to_table = torch.empty_like(states), torch.zeros_like(table)
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        for some in _slices(targets):
            part, aims, weight = states[some], targets[some, None], kept[some]
            scores = (part @ near.T).float()
            scores -= scores.amax(1, keepdim=True)
            right = scores.gather(1, aims)[:, 0]
            scores.exp_()
            mass = scores.sum(1)
            total += ((mass.log() - right) * weight).sum()
            scores *= (weight / mass)[:, None]
            scores.scatter_add_(1, aims, -weight[:, None])
            slope = scores.to(states.dtype)
            to_states[some] = slope @ near
            to_table += (slope.T @ part).to(table.dtype)
    # Worth exactly nothing, and its gradient is the one made above.
    nothing = (states * to_states).sum().float() + (table * to_table).sum()
    return total + (nothing - nothing.detach())


def _slices(targets: Tensor) -> list[slice]:
    size = 16 * _SLICE if targets.is_cuda else _SLICE
    return [slice(i, i + size) for i in range(0, len(targets), size)]


def _norm(x: Tensor, gain: Tensor, shape: Shape) -> Tensor:
    return F.rms_norm(x.float(), (shape.hidden,), gain, shape.epsilon).to(x.dtype)


def _attention(x: Tensor, weights: Weights, at: str, shape: Shape, turn: tuple[Tensor, Tensor]) -> Tensor:
    batch, length, _ = x.shape

    def heads(name: str, count: int) -> Tensor:
        matrix = weights[f"{at}self_attn.{name}_proj.weight"].to(x.dtype)
        return F.linear(x, matrix).view(batch, length, count, shape.head).transpose(1, 2)

    queries = _rotated(heads("q", shape.heads), turn)
    keys = _rotated(heads("k", shape.kv_heads), turn)
    values = heads("v", shape.kv_heads)
    mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=True)
    out = weights[f"{at}self_attn.o_proj.weight"].to(x.dtype)
    return F.linear(mixed.transpose(1, 2).reshape(batch, length, shape.hidden), out)


def _mlp(x: Tensor, weights: Weights, at: str) -> Tensor:
    gate = F.linear(x, weights[f"{at}mlp.gate_proj.weight"].to(x.dtype))
    up = F.linear(x, weights[f"{at}mlp.up_proj.weight"].to(x.dtype))
    return F.linear(F.silu(gate) * up, weights[f"{at}mlp.down_proj.weight"].to(x.dtype))


def _rotations(shape: Shape, length: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Give cosines and sines, (length, head), of the rotary positions (Su et al., 2021, arXiv:2104.09864)."""
    steps = torch.arange(0, shape.head, 2, dtype=torch.float32, device=device) / shape.head
    angles = torch.outer(torch.arange(length, dtype=torch.float32, device=device), 1.0 / shape.theta**steps)
    both = torch.cat((angles, angles), dim=-1)
    return both.cos().to(dtype), both.sin().to(dtype)


def _rotated(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * turn[0] + torch.cat((-second, first), dim=-1) * turn[1]
