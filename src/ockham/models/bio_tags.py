"""Spans of a text as one tag per token, in BIO, and the tokens of a word put together.

Tag 0 is outside of every span; field f begins with tag 1 + 2f and goes on with tag 2 + 2f (Ramshaw and Marcus 1995).
A span begins and ends between words only, never inside of one, so the tokens of a word are decided together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTSIDE = 0
_JOINER = "\u200d"
_FIRST_ACCENT = "\u0300"
"""No character before it is a mark that belongs to another."""
# Scripts that are written without spaces: Thai to Burmese, Khmer, kana, Chinese characters.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)

Place = tuple[int, int]
"""Where a token stands in its text: its first character, and the one behind its last."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A part of a text, in characters, that is the value of a field."""

    start: int
    end: int
    field: int


def count(fields: int) -> int:
    """Return the number of tags for so many fields."""
    return 1 + 2 * fields


def boundary(text: str, at: int) -> bool:
    """Tell whether a word may end, or another begin, in front of a character."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if continues(after) or before == _JOINER:
        return False
    if _SPACELESS.match(before) or _SPACELESS.match(after):
        return True
    return not (_in_word(before) and _in_word(after))


def continues(character: str) -> bool:
    """Tell whether a character belongs to the one before it, as an accent does."""
    return character >= _FIRST_ACCENT and _continues(character)


@lru_cache(maxsize=65_536)
def _continues(character: str) -> bool:
    return character == _JOINER or unicodedata.category(character).startswith("M")


def joint(text: str, at: int) -> str:
    """Name what meets in front of a character: ``a`` a letter, ``0`` a digit, else the mark itself."""
    return _kind(text[at - 1]) + _kind(text[at])


def free(text: str, extents: Sequence[Place], closed: Collection[str] | None = None) -> tuple[bool, ...]:
    """Tell before which tokens a span may begin or end.

    ``closed`` are the joints at which it may not, though a word ends there; letters and digits part where theirs is not
    among them. Without it, words alone decide.
    """
    ends = [0, *(end for _, end in extents)]
    return tuple(
        start >= end and (boundary(text, start) if closed is None else _opens(text, start, closed))
        for (start, _), end in zip(extents, ends, strict=False)
    )


def _opens(text: str, at: int, closed: Collection[str]) -> bool:
    if at <= 0 or at >= len(text) or text[at - 1].isspace():
        return True
    name = joint(text, at)
    return name not in closed and (boundary(text, at) or name in ("a0", "0a"))


@lru_cache(maxsize=65_536)
def _kind(character: str) -> str:
    if character.isdigit():
        return "0"
    return "a" if character.isalpha() or continues(character) else character


def encode(spans: Sequence[Span], extents: Sequence[Place], free: Sequence[bool]) -> tuple[list[int], list[Span]]:
    """Return one tag per token, and the spans that they stand for: those whose ends are ends of tokens.

    The spans do not overlap.
    """
    tags, encoded = [OUTSIDE] * len(extents), []
    starts: dict[int, int] = {}
    for token, (start, _) in enumerate(extents):
        starts.setdefault(start, token)
    ends = {end: token for token, (_, end) in enumerate(extents)}
    for span in spans:
        first, last = starts.get(span.start), ends.get(span.end)
        if first is None or last is None or last < first or not free[first]:
            continue
        if last + 1 < len(extents) and not free[last + 1]:
            continue
        tags[first : last + 1] = [1 + 2 * span.field] + [2 + 2 * span.field] * (last - first)
        encoded.append(span)
    return tags, encoded


def join_tokens(
    margins: NDArray[np.floating], extents: Sequence[Place], free: Sequence[bool]
) -> tuple[NDArray[np.float64], list[Place]]:
    """Put the tokens of each word together: its score for each tag, (words, tags), and where it stands.

    A word begins at a token with ``free``. Its first token begins a span or goes on with one, the others go on.
    """
    import numpy as np

    starts = [token for token in range(len(extents)) if free[token] or token == 0]
    scores = np.zeros((len(starts), margins.shape[1]))
    places = []
    for word, (first, stop) in enumerate(zip(starts, [*starts[1:], len(extents)], strict=True)):
        later = margins[first + 1 : stop].astype(np.float64).sum(axis=0)
        scores[word] = margins[first]
        scores[word, OUTSIDE] += later[OUTSIDE]
        scores[word, 1::2] += later[2::2]
        scores[word, 2::2] += later[2::2]
        places.append((extents[first][0], max(end for _, end in extents[first:stop])))
    return scores, places


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or continues(character)
