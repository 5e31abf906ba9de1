"""Slots of a shared text: a name, a date or a month in words that a program puts into the same prompt in every row.

A slot stands between two long passages that follow each other in nearly all of their rows, a few tokens apart. What the
rows say is none: where little else is left of a row, where the targets repeat it, or where it goes with a target.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from ockham.data.shared_text import SLOT, Passage

_WIDEST = 12
"""Tokens of a slot, with what is fixed between two of them."""
_FOLLOW = 0.9
"""The share of the rows of either passage in which the two follow each other."""
_LEFT = 3
"""Tokens that nearly all rows have beside passages and slots."""
_REPEATED = 0.05
"""The share of rows whose target repeats a word of the slot, from which on it is what the rows say."""
_ROWS, _HITS, _DEVIATIONS = 10, 5, 4.0
"""A word of a slot goes with a target where it has so many rows, so many of that target, so far beyond chance."""


class PassageSpan(NamedTuple):
    """Where a long passage stands: its row, its first token and the one behind it, among the tokens of all rows."""

    row: int
    begin: int
    end: int
    passage: Passage


class SlotRows(NamedTuple):
    """The rows that passages were found in: words and rows of all tokens, what no passage took, and the targets."""

    words: Sequence[str]
    free: Sequence[int]
    size: int
    targets: Sequence[str] | None


def join_over_slots(spans: Sequence[PassageSpan], rows: SlotRows) -> list[Passage]:
    """Return passages that go on over slots, each a chain of those that were found, with `SLOT` between them."""
    pairs: dict[tuple[Passage, Passage], list[tuple[PassageSpan, PassageSpan]]] = defaultdict(list)
    ordered = sorted(spans)
    for first, second in pairwise(ordered):
        if first.row == second.row and 0 < second.begin - first.end <= _WIDEST:
            pairs[first.passage, second.passage].append((first, second))
    counts = Counter({passage: len({span.row for span in group}) for passage, group in _by_passage(spans).items()})
    follows: dict[Passage, Passage] = {}
    share: dict[Passage, float] = {}
    for (before, behind), places in pairs.items():
        if len(places) >= _FOLLOW * max(counts[before], counts[behind]) and _is_slot(places, rows):
            follows[before], share[before] = behind, len(places) / rows.size
    return [_chain(passage, follows, share) for passage in follows if passage not in follows.values()]


def _by_passage(spans: Sequence[PassageSpan]) -> dict[Passage, list[PassageSpan]]:
    groups: dict[Passage, list[PassageSpan]] = defaultdict(list)
    for span in spans:
        groups[span.passage].append(span)
    return groups


def _chain(first: Passage, follows: Mapping[Passage, Passage], share: Mapping[Passage, float]) -> Passage:
    tokens, least, passage = list(first.tokens), 1.0, first
    while passage in follows:
        least = min(least, share[passage])
        passage = follows[passage]
        tokens += [SLOT, *passage.tokens]
    return Passage(tokens=tuple(tokens), share=min(1.0, least))


def _is_slot(places: Sequence[tuple[PassageSpan, PassageSpan]], rows: SlotRows) -> bool:
    """Tell whether what stands between two passages is no part of what the rows say."""
    left = [rows.free[first.row] - (second.begin - first.end) for first, second in places]
    if sum(number >= _LEFT for number in left) < _FOLLOW * len(places):
        return False
    if rows.targets is None:
        return True
    values = [(first.row, {*rows.words[first.end : second.begin]}) for first, second in places]
    repeated = sum(_is_repeated(words, rows.targets[row]) for row, words in values)
    return repeated < _REPEATED * len(values) and not _goes_with_target(values, rows.targets)


def _is_repeated(words: set[str], target: str) -> bool:
    folded = target.casefold()
    return any(len(word) > 2 and word.casefold() in folded for word in words)


def _goes_with_target(values: Sequence[tuple[int, set[str]]], targets: Sequence[str]) -> bool:
    """Tell whether a word of the slot stands with one target more often than chance explains."""
    every = Counter(targets[row] for row, _ in values)
    by_word: dict[str, Counter[str]] = defaultdict(Counter)
    for row, words in values:
        for word in words:
            by_word[word][targets[row]] += 1
    for counts in by_word.values():
        number = counts.total()
        if number < _ROWS:
            continue
        for target, hits in counts.items():
            base = every[target] / len(values)
            if hits >= _HITS and hits / number - base > _DEVIATIONS * (base * (1 - base) / number) ** 0.5:
                return True
    return False
