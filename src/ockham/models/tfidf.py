"""Texts as TF-IDF features: words and word pairs, and characters within words. Shared by the lookup and linear rungs.

Term frequency is sublinear (1 + ln tf), each half is scaled to unit length, so a row's length is the square root of 2.
Kept as JSON (the terms) and safetensors (their weights): no pickle is ever written or read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.models import model_files

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

TERMS = "tfidf.json"
WEIGHTS = "tfidf.safetensors"

MAX_FEATURES = 150_000
"""Per half. Longer texts have more distinct terms than help, and each costs memory for every label."""

_NO_TERM = ""
"""Stands for a half without terms: no text has it."""

_HALVES: tuple[dict[str, Any], ...] = (
    # Any run of word characters, one-letter words too: in short texts they count.
    {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    {"analyzer": "char_wb", "ngram_range": (2, 5)},
)


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

        rows: csr_matrix = hstack([half.transform(texts) for half in self.halves], format="csr")
        return rows

    def save(self, folder: Path) -> None:
        """Write the features into a staging folder."""
        from safetensors.numpy import save_file

        terms = [sorted(half.vocabulary_, key=half.vocabulary_.__getitem__) for half in self.halves]
        model_files.write(Terms(words=tuple(terms[0]), characters=tuple(terms[1])), folder / TERMS)
        save_file({"words": self.halves[0].idf_, "characters": self.halves[1].idf_}, folder / WEIGHTS)


def fit(texts: Sequence[str]) -> tuple[Tfidf, csr_matrix]:
    """Learn the features of some texts; gives them and the texts' own (texts, features) matrix.

    Terms that occur in one text only are left out where there are more than `MAX_FEATURES`, then the rarest.
    """
    from scipy.sparse import hstack

    halves = []
    rows = []
    for options in _HALVES:
        half = _vectorizer(**options)
        try:
            matrix = half.fit_transform(texts)
        except ValueError:  # texts of emoji or punctuation alone have no words
            half = _vectorizer(**options, vocabulary={_NO_TERM: 0})
            matrix = half.fit_transform(texts)
        if matrix.shape[1] > MAX_FEATURES:
            half = _vectorizer(**options, min_df=2, max_features=MAX_FEATURES)
            matrix = half.fit_transform(texts)
        halves.append(half)
        rows.append(matrix)
    return Tfidf(tuple(halves)), hstack(rows, format="csr")


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
        half = _vectorizer(**options, vocabulary={word: place for place, word in enumerate(words)})
        half.idf_ = values
        halves.append(half)
    return Tfidf(tuple(halves))


def _vectorizer(**options: Any) -> TfidfVectorizer:  # noqa: ANN401 - the vectorizer's own keyword arguments
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, dtype=np.float32, **options)
