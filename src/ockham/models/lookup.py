"""The nearest training example's answer: what a good search over the examples scores, with nothing learnt.

Up to `MANY_ROWS` examples each is compared with the text. Of more, the `CANDIDATES` that share most with it are looked
up by the terms that are not frequent, and these alone are compared in full: in the benchmark's rows the answer is the
same for 98 texts in 100 or more, and found in a hundredth of the time.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import machine
from ockham.models import model_files, tfidf
from ockham.records import Answer, Example

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TARGETS = "lookup.json"
ROWS = "lookup.safetensors"
_ARRAYS = ("data", "indices", "indptr")
_BATCH = 256
"""Inputs at a time: their similarities to every training row stand in memory together."""
MANY_ROWS = 20_000
CANDIDATES = 256
FREQUENT_WORDS, FREQUENT_CHARACTERS = 0.1, 0.002
"""Shares of many rows from which on a term says too little to be searched by."""

_SLICE = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The distinct answers, and which of them each training row has."""

    values: tuple[str, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lookup:
    """The training rows as unit vectors, ready to be compared with."""

    features: tfidf.Tfidf
    rows: csr_matrix
    """(training rows, features)"""
    index: csr_matrix
    """(features, training rows); of many rows without the frequent features"""
    targets: Targets

    def save(self, folder: Path) -> None:
        """Write the model into a staging folder."""
        from safetensors.numpy import save_file

        self.features.save(folder)
        model_files.write(self.targets, folder / TARGETS)
        save_file({name: getattr(self.rows, name) for name in _ARRAYS}, folder / ROWS)

    def restrict(self, chosen: Sequence[int]) -> Lookup:
        """Keep some of the training rows, by their places in order; the weights of terms stay those of all rows."""
        rows = self.rows[list(chosen)]
        targets = Targets(values=self.targets.values, rows=tuple(self.targets.rows[row] for row in chosen))
        return Lookup(self.features, rows, _index(self.features, rows), targets)

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer as the most similar training example; its cosine similarity is the confidence.

        The earliest of equally similar examples answers.
        """
        if not inputs:
            return []
        unseen = self.features.transform(inputs)
        parts = [unseen[start : start + _BATCH] for start in range(0, len(inputs), _BATCH)]
        search = self._nearest if len(self.targets.rows) <= MANY_ROWS else self._nearest_of_many
        jobs = [partial(search, part) for part in parts]
        nearest = [pair for part in (machine.run_parallel(jobs) if len(jobs) > 1 else [jobs[0]()]) for pair in part]
        return [
            # Both halves have unit length, so half the product is the mean of two cosines.
            Answer(value=self.targets.values[self.targets.rows[row]], confidence=min(1.0, max(0.0, similar / 2)))
            for row, similar in nearest
        ]

    def _nearest(self, unseen: csr_matrix) -> list[tuple[int, float]]:
        """Return the most similar training row of each text, and their product."""
        return [(int(row.argmax()), float(row.max())) for row in (unseen @ self.index).toarray()]

    def _nearest_of_many(self, unseen: csr_matrix) -> list[tuple[int, float]]:
        """Do as `_nearest` among the rows that share most with the text, frequent features left out."""
        import numpy as np

        shared = unseen @ self.index
        text = np.zeros(unseen.shape[1], dtype=np.float32)
        nearest = []
        for index in range(unseen.shape[0]):
            start, end = shared.indptr[index], shared.indptr[index + 1]
            rows, likeness = shared.indices[start:end], shared.data[start:end]
            if len(rows) > CANDIDATES:
                rows = rows[np.argpartition(likeness, -CANDIDATES)[-CANDIDATES:]]
            rows = np.sort(rows)
            entries = slice(unseen.indptr[index], unseen.indptr[index + 1])
            text[unseen.indices[entries]] = unseen.data[entries]
            # A text of frequent features alone has no candidates, and is compared with every row.
            similar = (self.rows[rows] if len(rows) else self.rows) @ text
            text[unseen.indices[entries]] = 0
            best = int(similar.argmax())
            nearest.append((int(rows[best]) if len(rows) else best, float(similar[best])))
        return nearest


def learn(examples: Sequence[Example]) -> Lookup:
    """Put the training rows in order for comparing."""
    features, rows = tfidf.fit([example.input for example in examples])
    values = tuple(sorted({example.target for example in examples}))
    number = {value: index for index, value in enumerate(values)}
    targets = Targets(values=values, rows=tuple(number[example.target] for example in examples))
    return Lookup(features, rows, _index(features, rows), targets)


def load(folder: Path) -> Lookup:
    """Read the model; raises `ModelError` where a file is missing or not as `Lookup.save` wrote it."""
    from scipy.sparse import csr_matrix

    features = tfidf.load(folder)
    targets = model_files.read(Targets, folder / TARGETS)
    arrays = model_files.read_arrays(folder / ROWS, _ARRAYS)
    rows = csr_matrix(tuple(arrays[name] for name in _ARRAYS), shape=(len(targets.rows), features.size))
    return Lookup(features, rows, _index(features, rows), targets)


def _index(features: tfidf.Tfidf, rows: csr_matrix) -> csr_matrix:
    """Turn the rows into what they are searched by: (features, rows); of many rows the frequent features are empty."""
    import numpy as np
    from scipy.sparse import csr_matrix

    if rows.shape[0] <= MANY_ROWS:
        index: csr_matrix = rows.T.tocsr()
        return index
    # A slice at a time: numpy counts in numbers of 64 bits, and there may be a hundred million entries.
    seen = np.zeros(rows.shape[1], dtype=np.int64)
    for start in range(0, rows.nnz, _SLICE):
        seen += np.bincount(rows.indices[start : start + _SLICE], minlength=rows.shape[1])
    limits = np.full(rows.shape[1], FREQUENT_CHARACTERS * rows.shape[0])
    limits[: len(features.halves[0].columns)] = FREQUENT_WORDS * rows.shape[0]
    rare = (seen <= limits)[rows.indices]
    ends = np.zeros(rows.shape[0] + 1, dtype=np.int64)
    for row, (start, end) in enumerate(itertools.pairwise(rows.indptr.tolist())):
        ends[row + 1] = ends[row] + np.count_nonzero(rare[start:end])
    short = csr_matrix((rows.data[rare], rows.indices[rare], ends), shape=rows.shape)
    turned: csr_matrix = short.T.tocsr()
    return turned
