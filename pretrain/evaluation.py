"""How well held-out text is foretold: nats of every token, summed by source, as perplexity and as bits per byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain import model
from pretrain.model import Shape
from pretrain.packing import Stream, Stretch

Nats = NDArray[np.float64]
_TOGETHER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a model scores on the held-out text of one source, or of all."""

    source: str
    tokens: int
    size: int
    nats: float

    @property
    def perplexity(self) -> float:
        """Perplexity per token."""
        return math.exp(self.nats / self.tokens)

    @property
    def bits_per_byte(self) -> float:
        """Bits per UTF-8 byte: comparable between vocabularies."""
        return self.nats / math.log(2) / self.size


def nats(weights: Mapping[str, Tensor], shape: Shape, stream: Stream, workers: int) -> Nats:
    """Give the nats of every token of a stream but the first.

    Windows overlap by half, so that every token but the first ones has at least half a context before it.
    """
    half = shape.context // 2
    device = next(iter(weights.values())).device
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    found = np.zeros(len(stream) - 1)
    starts = list(range(0, max(1, len(stream) - 1 - half), half))

    def score(some: Sequence[int]) -> list[tuple[int, Nats]]:
        rows = [np.asarray(stream[s : s + shape.context + 1], dtype=np.int64) for s in some]
        longest = max(map(len, rows))
        padded = np.stack([np.pad(row, (0, longest - len(row))) for row in rows])
        values = model.losses(weights, shape, torch.from_numpy(padded).to(device), dtype).double().cpu().numpy()
        return [(s, value[: len(row) - 1]) for s, row, value in zip(some, rows, values, strict=True)]

    with ThreadPoolExecutor(workers) as pool:
        for scored in pool.map(score, [starts[i : i + _TOGETHER] for i in range(0, len(starts), _TOGETHER)]):
            for start, values in scored:
                fresh = 0 if start == 0 else half
                found[start + fresh : start + len(values)] = values[fresh:]
    return found


def by_source(found: Nats, stretches: Sequence[Stretch]) -> tuple[Held, ...]:
    """Sum the nats of a stream's tokens by source, and over all (``all``, the last)."""
    scores: list[Held] = []
    at = -1  # the first token has nothing before it
    for stretch in stretches:
        part = found[max(0, at) : at + stretch.tokens]
        scores.append(Held(source=stretch.source, tokens=len(part), size=stretch.size, nats=float(part.sum())))
        at += stretch.tokens
    whole = Held(
        source="all",
        tokens=sum(score.tokens for score in scores),
        size=sum(score.size for score in scores),
        nats=sum(score.nats for score in scores),
    )
    return (*scores, whole)
