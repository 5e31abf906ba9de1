"""Count the terms of many texts: what scikit-learn's `CountVectorizer` counts, some ten times as fast.

Words and word pairs are counted by their numbers and not as strings. The characters within words follow from the words:
each distinct word is taken apart once, and the counts of the texts are a product of two sparse matrices.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

WORD = r"(?u)\b\w+\b"
"""Any run of word characters, one-letter words too: in short texts they count."""
WIDTHS = (2, 5)
"""The least and the greatest number of characters of a term within words."""
PART = 8192
"""Texts at a time."""
_WORD = re.compile(WORD)
_MANY_TEXTS = 10_000
"""From so many texts on the pieces are worth remembering."""
_MOST_PIECES = 100_000_000
"""More than these are not remembered: each takes four bytes."""


@dataclass(slots=True)
class _Pieces:
    """The pieces of texts that were taken apart before, as numbers by their first place."""

    number: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    """The row of each distinct text."""
    numbers: array[int] = field(default_factory=lambda: array("i"))
    starts: array[int] = field(default_factory=lambda: array("q", [0]))

    def add(self, text: str, pieces: Callable[[str], list[str]]) -> int:
        """Take a text apart unless it was before, and return its row."""
        row = self.rows.get(text)
        if row is None:
            row = self.rows[text] = len(self.starts) - 1
            self.numbers.extend([self.number.setdefault(piece, len(self.number)) for piece in pieces(text.lower())])
            self.starts.append(len(self.numbers))
        return row

    def gather(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many pieces each of the rows has, and the numbers of all of them."""
        import numpy as np

        starts, numbers = np.array(self.starts), np.array(self.numbers)
        sizes = starts[rows + 1] - starts[rows]
        offsets = starts[rows] - np.cumsum(sizes) + sizes
        return sizes, numbers[np.arange(sizes.sum()) + np.repeat(offsets, sizes)]


_remembered: ContextVar[dict[Callable[[str], list[str]], _Pieces] | None] = ContextVar("remembered", default=None)


