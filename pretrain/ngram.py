"""The yardstick: a 5-gram model with interpolated modified Kneser-Ney smoothing, and unigrams.

Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1998), section 3. The corpus is
one stream: n-grams reach over the ends of documents, as the windows of the neural model do. An n-gram is known by its
rank among the distinct n-grams of its order, and its key is its beginning's rank and its last token, so that any order
fits into 64 bits and every table is one sorted array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int64]
Nats: TypeAlias = NDArray[np.float64]


_LEAST = 0.05
"""The least that is taken from a count; real texts take more than ten times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The n-grams of one order: sorted keys, and what Kneser-Ney needs of each and of each beginning.

    ``counts`` are adjusted: how often (highest order), else after how many different tokens. ``totals`` and ``backoff``
    belong to beginnings, which are ranks of the order below: their summed counts, and the mass that they pass on.
    """

    keys: Ids
    counts: Ids
    discounts: Nats
    totals: Ids
    backoff: Nats


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """All orders, from unigrams up, over a vocabulary."""

    vocabulary: int
    orders: tuple[Order, ...]


def fit(stream: NDArray[np.uint16], vocabulary: int, order: int = 5) -> Model:
    """Count a stream of at least ``order`` tokens."""
    tokens = np.asarray(stream, dtype=np.int64)
    tables: list[Ids] = []
    ranks: list[NDArray[np.int32]] = []
    before = np.zeros(len(tokens), dtype=np.int32)  # of order 0 there is one n-gram, the empty one
    for n in range(1, order + 1):
        keys = before[: len(tokens) - n + 1].astype(np.int64) * vocabulary + tokens[n - 1 :]
        table, found = np.unique(keys, return_inverse=True)
        tables.append(table)
        # ranks[n - 1][i] is the n-gram that begins at i
        ranks.append(found.astype(np.int32))
        before = ranks[-1]
    orders: list[Order] = []
    for n in range(1, order + 1):
        if n == order:
            counts = np.bincount(ranks[n - 1], minlength=len(tables[n - 1]))
        else:
            counts = _continuations(ranks[n], ranks[n - 1], len(tables[n]), len(tables[n - 1]))
        below = 1 if n == 1 else len(tables[n - 2])
        orders.append(_order(tables[n - 1], counts.astype(np.int64), vocabulary, below))
    return Model(vocabulary=vocabulary, orders=tuple(orders))


def nats(model: Model, stream: NDArray[np.uint16]) -> Nats:
    """Give -log p of every token of a stream but the first, given at most ``order - 1`` tokens before it."""
    tokens = np.asarray(stream, dtype=np.int64)
    probability = np.full(len(tokens), 1.0 / model.vocabulary)
    # rank[i]: of the (n - 1)-gram that ends just before i, or -1 where the training text has none
    rank = np.zeros(len(tokens), dtype=np.int64)
    for n, order in enumerate(model.orders, 1):
        rank[: n - 1] = -1
        known = np.flatnonzero(rank >= 0)
        known = known[order.totals[rank[known]] > 0]
        beginnings = rank[known]
        places, there = _find(order.keys, beginnings * model.vocabulary + tokens[known])
        counts = np.where(there, order.counts[places], 0)
        kept = counts - order.discounts[np.minimum(counts, 3)]
        direct = np.maximum(kept, 0.0) / order.totals[beginnings]
        probability[known] = direct + order.backoff[beginnings] * probability[known]
        rank = _ranks_before(model.orders[:n], tokens, model.vocabulary)
    result: Nats = -np.log(probability[1:])
    return result


def unigram_nats(train: NDArray[np.uint16], stream: NDArray[np.uint16], vocabulary: int) -> Nats:
    """Give -log p of every token but the first by its share in the training text (one added to each count)."""
    counts = np.bincount(np.asarray(train, dtype=np.int64), minlength=vocabulary) + 1.0
    result: Nats = -np.log(counts / counts.sum())[np.asarray(stream, dtype=np.int64)[1:]]
    return result


def _continuations(longer: NDArray[np.int32], ranks: NDArray[np.int32], distinct: int, size: int) -> Ids:
    """Count, for each n-gram, the different tokens that stand before it: one for each distinct longer n-gram."""
    first = np.zeros(distinct, dtype=np.int64)
    first[longer] = np.arange(len(longer))  # any place where it stands
    return np.bincount(ranks[first + 1], minlength=size)


def _order(keys: Ids, counts: Ids, vocabulary: int, below: int) -> Order:
    discounts = _discounts(counts)
    beginnings = keys // vocabulary
    totals = np.bincount(beginnings, weights=counts, minlength=below).astype(np.int64)
    passed = np.bincount(beginnings, weights=discounts[np.minimum(counts, 3)], minlength=below)
    backoff = np.divide(passed, totals, out=np.ones(below), where=totals > 0)
    return Order(keys=keys, counts=counts, discounts=discounts, totals=totals, backoff=backoff)


def _discounts(counts: Ids) -> Nats:
    """Estimate what is taken from counts of 0, 1, 2 and 3 or more (Chen and Goodman, 1998, equation 26)."""
    n1, n2, n3, n4 = (int((counts == i).sum()) for i in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return np.array([0.0, 0.5, 0.5, 0.5])  # too small a text to estimate from
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    # The counts of a small text can ask for no discount, or less: what it has not seen would then be impossible.
    return np.array([0.0, *(min(max(d, _LEAST), float(i)) for i, d in enumerate(found, 1))])


def _find(keys: Ids, wanted: Ids) -> tuple[Ids, NDArray[np.bool_]]:
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return places, keys[places] == wanted


def _ranks_before(orders: Sequence[Order], tokens: Ids, vocabulary: int) -> Ids:
    """Give, for each place, the rank of the n-gram that ends just before it (n is the number of orders), or -1."""
    n, size = len(orders), len(tokens)
    rank = np.zeros(max(0, size - n), dtype=np.int64)
    for i, order in enumerate(orders):
        places, there = _find(order.keys, np.maximum(rank, 0) * vocabulary + tokens[i : i + size - n])
        rank = np.where(there & (rank >= 0), places, -1)
    return np.concatenate([np.full(min(n, size), -1, dtype=np.int64), rank])
