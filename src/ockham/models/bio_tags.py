"""Spans of a text as one tag per token, in BIO, and back: the likeliest tags that mean something.

Tag 0 is outside of every span; field f begins with tag 1 + 2f and goes on with tag 2 + 2f (Ramshaw and Marcus 1995).
A span begins and ends between words only, never inside of one, so the tokens of a word are decided together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OUTSIDE = 0
_JOINER = "\u200d"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The likeliest tags of a text: one per token, how likely all of them are together, and each alone."""

    tags: tuple[int, ...]
    probability: float
    logs: tuple[float, ...]
    """The logarithm of each token's share for its tag."""


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


def decode(tags: Sequence[int], extents: Sequence[Place]) -> list[tuple[Span, range]]:
    """Return the spans that tags stand for, in order, each with its tokens; a tag that continues nothing is skipped.

    Undoes `encode`.
    """
    runs: list[tuple[int, range]] = []
    for token, tag in enumerate(tags):
        field = (tag - 1) // 2
        if tag % 2:
            runs.append((field, range(token, token + 1)))
        elif tag and runs and runs[-1] == (field, range(runs[-1][1].start, token)):
            runs[-1] = (field, range(runs[-1][1].start, token + 1))
    return [
        (Span(extents[tokens.start][0], max(extents[token][1] for token in tokens), field), tokens)
        for field, tokens in runs
    ]


def likeliest(margins: NDArray[np.floating], free: Sequence[bool]) -> Path:
    """Find the likeliest tags (Viterbi 1967) among those that mean something.

    ``margins`` are (tokens, tags). A token with ``free`` may begin or end a span, another goes on with what stands
    before it. The probability is the share of these tags among all that mean something.
    """
    import numpy as np

    if not len(margins):
        return Path(tags=(), probability=1.0, logs=())
    scores = margins.astype(np.float64)
    begins, goes_on = slice(1, None, 2), slice(2, None, 2)
    best = np.full(scores.shape[1], -np.inf)
    best[OUTSIDE], best[begins] = scores[0, OUTSIDE], scores[0, begins]
    mass = best.copy()
    came = np.zeros(scores.shape, np.int64)
    begun, ongoing = (np.arange(scores.shape[1])[part] for part in (begins, goes_on))
    for token in range(1, len(scores)):
        came[token, goes_on] = np.where(best[begins] >= best[goes_on], begun, ongoing)
        on = np.maximum(best[begins], best[goes_on])
        on_mass = np.logaddexp(mass[begins], mass[goes_on])
        if free[token]:
            top = int(best.argmax())
            came[token, OUTSIDE] = came[token, begins] = top
            new, new_mass = np.full_like(best, best[top]), np.full_like(mass, np.logaddexp.reduce(mass))
        else:
            new, new_mass = np.full_like(best, -np.inf), np.full_like(mass, -np.inf)
            new[OUTSIDE], new_mass[OUTSIDE] = best[OUTSIDE], mass[OUTSIDE]
        new[goes_on], new_mass[goes_on] = on, on_mass
        best, mass = new + scores[token], new_mass + scores[token]
    tags = [int(best.argmax())]
    for token in range(len(scores) - 1, 0, -1):
        tags.append(int(came[token, tags[-1]]))
    tags.reverse()
    chosen = scores[np.arange(len(scores)), tags] - np.logaddexp.reduce(scores, axis=1)
    probability = float(np.exp(min(0.0, best.max() - np.logaddexp.reduce(mass))))
    return Path(tags=tuple(tags), probability=probability, logs=tuple(chosen.tolist()))


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or continues(character)
