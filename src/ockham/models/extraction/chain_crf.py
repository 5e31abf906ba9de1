"""A linear-chain conditional random field over tags (Lafferty et al. 2001): its likelihood, and the share of each tag.

Everything is computed for many texts side by side, padded to the longest. Tags that mean nothing have no share:
``allowed`` (texts, words, tags) of 0 and 1 says which a word may have, so a text may leave open which of several tags
is right. It imports nothing of ockham, so that an exported program can hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """What the forward and the backward pass give for some texts, (texts, words, tags) each.

    ``emissions`` are the shares of the tags by the word alone, times a number for each word. ``forward`` sums to 1 over
    the tags; ``backward`` is scaled alike, so that their product is the share of a tag in all that mean something.
    ``scale`` (texts, words) holds the sums that were taken off.
    """

    emissions: NDArray[np.float64]
    forward: NDArray[np.float64]
    backward: NDArray[np.float64]
    scale: NDArray[np.float64]

    def marginals(self) -> NDArray[np.float64]:
        """Return the share of each tag: (texts, words, tags)."""
        shares: NDArray[np.float64] = self.forward * self.backward
        return shares


def legal_moves(fields: int) -> NDArray[np.float64]:
    """Return which tag may follow which, as 0 and 1: (tags, tags); a span goes on only where it has begun."""
    import numpy as np

    moves = np.ones((1 + 2 * fields, 1 + 2 * fields))
    moves[:, 2::2] = 0
    for field in range(fields):
        moves[[1 + 2 * field, 2 + 2 * field], 2 + 2 * field] = 1
    return moves


def run_lattice(
    emissions: NDArray[np.float64], moves: NDArray[np.float64], lengths: NDArray[np.int64]
) -> tuple[Lattice, NDArray[np.float64]]:
    """Run both passes; returns the lattice and the logarithm of the sum over all tags that mean something (texts,).

    ``emissions`` are (texts, words, tags) and not negative, ``moves`` (tags, tags); behind the end of a text they count
    for nothing.
    """
    import numpy as np

    texts, words, tags = emissions.shape
    if texts == 1:
        return _run_one(emissions, moves)
    inside = (np.arange(words)[None, :] < lengths[:, None])[:, :, None]
    forward, backward = np.zeros((texts, words, tags)), np.ones((texts, words, tags))
    scale = np.ones((texts, words))
    start = np.ones(tags)
    start[2::2] = 0
    current = emissions[:, 0] * start
    for at in range(words):
        if at:
            current = (forward[:, at - 1] @ moves) * emissions[:, at]
        total = np.maximum(current.sum(axis=1), TINY)
        live = inside[:, at]
        forward[:, at] = np.where(live, current / total[:, None], forward[:, at - 1] if at else 0)
        scale[:, at] = np.where(live[:, 0], total, 1.0)
    for at in range(words - 2, -1, -1):
        behind = (emissions[:, at + 1] * backward[:, at + 1] / scale[:, at + 1][:, None]) @ moves.T
        backward[:, at] = np.where(inside[:, at + 1], behind, 1.0)
    lattice = Lattice(emissions=emissions, forward=forward, backward=backward, scale=scale)
    return lattice, np.log(scale).sum(axis=1)


def _run_one(emissions: NDArray[np.float64], moves: NDArray[np.float64]) -> tuple[Lattice, NDArray[np.float64]]:
    """Run both passes on one text, as it is when a model answers: nothing is padded, so each step is a few products."""
    import numpy as np

    _, words, tags = emissions.shape
    steps, back, ones = list(emissions[0]), np.ascontiguousarray(moves.T), np.ones(tags)
    forward, backward, scale = np.zeros((words, tags)), np.ones((words, tags)), np.ones(words)
    current = np.ones(tags)
    current[2::2] = 0
    for at, step in enumerate(steps):
        current = (current @ moves if at else current) * step
        total = max(float(current @ ones), TINY)
        current /= total
        forward[at], scale[at] = current, total
    sums, behind = scale.tolist(), ones
    for at in range(words - 2, -1, -1):
        behind = (steps[at + 1] * behind / sums[at + 1]) @ back
        backward[at] = behind
    lattice = Lattice(emissions=emissions, forward=forward[None], backward=backward[None], scale=scale[None])
    return lattice, np.log(scale).sum(keepdims=True)


def expected_moves(lattice: Lattice, moves: NDArray[np.float64], lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how often each tag is expected to follow each, over all texts: (tags, tags)."""
    import numpy as np

    words = lattice.forward.shape[1]
    if words < 2:
        return np.zeros_like(moves)
    inside = (np.arange(1, words)[None, :] < lengths[:, None])[:, :, None]
    ahead = lattice.emissions[:, 1:] * lattice.backward[:, 1:] / lattice.scale[:, 1:, None] * inside
    tags = moves.shape[0]
    counts: NDArray[np.float64] = (lattice.forward[:, :-1].reshape(-1, tags).T @ ahead.reshape(-1, tags)) * moves
    return counts


def onward_shares(lattice: Lattice, moves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, for the first text, the share with which a span goes on: (words - 1, 2, fields).

    The first of the two is that of a span which has just begun, the second that of one that has gone on before.
    """
    import numpy as np

    ahead = lattice.emissions[0, 1:, 2::2] * lattice.backward[0, 1:, 2::2] / lattice.scale[0, 1:, None]
    fields = np.arange(ahead.shape[1])
    parts = [
        moves[first + 2 * fields, 2 + 2 * fields] * ahead / np.maximum(lattice.backward[0, :-1, first::2], TINY)
        for first in (1, 2)
    ]
    return np.stack(parts, axis=1)
