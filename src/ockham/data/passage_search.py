"""Find the text that rows share: what stands in (nearly) all of them, and what one of a few frames repeats.

Token n-grams are counted by the rows they stand in, as templates are found in pages that a machine made (Arasu and
Garcia-Molina, 2003): long passages in a large share of rows, and short ones, single words included, that stand equally
often in nearly every row, as no word of prose does.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ockham.data.minhash import GOLDEN, mix_bits
from ockham.data.prompt_slots import PassageSpan, SlotRows, join_over_slots
from ockham.data.shared_text import Passage, SharedText, count_words, longest_first, tokens_of
from ockham.plain_numbers import percent

LEAST_ROWS = 20
"""Of fewer different rows nothing is said."""
LONG = 5
"""Words of a passage that need not stand in nearly every row, as one of a few system prompts in one file does not."""
LONG_SHARE, LONG_ROWS, WORDS_A_ROW = 0.1, 25, 1.6
"""It stands in so large a share of the rows, and in so many; so many of its words come to a row of the file."""
NEARLY_ALL = 0.9
"""The share of rows in which a short passage stands, equally often in each."""
_SHORT_WIDTHS = (1, 2, 4)
_AGREE = 0.9
_ONE_TARGET, _LIFT = 0.9, 1.2
_SAMPLE, _SAMPLE_CHARACTERS, _LONGEST = 4_000, 8_000_000, 200_000
_MOST = 100
_CLOSING = frozenset(".,;:!?)]}\"'\u2019\u201d\u3002")

_Ids = NDArray[np.int64]


def find_shared_text(texts: Sequence[str], targets: Sequence[str] | None = None) -> SharedText:
    """Find the passages that rows share, in a sample of up to 4,000 rows; the order of rows means nothing.

    A long passage whose rows nearly all have one target, which others do not have, is what the rows say, and no frame
    around it: it is none of them. Nothing is found in fewer than 20 different rows.
    """
    sample = _sample(texts)
    tokens = _Tokens([texts[row] for row in sample])
    sample = [sample[place] for place in tokens.places]
    if len(sample) < LEAST_ROWS:
        return SharedText()
    chosen = None if targets is None else [targets[row] for row in sample]
    least = max(LONG_ROWS, LONG_SHARE * len(sample))
    passages = tokens.take(_Frequent(widths=(LONG,), rows=least, words=WORDS_A_ROW, steady=False), chosen)
    passages += tokens.over_slots(chosen)
    nearly_all = NEARLY_ALL * len(sample)
    passages += tokens.take(_Frequent(widths=_SHORT_WIDTHS, rows=nearly_all, words=0, steady=True), None)
    return SharedText(passages=longest_first(passages)[:_MOST])


def describe_shared_text(shared: SharedText, texts: Sequence[str], *, verb: str = "compared") -> str | None:
    """Say how many words stand in how many of the inputs, and what is done without them; ``None`` for none."""
    rows = [texts[row] for row in _sample(texts)]
    words = [count_words(row) for row in rows]
    fewer = [n - count_words(shared.text_to_compare(row)) for n, row in zip(words, rows, strict=True)]
    less = sorted(n for n in fewer if n > 0)
    if not less:
        return None
    where = "every input" if len(less) == len(rows) else f"{percent(len(less) / len(rows), 0)} of the inputs"
    middle = less[len(less) // 2]
    to = "or" if less[-1] == less[0] + 1 else "to"
    count = f"{middle:,} word{'s' * (middle > 1)}" if less[0] == less[-1] else f"{less[0]:,} {to} {less[-1]:,} words"
    occur, them = ("occurs", "it") if less[-1] == 1 else ("occur", "them")
    return f"{count} {occur} in {where}; rows are {verb} without {them}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frequent:
    """What counts as frequent: n-grams of these widths in so many rows, ``steady`` if as often in each of them.

    A run of them stands in about so many rows as well, and brings ``words`` to a row on average.
    """

    widths: tuple[int, ...]
    rows: float
    words: float
    steady: bool


class _Tokens:
    """The tokens of some texts as numbers, the row and the stretch each stands in; what was taken stands in none."""

    def __init__(self, texts: Sequence[str]) -> None:
        vocabulary: dict[str, int] = {}
        numbers = [tuple(vocabulary.setdefault(token, len(vocabulary)) for token in tokens_of(text)) for text in texts]
        # What is said again and again is no frame: copies count once.
        first: dict[tuple[int, ...], int] = {}
        for place, row in enumerate(numbers):
            first.setdefault(row, place)
        self.places = list(first.values())
        rows = [numbers[place] for place in self.places]
        self._names = list(vocabulary)
        self._ids = np.array([number for row in rows for number in row], dtype=np.int64)
        self._rows = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        self._stretches = self._rows.copy()
        self._size = len(rows)
        self._spans: list[PassageSpan] = []

    def take(self, frequent: _Frequent, targets: Sequence[str] | None) -> list[Passage]:
        """Take out the longest frequent runs of tokens that stand as they are in so many rows, and return them."""
        spans: dict[bytes, list[tuple[int, int]]] = {}
        for start, end in self._runs(frequent):
            spans.setdefault(self._ids[start:end].tobytes(), []).append((start, end))
        passages: list[Passage] = []
        for places in spans.values():
            start, end = places[0]
            rows = {int(self._rows[begin]) for begin, _ in places}
            tokens = tuple(self._names[number] for number in self._ids[start:end])
            passage = Passage(tokens=tokens, share=len(rows) / self._size)
            says_something = targets is not None and _decides(rows, targets)
            letters = any(char.isalpha() for token in tokens for char in token)
            if (
                len(rows) >= _AGREE * frequent.rows
                and passage.words * passage.share >= frequent.words
                and letters
                and not says_something
            ):
                passages.append(passage)
                for begin, stop in places:
                    self._stretches[begin:stop] = -1
                    self._spans.append(PassageSpan(int(self._rows[begin]), begin, stop, passage))
        # A stretch goes on until something was taken out of it.
        ends = np.concatenate(([True], self._stretches[1:] != self._stretches[:-1]))[: len(self._stretches)]
        self._stretches = np.where(self._stretches < 0, -1, np.cumsum(ends))
        return passages

    def over_slots(self, targets: Sequence[str] | None) -> list[Passage]:
        """Return the passages that go on over slots, of those that were taken."""
        if not self._spans:
            return []
        free = np.bincount(self._rows[self._stretches >= 0], minlength=self._size).tolist()
        words = [self._names[number] for number in self._ids]
        return join_over_slots(self._spans, SlotRows(words, free, self._size, targets))

    def _runs(self, frequent: _Frequent) -> list[tuple[int, int]]:
        """Return where runs of tokens begin and end that stand in equally many rows."""
        size = len(self._ids)
        level, bridge = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        for width in frequent.widths:
            rows = self._rows_with(width, steady=frequent.steady)
            rows[rows < frequent.rows] = 0
            for offset in range(width):
                np.maximum(level[offset : offset + len(rows)], rows, out=level[offset : offset + len(rows)])
            for offset in range(width - 1):  # between each token and the one behind it
                np.maximum(bridge[offset : offset + len(rows)], rows, out=bridge[offset : offset + len(rows)])
        covered = level > 0
        goes_on = np.zeros(size, dtype=bool)
        goes_on[:-1] = covered[:-1] & covered[1:] & (bridge[:-1] >= _AGREE * np.maximum(level[:-1], level[1:]))
        begins = covered & ~np.concatenate(([False], goes_on[:-1]))[:size]
        ends = covered & ~goes_on
        spans = zip(np.flatnonzero(begins).tolist(), (np.flatnonzero(ends) + 1).tolist(), strict=True)
        behind = [(self._without_closing_marks(start, end), end) for start, end in spans]
        return [(start, end) for start, end in behind if start < end]

    def _without_closing_marks(self, start: int, end: int) -> int:
        """Return where a run begins behind the marks that close the text before it: a full stop before a footer."""
        while (
            0 < start < end and self._rows[start - 1] == self._rows[start] and self._names[self._ids[start]] in _CLOSING
        ):
            start += 1
        return start

    def _rows_with(self, width: int, *, steady: bool) -> _Ids:
        """Return for each place the number of rows that have the n-gram which begins there, 0 where none begins.

        ``steady``: only those rows that have it as often as most of them.
        """
        windows = max(0, len(self._ids) - width + 1)
        hashes = np.zeros(windows, dtype=np.uint64)
        for offset in range(width):
            hashes = hashes * GOLDEN + self._ids[offset : offset + windows].astype(np.uint64)
        hashes = mix_bits(hashes)
        first, last = self._stretches[:windows], self._stretches[width - 1 : width - 1 + windows]
        places = np.flatnonzero((first == last) & (first >= 0))
        counted = np.zeros(windows, dtype=np.int64)
        if not len(places):
            return counted
        places = places[np.argsort(hashes[places], kind="stable")]
        grams = np.cumsum(np.concatenate(([0], hashes[places][1:] != hashes[places][:-1])))
        # Within one n-gram places ascend, and so do rows.
        pairs = np.flatnonzero(
            np.concatenate(([True], (grams[1:] != grams[:-1]) | (self._rows[places][1:] != self._rows[places][:-1])))
        )
        of = grams[pairs]
        if steady:
            times = np.minimum(np.diff(np.append(pairs, len(places))), 255)
            kinds, rows = np.unique(of * 256 + times, return_counts=True)
            most = np.zeros(int(grams[-1]) + 1, dtype=np.int64)
            np.maximum.at(most, kinds // 256, rows)
        else:
            most = np.bincount(of)
        counted[places] = most[grams]
        return counted


def _sample(texts: Sequence[str]) -> list[int]:
    """Choose rows by their content alone, as many as are read in a second or two."""
    rows = [row for row, text in enumerate(texts) if len(text) <= _LONGEST]
    if len(rows) > _SAMPLE:
        keys = {row: (zlib.crc32(texts[row].encode("utf-8", "surrogatepass")), texts[row]) for row in rows}
        rows = sorted(rows, key=keys.__getitem__)[:_SAMPLE]
    characters = np.cumsum([len(texts[row]) for row in rows])
    return rows[: max(LEAST_ROWS, int(np.searchsorted(characters, _SAMPLE_CHARACTERS, side="right")))]


def _decides(rows: set[int], targets: Sequence[str]) -> bool:
    """Tell whether nearly all of some rows have one target that the others do not have as often."""
    counts: dict[str, int] = {}
    for row in rows:
        counts[targets[row]] = counts.get(targets[row], 0) + 1
    target, number = max(counts.items(), key=lambda count: count[1])
    share = number / len(rows)
    return share >= _ONE_TARGET and share >= _LIFT * sum(other == target for other in targets) / len(targets)
