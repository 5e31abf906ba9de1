"""Texts as TF-IDF features: words and word pairs, and characters within words. Shared by the lookup and linear rungs.

Term frequency is sublinear (1 + ln tf), each half is scaled to unit length, so a row's length is the square root of 2.
Kept as JSON (the terms) and safetensors (their weights): no pickle is ever written or read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import machine
from ockham.errors import ModelError
from ockham.models import counting, model_files

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

TERMS = "tfidf.json"
WEIGHTS = "tfidf.safetensors"

MAX_FEATURES = 150_000
"""Per half. Longer texts have more distinct terms than help, and each costs memory for every label."""

_TOGETHER = 4
"""Parts of the texts that are weighted side by side."""
_NO_TERM = ""
"""Stands for a half without terms: no text has it."""

_MANY_TEXTS = 50_000
"""From so many texts on, what counting has freed goes back to the system at once: what comes next needs much itself."""
_SCALED = 256
"""Rows that are scaled at a time, in numbers of 64 bits."""
_COUNTS: tuple[Callable[..., counting.Counts], ...] = (counting.words, counting.characters)
_TERMS: tuple[Callable[[str], list[str]], ...] = (counting.word_terms, counting.character_terms)
_MANY = 64
"""From so many texts on they are counted together; fewer are faster one after the other. The features are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of both halves, in column order."""

    words: tuple[str, ...]
    characters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TermWeights:
    """The columns of one half: each term with its number, and their inverse document frequencies, (terms,)."""

    columns: dict[str, int]
    idf: NDArray[np.float32]

    def count(self, texts: Sequence[str], terms: Callable[[str], list[str]]) -> csr_matrix:
        """Count the terms of a few texts, one text after the other: (texts, terms)."""
        import numpy as np
        from scipy.sparse import csr_matrix

        cells: list[tuple[int, int]] = []
        ends = [0]
        for text in texts:
            counts = Counter(self.columns[term] for term in terms(text) if term in self.columns)
            cells += sorted(counts.items())
            ends.append(len(cells))
        indices, data = np.array(cells, dtype=np.int32).reshape(-1, 2).T
        return csr_matrix((data.astype(np.float32), indices, ends), shape=(len(texts), len(self.idf)))


@dataclass(frozen=True, slots=True)
class Tfidf:
    """Fitted features: words, and characters."""

    halves: tuple[TermWeights, ...]

    @property
    def size(self) -> int:
        """Return the number of features."""
        return sum(len(half.idf) for half in self.halves)

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Turn texts into rows of a (texts, features) float32 matrix."""
        from scipy.sparse import hstack

        if len(texts) >= _MANY:
            counted = [count(texts, half.columns) for half, count in zip(self.halves, _COUNTS, strict=True)]
            return _weigh_counts(self.halves, counted)
        counts = [half.count(texts, terms) for half, terms in zip(self.halves, _TERMS, strict=True)]
        rows: csr_matrix = hstack(
            [_weigh(half, counted) for half, counted in zip(self.halves, counts, strict=True)], format="csr"
        )
        return rows

    def save(self, folder: Path) -> None:
        """Write the features into a staging folder."""
        from safetensors.numpy import save_file

        terms = [sorted(half.columns, key=half.columns.__getitem__) for half in self.halves]
        model_files.write(Terms(words=tuple(terms[0]), characters=tuple(terms[1])), folder / TERMS)
        save_file({"words": self.halves[0].idf, "characters": self.halves[1].idf}, folder / WEIGHTS)


def fit(texts: Sequence[str], most: int = MAX_FEATURES) -> tuple[Tfidf, csr_matrix]:
    """Learn the features of some texts; gives them and the texts' own (texts, features) matrix.

    Terms that occur in one text only are left out where there are more than ``most`` in a half, then the rarest.
    """
    import numpy as np

    halves, counted = [], []
    for count in _COUNTS:
        counts = count(texts, most=most)
        if not counts.terms:  # texts of emoji or punctuation alone have no words
            counts = count(texts, {_NO_TERM: 0})
        # As scikit-learn smooths it: as if one text more had every term.
        seen = (counts.frequencies() + 1).astype(np.float32)
        idf = np.log(np.float32(len(texts) + 1) / seen) + np.float32(1)
        halves.append(TermWeights({term: column for column, term in enumerate(counts.terms)}, idf))
        counted.append(counts)
    matrix = _weigh_counts(halves, counted)
    if len(texts) >= _MANY_TEXTS:
        del counted, counts
        machine.trim_memory()
    return Tfidf(tuple(halves)), matrix


def _weigh_counts(halves: Sequence[TermWeights], counted: Sequence[counting.Counts]) -> csr_matrix:
    """Turn counts into weights, a few parts at a time on all cores: (texts, features)."""
    import numpy as np
    from scipy.sparse import csr_matrix, hstack

    def part(start: int) -> csr_matrix:
        weighted = [_weigh(half, counts.part(start)) for half, counts in zip(halves, counted, strict=True)]
        joined: csr_matrix = hstack(weighted, format="csr", dtype=np.float32)
        return joined

    # The whole matrix is made once: put together from parts it would stand in memory twice. What is not written to
    # takes no memory.
    number, entries = counted[0].texts.shape[0], sum(counts.most_cells() for counts in counted)
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
    if filled <= np.iinfo(np.int32).max:
        ends = ends.astype(np.int32)
    return csr_matrix((data[:filled], indices[:filled], ends), shape=(number, width))


def _weigh(half: TermWeights, rows: csr_matrix) -> csr_matrix:
    """Turn the counts of one half into weights, in place, each row scaled to unit length."""
    import numpy as np

    rows.data = (np.log(rows.data) + np.float32(1)) * half.idf[rows.indices]
    for first in range(0, rows.shape[0], _SCALED):
        ends = rows.indptr[first : first + _SCALED + 1]
        values = rows.data[ends[0] : ends[-1]]
        row = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        # Summed one after the other, whatever stands beside a row, so that its last digit is always the same.
        lengths = np.sqrt(np.bincount(row, weights=values * values, minlength=len(ends) - 1))
        values[:] = values / lengths[row]
    return rows


def load(folder: Path) -> Tfidf:
    """Read what `Tfidf.save` wrote; raises `ModelError` where a file is missing or not as it was written."""
    from ockham.models.model_files import read_arrays

    terms = model_files.read(Terms, folder / TERMS)
    idf = read_arrays(folder / WEIGHTS, ("words", "characters"))
    halves = []
    for words, values in ((terms.words, idf["words"]), (terms.characters, idf["characters"])):
        if len(words) != len(values):
            fix = "create the bundle again: ockham fit"
            raise ModelError("E_MODEL_FORMAT", f"{WEIGHTS}: does not fit {TERMS}", fix=fix)
        halves.append(TermWeights({word: column for column, word in enumerate(words)}, values))
    return Tfidf(tuple(halves))
