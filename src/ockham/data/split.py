"""Which rows learn, which choose and which judge: no cluster stands on two sides, every side shows every label.

The test rows are drawn first. Labels get their places by systematic sampling (so that 150 labels of three rows send 90
rows to a test set of 20 %, not 150), clusters are taken in an order made from their own text (so that the order of the
file means nothing) and each is accepted if it brings the side nearer to its places.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ockham.data.task import are_labels
from ockham.errors import ConfigError, DataError
from ockham.plain_numbers import percent
from ockham.records import Example, Split

_LEAST = 100
_LEAST_VALID = 50
_FROM = 500
_MOST_VALID = 2000
_SMALLEST_TEST = 4
_DOMINANT = 0.2
_ROUNDS = 8

_Counts: TypeAlias = "tuple[tuple[int, int], ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSpec:
    """How to split. Shares are of all rows, so train gets what test and valid leave.

    From 500 rows on the test side has at least 100 rows and the validation side at least 50; the validation side has
    at most 2,000 rows. ``stratify`` keeps the proportions of the targets on every side; ``None`` does so if the
    targets are labels.
    """

    seed: int = 0
    test_share: float = 0.2
    valid_share: float = 0.1
    stratify: bool | None = None

    def test_rows(self, n: int) -> int:
        """Return the number of test rows aimed at, out of ``n``."""
        return max(round(self.test_share * n), min(_LEAST, n // 2) if n >= _FROM else 1)

    def valid_rows(self, n: int) -> int:
        """Return the number of validation rows aimed at, out of ``n``; 0 if ``valid_share`` is 0."""
        if not self.valid_share:
            return 0
        return min(max(round(self.valid_share * n), _LEAST_VALID if n >= _FROM else 1), _MOST_VALID)


def split(examples: Sequence[Example], clusters: NDArray[np.int64], spec: SplitSpec) -> Split:
    """Divide the examples; ``clusters[i]`` is the cluster of example i and goes to one side as a whole.

    A label whose rows form one cluster stays in training, and no label leaves training altogether. ``leaks_prevented``
    is the number of test rows of a random split of the same sizes whose cluster would stand on both sides. The same
    examples in another order are split the same way. Indices ascend.

    Raises `ConfigError` (``E_CONFIG``) for impossible shares, `DataError` (``E_TOO_FEW``) if no test set can be made
    because nearly all rows are alike.
    """
    _check(spec)
    n = len(examples)
    pool = _Pool(examples, clusters, spec)
    test = pool.draw(spec.test_rows(n), _LEAST)
    if len(test) < min(_SMALLEST_TEST, spec.test_rows(n)):
        raise DataError(
            "E_TOO_FEW",
            f"{n:,} examples form only {len(set(pool.rows)):,} clusters of near-duplicates or groups, "
            f"of which {len(test)} rows could be set aside for testing",
            fix="name a test set of your own with --test FILE, or add examples that are not copies of one template",
        )
    valid = pool.draw(spec.valid_rows(n), _LEAST_VALID)
    sides = (*test, *valid)
    train = np.setdiff1d(np.arange(n), np.array(sides, dtype=np.int64)).tolist()
    return Split(
        train=tuple(train),
        valid=tuple(valid),
        test=tuple(test),
        clusters=tuple(clusters.tolist()),
        leaks_prevented=leaks(clusters, random_split(examples, spec)),
        warnings=_warnings(examples, clusters, train, test),
    )


def split_with_test(
    train: Sequence[Example], test: Sequence[Example], clusters: NDArray[np.int64], spec: SplitSpec
) -> Split:
    """Divide the training examples where the user brought a test set; indices are into ``[*train, *test]``.

    All test rows stay. Training rows that resemble them are `clean.drop_seen`'s business; those that are left are
    counted in a warning and treated as a cluster of their own.

    Raises `ConfigError` (``E_CONFIG``) for impossible shares.
    """
    _check(spec)
    n = len(train)
    crossing = np.isin(clusters[:n], clusters[n:])
    inner = clusters[:n].copy()
    pool = _Pool(train, inner, spec)
    valid = pool.draw(spec.valid_rows(n), _LEAST_VALID)
    train_indices = np.setdiff1d(np.arange(n), np.array(valid, dtype=np.int64)).tolist()
    every = [*train, *test]
    warnings = _warnings(every, clusters, train_indices, list(range(n, len(every))))
    named = clusters.copy()
    if crossing.any():
        warnings = (*warnings, f"{int(crossing.sum()):,} training rows resemble rows of the test set")
        named[:n] = _renumber(inner)
        named[n:] = n + _renumber(clusters[n:])
    return Split(
        train=tuple(train_indices),
        valid=tuple(valid),
        test=tuple(range(n, len(every))),
        clusters=tuple(named.tolist()),
        leaks_prevented=0,
        warnings=warnings,
    )


def random_split(examples: Sequence[Example], spec: SplitSpec) -> Split:
    """Divide at random, as if no row resembled another: what the leak guard is compared with."""
    _check(spec)
    n = len(examples)
    order = sorted(range(n), key=_keys(examples, spec.seed + 1).__getitem__)
    t = spec.test_rows(n)
    v = t + spec.valid_rows(n)
    test, valid, train = (tuple(sorted(part)) for part in (order[:t], order[t:v], order[v:]))
    return Split(train=train, valid=valid, test=test, clusters=tuple(range(n)), leaks_prevented=0)


def leaks(clusters: NDArray[np.int64], naive_split: Split) -> int:
    """Count the test rows of a naive split whose cluster also stands among its training or validation rows."""
    seen = clusters[[*naive_split.train, *naive_split.valid]]
    return int(np.isin(clusters[list(naive_split.test)], seen).sum())


class _Side:
    """What stands on one side so far, and how many rows of each label it still needs."""

    def __init__(self, quotas: list[int]) -> None:
        self.chosen: dict[int, None] = {}
        self.size = 0
        self._need = list(quotas)
        self._weights = [1 / max(quota, 1) for quota in quotas]

    def change(self, counts: _Counts, sign: int) -> float:
        """Return what a cluster adds to the distance from the quotas (chi-squared), coming (1) or going (-1)."""
        return sum(c * (c - 2 * sign * self._need[label]) * self._weights[label] for label, c in counts)

    def move(self, cluster: int, counts: _Counts, sign: int) -> None:
        """Let a cluster come (1) or go (-1)."""
        for label, c in counts:
            self._need[label] -= sign * c
            self.size += sign * c
        if sign > 0:
            self.chosen[cluster] = None
        else:
            del self.chosen[cluster]


class _Pool:
    """The clusters that are not yet on a side, in the order in which they are asked."""

    def __init__(self, examples: Sequence[Example], clusters: NDArray[np.int64], spec: SplitSpec) -> None:
        targets = [example.target for example in examples]
        stratify = are_labels(targets) if spec.stratify is None else spec.stratify
        number = {name: i for i, name in enumerate(sorted(set(targets)) if stratify else [""])}
        labels = [number[target] if stratify else 0 for target in targets]
        self.rows: dict[int, list[int]] = {}
        for i, cluster in enumerate(clusters.tolist()):
            self.rows.setdefault(cluster, []).append(i)
        keys = _keys(examples, spec.seed)
        self._order = sorted(self.rows, key=lambda cluster: min(keys[i] for i in self.rows[cluster]))
        self._counts = {c: tuple(sorted(Counter(labels[i] for i in rows).items())) for c, rows in self.rows.items()}
        self._clusters_left = Counter(label for counts in self._counts.values() for label, _ in counts)
        self._shares = np.bincount(labels, minlength=len(number)) / max(len(labels), 1)
        self._rng = np.random.default_rng(spec.seed)

    def draw(self, rows: int, least: int) -> list[int]:
        """Take clusters of about ``rows`` rows, in the proportions of the labels.

        First comes what brings the labels nearer to their quotas; then, while it helps, what stands in the way goes
        back and others come. What is still missing is filled up with labels that then stand up to a quarter over
        their share, then also with clusters of more than a quarter of the side (they say less than their size), and up
        to ``least`` rows with any.
        """
        side = _Side(self._quotas(rows))
        quarter = max(rows // 4, 1)
        self._take(side, rows, most=quarter)
        for _ in range(_ROUNDS):
            if not self._return(side):
                break
            self._take(side, rows, most=quarter)
        self._take(side, rows, most=quarter, slack=0.5)
        self._take(side, rows, most=rows, slack=0.5)
        self._take(side, min(least, rows), most=rows, slack=math.inf)
        return sorted(row for cluster in side.chosen for row in self.rows[cluster])

    def _take(self, side: _Side, aim: int, *, most: int, slack: float = 0.0) -> None:
        passed: list[int] = []
        for cluster in self._order:
            counts, size, missing = self._counts[cluster], len(self.rows[cluster]), aim - side.size
            room = missing + aim // 4 if slack > 1 else 2 * missing - 1
            fits = missing > 0 and size <= min(most, room) and side.change(counts, 1) < slack * size
            if fits and all(self._clusters_left[label] > 1 for label, _ in counts):
                side.move(cluster, counts, 1)
                self._clusters_left.subtract(label for label, _ in counts)
            else:
                passed.append(cluster)
        self._order = passed

    def _return(self, side: _Side) -> bool:
        """Put back the clusters without which the labels are nearer to their quotas; tell whether there were any."""
        before = len(self._order)
        for cluster in list(side.chosen):
            counts = self._counts[cluster]
            if side.change(counts, -1) < 0:
                side.move(cluster, counts, -1)
                self._clusters_left.update(label for label, _ in counts)
                self._order.append(cluster)
        return len(self._order) > before

    def _quotas(self, rows: int) -> list[int]:
        """Share out the rows among the labels by systematic sampling: whole numbers, fair on average."""
        ends = np.floor(np.cumsum(self._shares) * rows + self._rng.random() + 1e-9).astype(int)
        return [int(end) for end in np.diff(ends, prepend=0)]


def _keys(examples: Sequence[Example], seed: int) -> list[bytes]:
    """Return for each row a random-looking key made from its content alone, so that the order of rows means nothing."""
    return [
        hashlib.blake2b(f"{seed}\0{e.input}\0{e.target}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for e in examples
    ]


def _check(spec: SplitSpec) -> None:
    if not 0 < spec.test_share < 1 or not 0 <= spec.valid_share < 1 or spec.test_share + spec.valid_share >= 1:
        raise ConfigError(
            "E_CONFIG",
            f"a test share of {spec.test_share} and a validation share of {spec.valid_share} leave no training rows",
            fix="choose shares between 0 and 1 that add up to less than 1, for example 0.2 and 0.1",
        )


def _renumber(clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number clusters by their lowest row."""
    _, lowest, inverse = np.unique(clusters, return_index=True, return_inverse=True)
    return lowest[inverse].astype(np.int64)


