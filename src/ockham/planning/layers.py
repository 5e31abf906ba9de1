"""What the layers of a model keep of a text: one description, made of a GGUF header or of a config.json.

What is counted is what llama.cpp allocates, read in its sources (``src/models/*.cpp``, ``llama-kv-cache*.cpp``,
``llama-memory-recurrent.cpp``, ``llama-hparams.cpp``): families whose windows it does not use (Mistral, Phi-3, Qwen 2)
keep all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from ockham.catalog import LayerGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRule:
    """Which layers of a family look at a window: all but every ``period``-th, which is the ``first`` or the last.

    ``window`` is the family's where nothing names one; a ``fixed`` one holds whatever a file says.
    """

    period: int
    window: int | None = None
    first: bool = False
    fixed: bool = False

    def pattern(self, layers: int, period: int | None = None) -> list[bool]:
        """Say of each layer whether it looks at a window; a period of 0 means all, of 1 none."""
        every = self.period if period is None else period
        whole = 0 if self.first else every - 1
        return [every == 0 or layer % every != whole for layer in range(layers)]


WINDOWS: Final = {
    "afmoe": WindowRule(period=4),
    "cohere2": WindowRule(period=4),
    "cohere2moe": WindowRule(period=4, first=True),
    "exaone-moe": WindowRule(period=4, window=128),
    "exaone4": WindowRule(period=4, window=4096),
    "gemma2": WindowRule(period=2, window=4096),
    "gemma3": WindowRule(period=6),
    "gemma3n": WindowRule(period=5),
    "gpt-oss": WindowRule(period=2),
    "laguna": WindowRule(period=4, first=True),
    "llama4": WindowRule(period=4, window=8192, fixed=True),
    "mellum": WindowRule(period=4),
    "olmo2": WindowRule(period=4),
    "plamo3": WindowRule(period=8),
    "smallthinker": WindowRule(period=4, window=4096, first=True, fixed=True),
}
"""Architectures, as GGUF names them, whose windows llama.cpp uses by a period."""


def group_layers(layers: Sequence[LayerGroup], *, transposed: bool = True) -> tuple[LayerGroup, ...]:
    """Return layers with those that keep the same put together, in the order in which they come.

    ``transposed``: values lie token after token, as the engine keeps them without flash attention; there every layer's
    are as wide as the widest.
    """
    widest = max((layer.values for layer in layers), default=0)
    if transposed:
        layers = [replace(layer, values=widest if layer.values else 0) for layer in layers]
    counts = Counter(replace(layer, layers=1) for layer in layers)
    return tuple(replace(layer, layers=count) for layer, count in counts.items())


def recurrent_state(convolution: int, inner: int, groups: int, size: int) -> int:
    """Count the numbers that a layer of Mamba, Mamba 2 or a gated delta net hands on from token to token.

    The last inputs of its convolution, and ``size`` numbers for each of its ``inner`` channels (``n_embd_r`` and
    ``n_embd_s`` of llama.cpp; Gu and Dao 2023, arXiv 2312.00752; Dao and Gu 2024, arXiv 2405.21060).
    """
    return max(0, convolution - 1) * (inner + 2 * groups * size) + size * inner
