"""Texts as TF-IDF features: words and word pairs, and characters within words. Shared by the lookup and linear rungs.

Term frequency is sublinear (1 + ln tf), each half is scaled to unit length, so a row's length is the square root of 2.
Kept as JSON (the terms) and safetensors (their weights): no pickle is ever written or read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham import machine
from ockham.errors import ModelError
from ockham.models import counting, model_files

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

TERMS = "tfidf.json"
WEIGHTS = "tfidf.safetensors"

MAX_FEATURES = 150_000
"""Per half. Longer texts have more distinct terms than help, and each costs memory for every label."""

_TOGETHER = 4
"""Parts of the texts that are weighted side by side."""
_NO_TERM = ""
"""Stands for a half without terms: no text has it."""

_HALVES: tuple[dict[str, Any], ...] = (
    {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": counting.WORD},
    {"analyzer": "char_wb", "ngram_range": counting.WIDTHS},
)
_COUNTS: tuple[Callable[..., counting.Counts], ...] = (counting.words, counting.characters)
_MANY = 64
"""From so many texts on they are counted together; fewer are faster one after the other. The features are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of both halves, in column order."""

    words: tuple[str, ...]
    characters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tfidf:
    """Fitted features; one vectorizer per half."""

    halves: tuple[TfidfVectorizer, ...]

    @property
    def size(self) -> int:
        """Return the number of features."""
        return sum(len(half.idf_) for half in self.halves)

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Turn texts into rows of a (texts, features) float32 matrix."""
        from scipy.sparse import hstack

        if len(texts) >= _MANY:
            counted = [count(texts, half.vocabulary_) for half, count in zip(self.halves, _COUNTS, strict=True)]
            return _weigh_counts(self.halves, counted)
        rows: csr_matrix = hstack([half.transform(texts) for half in self.halves], format="csr")
        return rows

    def save(self, folder: Path) -> None:
        """Write the features into a staging folder."""
        from safetensors.numpy import save_file

        terms = [sorted(half.vocabulary_, key=half.vocabulary_.__getitem__) for half in self.halves]
        model_files.write(Terms(words=tuple(terms[0]), characters=tuple(terms[1])), folder / TERMS)
        save_file({"words": self.halves[0].idf_, "characters": self.halves[1].idf_}, folder / WEIGHTS)


def fit(texts: Sequence[str], most: int = MAX_FEATURES) -> tuple[Tfidf, csr_matrix]:
    """Learn the features of some texts; gives them and the texts' own (texts, features) matrix.

    Terms that occur in one text only are left out where there are more than ``most`` in a half, then the rarest.
    """
    import numpy as np

    halves, counted = [], []
    for options, count in zip(_HALVES, _COUNTS, strict=True):
        counts = count(texts, most=most)
        if not counts.terms:  # texts of emoji or punctuation alone have no words
            counts = count(texts, {_NO_TERM: 0})
        half = _vectorizer(**options, vocabulary={term: column for column, term in enumerate(counts.terms)})
        # As scikit-learn smooths it: as if one text more had every term.
        seen = (counts.frequencies() + 1).astype(np.float32)
        half.idf_ = np.log(np.float32(len(texts) + 1) / seen) + np.float32(1)
        halves.append(half)
        counted.append(counts)
    return Tfidf(tuple(halves)), _weigh_counts(halves, counted)


def _weigh_counts(halves: Sequence[TfidfVectorizer], counted: Sequence[counting.Counts]) -> csr_matrix:
    """Turn counts into weights, a few parts at a time on all cores: (texts, features)."""
    import numpy as np
    from scipy.sparse import csr_matrix, hstack
    from sklearn.preprocessing import normalize

    def part(start: int) -> csr_matrix:
        weighted = []
        for half, counts in zip(halves, counted, strict=True):
            rows = counts.part(start)
            rows.data = (np.log(rows.data) + np.float32(1)) * half.idf_[rows.indices].astype(np.float32, copy=False)
            weighted.append(normalize(rows, copy=False))
        joined: csr_matrix = hstack(weighted, format="csr", dtype=np.float32)
        return joined

    # The whole matrix is made once: put together from parts it would stand in memory twice.
    number, entries = counted[0].texts.shape[0], sum(int(counts.frequencies().sum()) for counts in counted)
    data, indices = np.empty(entries, dtype=np.float32), np.empty(entries, dtype=np.int32)
    ends = np.zeros(number + 1, dtype=np.int64)
    filled = 0
    for first in range(0, number, _TOGETHER * counting.PART):
        starts = range(first, min(number, first + _TOGETHER * counting.PART), counting.PART)
        for start, rows in zip(starts, machine.run_parallel([partial(part, start) for start in starts]), strict=True):
            data[filled : filled + rows.nnz], indices[filled : filled + rows.nnz] = rows.data, rows.indices
            ends[start + 1 : start + 1 + rows.shape[0]] = filled + rows.indptr[1:]
            filled += rows.nnz
    width = sum(len(counts.terms) for counts in counted)
    if entries <= np.iinfo(np.int32).max:
        ends = ends.astype(np.int32)
    return csr_matrix((data, indices, ends), shape=(number, width))


def load(folder: Path) -> Tfidf:
    """Read what `Tfidf.save` wrote; raises `ModelError` where a file is missing or not as it was written."""
    from ockham.models.model_files import read_arrays

    terms = model_files.read(Terms, folder / TERMS)
    idf = read_arrays(folder / WEIGHTS, ("words", "characters"))
    halves = []
    for options, words, values in zip(
        _HALVES, (terms.words, terms.characters), (idf["words"], idf["characters"]), strict=True
    ):
        if len(words) != len(values):
            fix = "make the bundle again with: ockham fit"
            raise ModelError("E_MODEL_FORMAT", f"{WEIGHTS}: does not fit {TERMS}", fix=fix)
        half = _vectorizer(**options, vocabulary={word: column for column, word in enumerate(words)})
        half.idf_ = values
        halves.append(half)
    return Tfidf(tuple(halves))


def _vectorizer(**options: Any) -> TfidfVectorizer:  # noqa: ANN401 - the vectorizer's own keyword arguments
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options)
