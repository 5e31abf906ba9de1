"""Memory and time of tuning: full, with adapters, and with adapters on 4-bit weights."""

from __future__ import annotations

from typing import Final

from ockham.catalog import Architecture, Device
from ockham.planning.memory import devices_needed
from ockham.records.plan import Method, PlanSpec, TuningForecast

METHODS: Final[tuple[Method, ...]] = ("lora", "qlora", "full")
TRAIN_SHARE = 0.35
"""Share of the peak rate that training reaches; PaLM reports 46 % (Chowdhery et al. 2022, table 3)."""

_STATE = 16.0
_HALF, _FLOAT = 2.0, 4.0
_NF4_BITS = 4.127
_LOGITS = _HALF + 2 * _FLOAT
_OVERHEAD_MB = {"cpu": 500.0}
_OVERHEAD_GPU_MB = 1000.0
_MEGA = 1e6


def tuning(shape: Architecture, method: Method, spec: PlanSpec, device: Device, usable: float) -> TuningForecast:
    """Predict the memory and the hours of tuning a model on ``spec.rows`` rows.

    Weights, gradients and optimizer: 16 bytes for each trained weight (16-bit weight and gradient, 32-bit weight, mean
    and variance of Adam: Rajbhandari et al. 2020, arXiv 1910.02054, section 3.1), 2 for each frozen one; 4.127 bits for
    a weight of a matrix in QLoRA (4-bit NormalFloat with its constants quantized: Dettmers et al. 2023, arXiv
    2305.14314, section 3). Adapters have rank x (inputs + outputs) weights a matrix (Hu et al. 2021, arXiv 2106.09685).
    """
    trained = shape.parameters if method == "full" else adapter(shape, spec.rank)
    frozen = {"full": 0.0, "lora": _HALF * shape.parameters, "qlora": _quantized_bytes(shape)}[method]
    parts = {
        "weights_mb": (frozen + _HALF * trained) / _MEGA,
        "gradients_mb": _HALF * trained / _MEGA,
        "optimizer_mb": (_STATE - 2 * _HALF) * trained / _MEGA,
        "activations_mb": activation_bytes(shape, spec) / _MEGA,
        "overhead_mb": _OVERHEAD_MB.get(device.kind, _OVERHEAD_GPU_MB),
    }
    total = sum(parts.values())
    full = (_STATE * shape.parameters + activation_bytes(shape, spec)) / _MEGA + parts["overhead_mb"]
    needed = devices_needed(total, usable)
    return TuningForecast(
        model=shape.name,
        method=method,
        trained_m=trained / _MEGA,
        **parts,
        total_mb=total,
        hours=hours(shape, method, spec, device),
        fits=needed <= spec.count,
        devices=needed,
        saves=1 - total / full,
    )


def adapter(shape: Architecture, rank: int) -> int:
    """Count the weights of an adapter on every matrix of every layer."""
    wide, narrow = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    ffn = shape.expert_ffn or shape.ffn
    attention = 2 * (shape.hidden + wide) + 2 * (shape.hidden + narrow)
    block = (3 if shape.gated else 2) * (shape.hidden + ffn) * shape.experts
    return rank * shape.layers * (attention + block)


def activation_bytes(shape: Architecture, spec: PlanSpec) -> float:
    """Count the bytes that the backward pass needs of the forward one.

    A layer keeps, in 16 bits, its stream and norms (4 x width), queries, keys, values and what attention gives, and
    what goes into and comes out of the feed-forward block: for a plain block of four times the width 16 x 2 bytes a
    unit, which is the 34 of Korthikanti et al. (2022, arXiv 2205.05198, section 4.1) without its masks of dropout;
    attention itself is recomputed (Dao et al. 2022). With checkpointing each layer keeps its input and one layer all.
    The scores over the vocabulary are kept in 16 and 32 bits with their gradient.
    """
    tokens = spec.batch * (spec.input_tokens + spec.output_tokens)
    wide, narrow = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    block = (4 if shape.gated else 2) * (shape.expert_ffn or shape.ffn) * shape.experts_used
    layer = _HALF * (4 * shape.hidden + 2 * wide + 2 * narrow + block)
    activations = _HALF * shape.hidden * shape.layers + layer if spec.checkpointing else layer * shape.layers
    scores = _LOGITS * shape.vocabulary if shape.kind == "decoder" else 0.0
    return tokens * (activations + scores)


def hours(shape: Architecture, method: Method, spec: PlanSpec, device: Device) -> float:
    """Predict the hours of a run: operations over what the device reaches.

    6 operations for each weight and token, 2 forwards and 4 backwards (Kaplan et al. 2020, arXiv 2001.08361, section
    2.1); the gradient of a frozen weight is spared, so adapters take 4; checkpointing repeats the forward pass.
    """
    operations = 6.0 if method == "full" else 4.0
    if spec.checkpointing:
        operations += 2.0
    weights = shape.matrices_used + (shape.table if shape.kind == "decoder" else 0)
    tokens = spec.rows * spec.epochs * (spec.input_tokens + spec.output_tokens)
    return operations * weights * tokens / (device.tflops * 1e12 * TRAIN_SHARE) / 3600


def _quantized_bytes(shape: Architecture) -> float:
    return _NF4_BITS / 8 * shape.matrices + _HALF * (shape.parameters - shape.matrices)
