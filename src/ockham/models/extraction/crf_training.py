"""Fit a chain CRF on features of words, where a text may leave it open which of several places is the right one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ockham.models.extraction import chain_crf

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

_BATCH_WORDS = 4096
_NEVER = -30.0
"""The logarithm of a move that means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedText:
    """One text to learn from: its rows among the features, and which tags each of its words may have."""

    first: int
    allowed: NDArray[np.bool_]
    """(words, tags)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrfWeights:
    """What was learnt: ``features`` (features, tags), ``moves`` (tags, tags), as logarithms."""

    features: NDArray[np.float64]
    moves: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Texts of like length: their words' rows among the features, where they stand, and their allowed tags."""

    rows: NDArray[np.int64]
    slots: tuple[NDArray[np.int64], NDArray[np.int64]]
    allowed: NDArray[np.float64]
    lengths: NDArray[np.int64]


def fit(
    matrix: csr_matrix,
    texts: Sequence[TaggedText],
    penalty: float,
    steps: int,
    start: CrfWeights | None = None,
    on_step: Callable[[int], None] = lambda _: None,
) -> CrfWeights:
    """Maximize the likelihood of the allowed tags, less ``penalty``/2 times the squared weights, by L-BFGS."""
    import numpy as np
    from scipy.optimize import minimize

    tags = texts[0].allowed.shape[1]
    legal = chain_crf.legal_moves((tags - 1) // 2)
    batches = list(_batches(texts))
    size, turned = matrix.shape[1], matrix.T.tocsr()
    begin = np.zeros(size * tags + tags * tags)
    if start is not None:
        begin = np.concatenate([start.features.ravel(), (start.moves * (legal > 0)).ravel()])
    count = 0

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        features, moves = weights[: size * tags].reshape(size, tags), weights[size * tags :].reshape(tags, tags)
        scores = matrix @ features
        gradient, moved = np.zeros_like(scores), np.zeros((tags, tags))
        value = sum(_batch_loss(batch, scores, (np.exp(moves) * legal), gradient, moved) for batch in batches)
        slope = np.concatenate([(turned @ gradient).ravel(), (moved * legal).ravel()])
        return value + penalty / 2 * float(weights @ weights), slope + penalty * weights

    def count_step(_: object) -> None:
        nonlocal count
        count += 1
        on_step(count)

    solver: Any = minimize  # its stubs know no function that returns the slope as well
    options = {"maxiter": steps, "maxcor": 6}
    solved = solver(loss, begin, jac=True, method="L-BFGS-B", options=options, callback=count_step)
    features, moves = solved.x[: size * tags].reshape(size, tags), solved.x[size * tags :].reshape(tags, tags)
    return CrfWeights(features=features, moves=np.where(legal > 0, moves, _NEVER))


def _batches(texts: Sequence[TaggedText]) -> list[_Batch]:
    import numpy as np

    order = sorted((text for text in texts if len(text.allowed)), key=lambda text: len(text.allowed))
    out = []
    start = 0
    while start < len(order):
        longest, stop = len(order[start].allowed), start + 1
        while stop < len(order) and (stop + 1 - start) * len(order[stop].allowed) <= max(_BATCH_WORDS, longest):
            stop += 1
        part = order[start:stop]
        lengths = np.array([len(text.allowed) for text in part])
        allowed = np.ones((len(part), int(lengths.max()), part[0].allowed.shape[1]))
        for number, text in enumerate(part):
            allowed[number, : len(text.allowed)] = text.allowed
        texts_of = np.repeat(np.arange(len(part)), lengths)
        words_of = np.concatenate([np.arange(length) for length in lengths])
        rows = np.concatenate([text.first + np.arange(len(text.allowed)) for text in part])
        out.append(_Batch(rows=rows, slots=(texts_of, words_of), allowed=allowed, lengths=lengths))
        start = stop
    return out


def _batch_loss(
    batch: _Batch,
    scores: NDArray[np.float64],
    moves: NDArray[np.float64],
    gradient: NDArray[np.float64],
    moved: NDArray[np.float64],
) -> float:
    """Return a batch's part of the loss, and add its part of the slopes."""
    import numpy as np

    mine = scores[batch.rows]
    emissions = np.ones(batch.allowed.shape)
    emissions[batch.slots] = np.exp(mine - mine.max(axis=1, keepdims=True))
    every, log_all = chain_crf.run_lattice(emissions, moves, batch.lengths)
    right, log_right = chain_crf.run_lattice(emissions * batch.allowed, moves, batch.lengths)
    gradient[batch.rows] = (every.marginals() - right.marginals())[batch.slots]
    moved += chain_crf.expected_moves(every, moves, batch.lengths)
    moved -= chain_crf.expected_moves(right, moves, batch.lengths)
    return float((log_all - log_right).sum())
