"""Windows that repeat themselves, and attention heads that are led to what came before.

A model can take a value out of its input only once some of its heads have learnt to look for what followed the last
time ("induction heads"; Olsson et al., 2022, arXiv:2209.11895). Left alone they come after about 5e5 times the square
root of a step's tokens (Aoyama and Wilcox, 2025, arXiv:2511.16893): 32 million tokens here, more than this model reads.
So some windows repeat a stretch of text, and for a while the heads of one layer are told where to look in them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SHORTEST, _LONGEST = 8, 128


def repeat(
    rows: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Let ``count`` rows say a stretch of themselves over and over; give all rows, and their periods (0: none).

    Lengths are even on a logarithmic scale; ``rows`` are (rows, tokens).
    """
    rows, periods = rows.copy(), np.zeros(len(rows), dtype=np.int64)
    width = rows.shape[1]
    longest = min(_LONGEST, width // 2)
    for i in rng.choice(len(rows), min(count, len(rows)), replace=False):
        length = int(np.exp(rng.uniform(np.log(min(_SHORTEST, longest)), np.log(longest))))
        start = int(rng.integers(width - length + 1))
        rows[i] = np.resize(rows[i, start : start + length], width)
        periods[i] = length
    return rows, periods


def guided(layers: int) -> int:
    """Give the layer whose heads are led: the last but one, above heads that look one token back."""
    return max(0, layers - 2)


def guidance(queries: Tensor, keys: Tensor, periods: Tensor) -> Tensor:
    """Give the nats that attention puts elsewhere than on what followed before, summed over tokens, mean over heads.

    ``queries`` (rows, heads, length, width) and ``keys`` (rows, key heads, length, width) are rotated; a token of a row
    with period p should look at those p - 1, 2 p - 1, ... before it. Rows without a period count nothing.
    """
    some = periods.nonzero()[:, 0]
    if len(some) == 0:
        return queries.new_zeros(())
    queries, keys, periods = queries[some].float(), keys[some].float(), periods[some, None, None]
    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[1], dim=1)
    place = torch.arange(queries.shape[2], device=queries.device)
    back = place[:, None] - place[None, :]
    wanted = ((back + 1) % periods == 0) & (back > 0)
    scores = (queries @ keys.mT / queries.shape[3] ** 0.5).masked_fill(back < 0, -torch.inf)
    told = wanted.any(dim=-1)[:, None]
    # Rows of the mask with nothing to look at would give an infinity, and no gradient that is a number.
    on = scores.masked_fill(~wanted[:, None] & told[..., None], -torch.inf).logsumexp(dim=-1)
    return ((scores.logsumexp(dim=-1) - on) * told).sum() / queries.shape[1]
