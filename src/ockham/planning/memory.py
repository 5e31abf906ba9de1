"""Memory of a model while it serves: weights, cache, activations, overhead."""

from __future__ import annotations

import math

from ockham.catalog import Architecture, Device, ServingEngine
from ockham.planning.quantization import weights
from ockham.records.plan import Memory, Quantization

USABLE = {"server-gpu": 0.95, "gpu": 0.90, "apple": 0.75, "cpu": 0.90, "phone": 0.50}
"""Share of a device's memory that a model may take: the rest is the screen's, the system's or other programs'.

On Apple's shared memory the system lets the GPU have 70 to 78 % (WWDC tech talk 10580); on a phone an app that takes
more than about half is ended.
"""

_ALIVE = 5
"""Tensors of the block's width that an encoder in 8 bits holds at a time: products in integers, as numbers, for GELU.

With 256 and 1,024 tokens at a time on one core and on two, a block of 1,536 took 27 to 33 kB a token, 4 x 5 x 1,536
bytes and the stream are 34 (own measurement, 2026-11-22).
"""

_CACHE_BYTES = 2.0
_CELLS = 256
"""Tokens by which the engine allocates its cache (``llama_context``, ``llama_kv_cache_iswa``)."""
_FLOAT = 4.0
_WORD_BYTES = 112.0
_MEGA = 1e6


def serving(
    shape: Architecture, quantization: Quantization, context: int, concurrency: int, engine: ServingEngine
) -> Memory:
    """Predict the memory of serving a model, ``concurrency`` answers at a time, each with a context of its own.

    The engine's overhead includes its list of tokens, 112 bytes for each word of the vocabulary as measured. An
    encoder works on ``concurrency`` batches side by side, each of the engine's tokens, or of one text where that is
    longer.
    """
    held = weights(shape, quantization)
    cache = kv_cache(shape, context, engine.batch_tokens, _CELLS) * concurrency
    if shape.kind == "encoder":
        buffers = concurrency * encoding(shape, max(context, engine.batch_tokens), context)
    else:
        buffers = activations(shape, min(context, engine.batch_tokens), context, concurrency)
    words = _WORD_BYTES * shape.vocabulary / _MEGA if shape.kind == "decoder" else 0.0
    # The pages of the file stay in memory beside the copy in the processor's order, until something wants them.
    again = held.reordered if engine.repacks else 0.0
    parts = [held.total / _MEGA, cache / _MEGA, buffers / _MEGA, engine.overhead_mb + words]
    return Memory(
        weights_mb=parts[0],
        kv_cache_mb=parts[1],
        activations_mb=parts[2],
        overhead_mb=parts[3],
        total_mb=sum(parts),
        reclaimable_mb=again / _MEGA,
    )


def kv_cache(shape: Architecture, context: int, batch_tokens: int, cells: int = 1) -> float:
    """Count the bytes that one answer's layers keep of its text: keys and values in 16 bits, states in 32.

    2 x layers x heads of keys x head size x tokens x 2 bytes (Pope et al. 2022, arXiv 2211.05102, section 3.3; with
    grouped-query attention the heads of keys count, Ainslie et al. 2023, arXiv 2305.13245). A layer with local
    attention keeps its window and the tokens that are read at once; a recurrent layer a state of fixed size. Tokens
    are rounded up to multiples of ``cells``.
    """
    total = 0.0
    for group in shape.layer_groups:
        tokens = _round_up(context, cells)
        if group.window is not None:
            tokens = _round_up(min(tokens, group.window + batch_tokens), cells)
        total += group.layers * (_CACHE_BYTES * (group.keys + group.values) * tokens + _FLOAT * group.state)
    return total


def _round_up(tokens: int, cells: int) -> int:
    return -(-tokens // cells) * cells


def activations(shape: Architecture, tokens: int, context: int, outputs: int) -> float:
    """Count the bytes of the buffers while ``tokens`` are read at once behind a full context, in 32 bits.

    One layer's stream and norm with the larger of queries, keys and values or the feed-forward block; the scores of
    attention with their mask, tokens x context x (heads + 1), since the engine runs without flash attention (its
    answers must not depend on what stands in the cache), of the layers that have it; and the scores over the
    vocabulary, one row an answer.
    """
    wide = (shape.heads + 2 * shape.kv_heads) * shape.head_size
    ffn = (2 if shape.gated else 1) * (shape.expert_ffn or shape.ffn) * shape.experts_used
    layer = tokens * (2 * shape.hidden + max(wide, ffn))
    seen = max((min(context, group.window or context) for group in shape.layer_groups if group.keys), default=0)
    scores = tokens * min(seen, shape.context) * (shape.heads + 1)
    return _FLOAT * (layer + scores + outputs * shape.vocabulary)


def encoding(shape: Architecture, tokens: int, context: int) -> float:
    """Count the bytes of the buffers while an encoder reads ``tokens`` in texts of ``context``, in 32 bits.

    The stream, its sum and norm; `_ALIVE` tensors of the block; and the scores of attention within each text.
    """
    return _FLOAT * tokens * (3 * shape.hidden + _ALIVE * shape.ffn + shape.heads * min(context, shape.context))


def usable_gb(device: Device, memory_gb: float | None = None) -> float:
    """Return the memory of a device that a model may take, in GB; ``memory_gb`` is what is known to be free instead."""
    return device.memory_gb * USABLE[device.kind] if memory_gb is None else memory_gb


def devices_needed(total_mb: float, usable: float) -> int:
    """Count the devices over which the memory must be spread."""
    return max(1, math.ceil(total_mb / 1000 / usable))
