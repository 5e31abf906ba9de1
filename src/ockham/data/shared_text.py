"""Text that rows share: the system prompt of every logged call, a form's field names, footers, quoted threads.

It says nothing about one row, and drowns what does: behind a prompt of a hundred words all rows are near-duplicates.
Rows are compared without it, and models that learn from words read texts without its long passages. How it is found
is told in `ockham.data.passage_search`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ockham.data.normalize import is_blank

READ_WITHOUT = 5
"""Words of a passage that models do not read; shorter ones, such as field names, are no burden and help them."""

_ALONE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Characters of scripts without spaces, each of which is a token."""
_LETTER = rf"[^\W{_ALONE}]"
_DIGITED = rf"{_LETTER}{{0,32}}\d{_LETTER}*"
_NUMBER = rf"{_DIGITED}(?:[.,:/\-]{_DIGITED})*"
"""A number, a date, or an identifier of letters and digits."""
_TOKEN = re.compile(rf"(?P<number>{_NUMBER})|[{_ALONE}]|{_LETTER}+|[^\w\s]")
_ANY_NUMBER = "0"
SLOT = " "
"""Stands among the tokens of a passage for a few words that are others in each row; no token of a text is a blank."""
_IN_SLOT = r"(?s:.{0,120}?)"
_ALONE_CHARACTER = re.compile(f"[{_ALONE}]")
_WORDS = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Tokens that rows share, every number and identifier as 0, and the share of the rows that they stand in.

    `SLOT` stands for words that are others in each row (`ockham.data.prompt_slots`).
    """

    tokens: tuple[str, ...]
    share: float = field(metadata={"min": 0, "max": 1})

    @property
    def words(self) -> int:
        """The number of words and numbers."""
        return sum(_WORDS.fullmatch(token) is not None for token in self.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedText:
    """The passages that rows share, the longest first."""

    passages: tuple[Passage, ...] = ()

    def union(self, other: SharedText) -> SharedText:
        """Return the passages of both."""
        both = {passage.tokens: passage for passage in (*other.passages, *self.passages)}
        return SharedText(passages=longest_first(both.values()))

    def text_to_compare(self, text: str) -> str:
        """Return what rows are compared by: the text without the passages, or all of it where nothing else is left."""
        return _without(text, [(passage.tokens, "") for passage in self.passages])

    def text_to_read(self, text: str) -> str:
        """Return what a model reads that learns from words: the text without the long passages.

        For one that not every row has a mark stays, so that whatever depends on it can still be learnt.
        """
        return _without(text, self._long_passages())

    def patterns_to_leave_out(self) -> list[tuple[str, str, str]]:
        """Return what `text_to_read` looks for, for programs that have nothing of ockham: hint, pattern and mark.

        Where the hint stands in a text, what the regular expression matches is replaced by a blank, and the mark, if
        there is one, is put before the text.
        """
        triples = []
        for tokens, mark in self._long_passages():
            hint, pattern = _pattern(tokens)
            triples.append((hint, pattern.pattern, mark))
        return triples

    def _long_passages(self) -> list[tuple[tuple[str, ...], str]]:
        marked = enumerate(self.passages, start=1)
        return [(p.tokens, "" if p.share == 1 else f"§{number}") for number, p in marked if p.words >= READ_WITHOUT]

    def is_read_whole(self) -> bool:
        """Tell whether models read every text as it is."""
        return all(passage.words < READ_WITHOUT for passage in self.passages)


def tokens_of(text: str) -> list[str]:
    """Return the tokens of a text, every number and identifier as 0."""
    return [_ANY_NUMBER if match.lastgroup else match.group() for match in _TOKEN.finditer(text)]


def count_words(text: str) -> int:
    """Count words and numbers; each character of a script without spaces is a word."""
    return len(_WORDS.findall(text))


def longest_first(passages: Iterable[Passage]) -> tuple[Passage, ...]:
    """Put passages in the order in which they are looked for."""
    return tuple(sorted(passages, key=lambda passage: (-len(passage.tokens), passage.tokens)))


def _without(text: str, passages: Sequence[tuple[tuple[str, ...], str]]) -> str:
    """Put marks in place of passages; a text of which nothing is left stays as it is."""
    shorter = text
    marks = []
    for tokens, mark in passages:
        hint, pattern = _pattern(tokens)
        if hint in shorter:
            shorter, number = pattern.subn(" ", shorter)
            marks += [mark] if number and mark else []
    if shorter is text:
        return text
    return text if is_blank(shorter) else " ".join([*marks, shorter.strip()])


@lru_cache(maxsize=1024)
def _pattern(tokens: tuple[str, ...]) -> tuple[str, re.Pattern[str]]:
    """Return the longest piece of a passage that always stands as it is, and what finds the passage."""
    pieces = [_IN_SLOT if token == SLOT else _NUMBER if token == _ANY_NUMBER else re.escape(token) for token in tokens]
    pattern = pieces[0]
    for before, token, piece in zip(tokens, tokens[1:], pieces[1:], strict=False):
        pattern += (r"\s+" if _is_word(before) and _is_word(token) else r"\s*") + piece
    start = r"(?<!\w)" if _is_word(tokens[0]) else ""
    end = r"(?!\w)" if _is_word(tokens[-1]) else ""
    hint = max(("" if token == _ANY_NUMBER else token for token in tokens), key=len)
    return hint, re.compile(start + pattern + end)


def _is_word(token: str) -> bool:
    """Tell whether a token ends only where another character than a letter follows."""
    return token[0].isalnum() or token[0] == "_" if not _ALONE_CHARACTER.fullmatch(token) else False