def _warnings(
    examples: Sequence[Example], clusters: NDArray[np.int64], train: Sequence[int], test: Sequence[int]
) -> tuple[str, ...]:
    n = len(examples)
    warnings: list[str] = []
    largest = int(np.unique(clusters, return_counts=True)[1].max()) if n else 0
    if largest > _DOMINANT * n:
        warnings.append(
            f"{largest:,} of {n:,} rows ({percent(largest / n, 0)}) are one cluster of near-duplicates or one group: "
            "the data look templated, and scores say little about texts of another kind"
        )
    targets = [example.target for example in examples]
    if not are_labels(targets):
        return tuple(warnings)
    counts = Counter(targets)
    trained, tested = {targets[i] for i in train}, {targets[i] for i in test}
    single = sum(number == 1 for number in counts.values())
    if single:
        warnings.append(f"{_labels_have(single)} a single row")
    if untested := len(counts.keys() - tested):
        them = "it" if untested == 1 else "them"
        warnings.append(f"{_labels_have(untested)} no row in the test set: nothing can be said about {them}")
    if untrained := len(tested - trained):
        them = "it" if untrained == 1 else "them"
        warnings.append(f"{_labels_have(untrained)} rows in the test set only: no model can learn {them}")
    return tuple(warnings)


def _labels_have(number: int) -> str:
    return "1 label has" if number == 1 else f"{number:,} labels have"