@contextmanager
def remember_pieces() -> Iterator[None]:
    """Take each text apart once in this block, however often it is counted: a climb counts most texts ten times."""
    token = _remembered.set({})
    try:
        yield
    finally:
        _remembered.reset(token)


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each text has each term, as (texts, pieces) @ (pieces, terms), with the terms of the columns.

    ``totals`` are the texts that have each term, where they were counted already.
    """

    texts: csr_matrix
    pieces: csr_matrix
    terms: tuple[str, ...]
    totals: NDArray[np.int64] | None = None

    def part(self, start: int) -> csr_matrix:
        """Count the terms of `PART` texts from ``start`` on; columns of a row ascend."""
        counts: csr_matrix = self.texts[start : start + PART] @ self.pieces
        counts.sort_indices()
        return counts

    def frequencies(self) -> NDArray[np.int64]:
        """Count the texts that have each term."""
        import numpy as np

        if self.totals is not None:
            return self.totals
        totals = np.zeros(len(self.terms), dtype=np.int64)
        for start in range(0, self.texts.shape[0], PART):
            totals += np.bincount((self.texts[start : start + PART] @ self.pieces).indices, minlength=len(self.terms))
        return totals

    def most_cells(self) -> int:
        """Return a number that the cells which are not 0 do not exceed: those of each piece of each text."""
        import numpy as np

        return int(np.diff(self.pieces.indptr)[self.texts.indices].sum(dtype=np.int64))

    def most_frequent(self, most: int) -> Counts:
        """Keep the terms that occur in two texts at least, and of those the ``most`` that occur most often."""
        import numpy as np

        texts = self.frequencies()
        often = np.flatnonzero(texts >= 2)
        totals = np.asarray(self.texts.sum(axis=0, dtype=np.float64)).ravel() @ self.pieces
        chosen = np.sort(often[np.argsort(-totals[often], kind="stable")[:most]])
        terms = tuple(self.terms[column] for column in chosen)
        return Counts(self.texts, self.pieces[:, chosen].tocsr(), terms, texts[chosen])


def words(texts: Sequence[str], vocabulary: dict[str, int] | None = None, most: int = 0) -> Counts:
    """Count words and pairs of neighbours: all terms in the order of their spelling, or those of the vocabulary.

    Where there are more than ``most`` terms (0: no limit), `Counts.most_frequent` are kept; pairs that occur once are
    not even spelt.
    """
    import numpy as np

    rows, flat, names = _number_terms(texts, _WORD.findall)
    inside = rows[1:] == rows[:-1]
    pairs, numbers, often = np.unique(
        (flat[:-1] * len(names) + flat[1:])[inside], return_inverse=True, return_counts=True
    )
    beside, numbers = rows[:-1][inside], numbers.reshape(-1)
    beyond = 0 < most < len(names) + len(pairs)
    if beyond:
        repeated = often >= 2
        beside, numbers = beside[repeated[numbers]], (np.cumsum(repeated) - 1)[numbers[repeated[numbers]]]
        pairs = pairs[repeated]
    columns = np.concatenate([flat, numbers + len(names)])
    spelt = [f"{names[pair // len(names)]} {names[pair % len(names)]}" for pair in pairs.tolist()]
    table = _table(np.concatenate([rows, beside]), columns, (len(texts), len(names) + len(spelt)))
    counts = Counts(table, *_selection([*names, *spelt], vocabulary))
    return counts.most_frequent(most) if beyond else counts


def characters(texts: Sequence[str], vocabulary: dict[str, int] | None = None, most: int = 0) -> Counts:
    """Count the runs of 2 to 5 characters within words that have a blank on both sides; otherwise as `words`."""
    rows, flat, names = _number_terms(texts, str.split)
    counts = _table(rows, flat, (len(texts), len(names)))
    spelt, numbers, terms = _number_terms([f" {name} " for name in names], _runs)
    table = _table(spelt, numbers, (len(names), len(terms)))
    selection, selected = _selection(terms, vocabulary)
    counted = Counts(counts, (table @ selection).tocsr(), selected)
    return counted.most_frequent(most) if 0 < most < len(selected) else counted


def word_terms(text: str) -> list[str]:
    """List the words and the pairs of neighbours of one text, each as often as it occurs."""
    single = _WORD.findall(text.lower())
    return [*single, *(f"{first} {second}" for first, second in itertools.pairwise(single))]


def character_terms(text: str) -> list[str]:
    """List the runs of 2 to 5 characters within the words of one text, each as often as it occurs."""
    return [run for word in text.lower().split() for run in _runs(f" {word} ")]


def _runs(word: str) -> list[str]:
    """List the runs of characters of a word, shorter ones first; it is never shorter than the least."""
    least, most = WIDTHS
    return [
        word[start : start + width]
        for width in range(least, min(most, len(word)) + 1)
        for start in range(len(word) - width + 1)
    ]


def _number_terms(
    texts: Sequence[str], pieces: Callable[[str], list[str]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Number the pieces of all texts: the text of each piece, its number, and all that differ, in order of number."""
    import numpy as np

    memo = _remembered.get()
    remembered = None if memo is None or len(texts) < _MANY_TEXTS else memo.get(pieces)
    parts = _Pieces() if remembered is None or len(remembered.numbers) > _MOST_PIECES else remembered
    if memo is not None and len(texts) >= _MANY_TEXTS:
        memo[pieces] = parts
    sizes, flat = parts.gather(np.array([parts.add(text, pieces) for text in texts], dtype=np.int64))
    present = np.zeros(len(parts.number), dtype=bool)
    present[flat] = True
    names = [name for name, here in zip(parts.number, present.tolist(), strict=True) if here]
    return np.repeat(np.arange(len(texts)), sizes), (np.cumsum(present) - 1)[flat], names


def _table(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> csr_matrix:
    """Count the pairs of row and column."""
    import numpy as np
    from scipy.sparse import coo_matrix, csr_matrix

    table = csr_matrix(coo_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape))
    table.sum_duplicates()
    return table


def _selection(names: Sequence[str], vocabulary: dict[str, int] | None) -> tuple[csr_matrix, tuple[str, ...]]:
    """Say where each counted name stands among the terms, as a matrix of zeros and ones, with the terms."""
    import numpy as np
    from scipy.sparse import csr_matrix

    if vocabulary is None:
        order = sorted(range(len(names)), key=names.__getitem__)
        terms = tuple(names[index] for index in order)
        rows, columns = np.array(order, dtype=np.int64), np.arange(len(names))
    else:
        terms = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
        cells = [(index, vocabulary[name]) for index, name in enumerate(names) if name in vocabulary]
        rows, columns = np.array(cells, dtype=np.int64).reshape(-1, 2).T
    ones = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((ones, (rows, columns)), shape=(len(names), len(terms))), terms
