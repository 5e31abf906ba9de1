"""A Llama in plain torch: weights by the names of Hugging Face's format, and functions over them.

RMSNorm, rotary positions, grouped queries and SwiGLU, as in "LLaMA" (Touvron et al., 2023, arXiv:2302.13971). The
output matrix is the embedding's, as in Llama 3.2, or one of its own. The loss holds no more than a slice of the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - the field's own name for it
from torch import Tensor

from pretrain import copying

Weights = Mapping[str, Tensor]
Watch = Callable[[int, Tensor, Tensor], None]
"""What is shown layer, queries and keys, the latter two rotated and (batch, heads, length, head)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Tokens to learn, (batch, length + 1), and, where not all count, which do, (batch, length).

    ``periods`` (batch) are those of windows that repeat themselves, 0 for others; ``guidance`` is the weight with which
    attention is led in them.
    """

    tokens: Tensor
    counts: Tensor | None = None
    periods: Tensor | None = None
    guidance: float = 0.0

    @property
    def counted(self) -> float:
        """How many tokens count."""
        return float(self.tokens[:, 1:].numel() if self.counts is None else self.counts.sum())

    def part(self, some: slice) -> Portion:
        """Take some of the windows."""
        return Portion(
            tokens=self.tokens[some],
            counts=None if self.counts is None else self.counts[some],
            periods=None if self.periods is None else self.periods[some],
            guidance=self.guidance,
        )


def hidden(weights: Weights, shape: Shape, tokens: Tensor, dtype: torch.dtype, watch: Watch | None = None) -> Tensor:
    """Give the states before the output matrix, (batch, length, hidden), for tokens (batch, length)."""
    turn = _rotations(shape, tokens.shape[1], tokens.device, dtype)
    x = F.embedding(tokens, weights[EMBEDDING]).to(dtype)
    for i in range(shape.layers):
        at = f"model.layers.{i}."
        seen = None if watch is None else partial(watch, i)
        x = x + _attention(_norm(x, weights[f"{at}input_layernorm.weight"], shape), weights, at, turn, seen)
        x = x + _mlp(_norm(x, weights[f"{at}post_attention_layernorm.weight"], shape), weights, at)
    return _norm(x, weights[LAST_NORM], shape)


def logits(weights: Weights, shape: Shape, tokens: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Give all logits, (batch, length, vocabulary): for a few positions, not for training."""
    return hidden(weights, shape, tokens, dtype) @ weights[shape.output].to(dtype).T


def loss(weights: Weights, shape: Shape, portion: Portion, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Give the summed cross-entropy in nats of every token but the first, given those before it, and what to descend.

    The latter is the same with the guidance of attention added, where there is any.
    """
    led: list[Tensor] = []

    def watch(layer: int, queries: Tensor, keys: Tensor) -> None:
        if layer == copying.guided(shape.layers) and portion.periods is not None:
            led.append(portion.guidance * copying.guidance(queries, keys, portion.periods))

    guided = portion.periods is not None and portion.guidance > 0
    states = hidden(weights, shape, portion.tokens[:, :-1], dtype, watch if guided else None).flatten(0, 1)
    targets = portion.tokens[:, 1:].flatten()
    kept = torch.ones_like(targets, dtype=torch.float32) if portion.counts is None else portion.counts.flatten()
    nats = _cross_entropy(states, weights[shape.output], targets, kept)
    return nats.detach(), sum(led, nats)


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


def _attention(
    x: Tensor,
    weights: Weights,
    at: str,
    turn: tuple[Tensor, Tensor],
    seen: Callable[[Tensor, Tensor], None] | None,
) -> Tensor:
    batch, length, hidden = x.shape
    width = turn[0].shape[-1]

    def heads(name: str) -> Tensor:
        matrix = weights[f"{at}self_attn.{name}_proj.weight"].to(x.dtype)
        return F.linear(x, matrix).view(batch, length, -1, width).transpose(1, 2)

    queries, keys, values = _rotated(heads("q"), turn), _rotated(heads("k"), turn), heads("v")
    if seen is not None:
        seen(queries, keys)
    mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=True)
    out = weights[f"{at}self_attn.o_proj.weight"].to(x.dtype)
    return F.linear(mixed.transpose(1, 2).reshape(batch, length, hidden), out)


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
