"""The nearest training example's answer: what a good search over the examples scores, with nothing learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.models import model_files, tfidf
from ockham.records import Answer, Example

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TARGETS = "lookup.json"
ROWS = "lookup.safetensors"
_ARRAYS = ("data", "indices", "indptr")
_BATCH = 256
"""Inputs at a time: their similarities to every training row stand in memory together."""


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
    """(features, training rows)"""
    targets: Targets

    def save(self, folder: Path) -> None:
        """Write the model into a staging folder."""
        from safetensors.numpy import save_file

        self.features.save(folder)
        model_files.write(self.targets, folder / TARGETS)
        save_file({name: getattr(self.rows, name) for name in _ARRAYS}, folder / ROWS)

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer as the most similar training example; its cosine similarity is the confidence.

        The earliest of equally similar examples answers.
        """
        answers = []
        for start in range(0, len(inputs), _BATCH):
            # Both halves have unit length, so half the product is the mean of two cosines.
            similar = (self.features.transform(inputs[start : start + _BATCH]) @ self.rows).toarray() / 2
            for row in similar:
                best = int(row.argmax())
                value = self.targets.values[self.targets.rows[best]]
                answers.append(Answer(value=value, confidence=float(min(1.0, max(0.0, row[best])))))
        return answers


def learn(examples: Sequence[Example]) -> Lookup:
    """Put the training rows in order for comparing."""
    features, rows = tfidf.fit([example.input for example in examples])
    values = tuple(sorted({example.target for example in examples}))
    place = {value: index for index, value in enumerate(values)}
    targets = Targets(values=values, rows=tuple(place[example.target] for example in examples))
    return Lookup(features, rows.T.tocsr(), targets)


def fit(examples: Sequence[Example], folder: Path) -> None:
    """Write the training rows' features and targets into a staging folder."""
    learn(examples).save(folder)


def load(folder: Path) -> Lookup:
    """Read the model; raises `ModelError` where a file is missing or not as `fit` wrote it."""
    from scipy.sparse import csr_matrix

    features = tfidf.load(folder)
    targets = model_files.read(Targets, folder / TARGETS)
    arrays = model_files.read_arrays(folder / ROWS, _ARRAYS)
    width = sum(len(half.vocabulary_) for half in features.halves)
    rows = csr_matrix(tuple(arrays[name] for name in _ARRAYS), shape=(width, len(targets.rows)))
    return Lookup(features, rows, targets)
