"""Tuning in less memory, for models that are large beside the machine: slower by a quarter, with the same numbers."""

from __future__ import annotations

from functools import partial
from typing import Any

from ockham import machine

_SHARE = 32
_BLOCKS = ("feed_forward", "mlp")
_OWN = 1_000_000


def is_needed(stored_gb: float, memory_gb: float) -> bool:
    """Tell whether a model is large for a machine: 16-bit weights, in 32 bits, take more than 1/32 of all memory.

    What 1,024 tokens leave behind in each of two threads is five times as much as the weights, at 135 million
    parameters. All memory counts, not what is free, so that a run which is stopped goes on in the same way.
    """
    return 2 * stored_gb * _SHARE > memory_gb


def prepare(model: Any) -> None:  # noqa: ANN401 - a transformers model
    """Let the feed-forward blocks of a model be computed again in the backward pass (Chen et al., 2016).

    They leave behind more than all else, and nothing that the next one needs. Freed buffers are given back at once.
    """
    from torch.utils.checkpoint import checkpoint

    for name, block in model.named_modules():
        if name.rpartition(".")[2] in _BLOCKS:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    machine.tune_malloc(own=_OWN, trim=_OWN)
