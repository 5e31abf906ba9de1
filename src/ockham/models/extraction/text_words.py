"""A text as words: the units between which a value may begin or end.

An atom is a run of letters, a run of digits or one mark. Two atoms that touch stand in one word where their joint is
closed: between the digits and the dashes of ``22-04-16``, when the values of the training rows never end there.
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from ockham.models.bio_tags import continues, joint

Extent = tuple[int, int]
"""Where something stands in its text: its first character, and the one behind its last."""

_JOINER = "\u200d"
# Scripts that are written without spaces: Thai to Burmese, Khmer, kana, Chinese characters.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_ATOM = re.compile(rf"[{_SPACELESS}]|[^\W\d_{_SPACELESS}]+|\d+|[^\w\s]|_")
_LETTERS_AND_DIGITS = frozenset({"a0", "0a"})
"""Closed until values are seen to end there: RM9.00."""
_RARE = 0.02
"""A joint is closed where values end at so small a share of those that values have."""
_LEAST = 3


def atoms(text: str) -> list[Extent]:
    """Return the atoms of a text, in order; an accent belongs to the letter before it."""
    if text.isascii():
        return [match.span() for match in _ATOM.finditer(text)]
    out: list[Extent] = []
    for match in _ATOM.finditer(text):
        start, end = match.span()
        touches = bool(out) and out[-1][1] == start
        if touches and (continues(text[start]) or (text[start - 1] > "\u02ff" and _is_joined(text, start))):
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def split_words(text: str, closed: Collection[str]) -> list[Extent]:
    """Return the words of a text: its atoms, put together where they touch at a closed joint."""
    out: list[Extent] = []
    begin, last = 0, -1
    for start, end in atoms(text):
        if last != start or joint(text, start) not in closed:
            if last >= 0:
                out.append((begin, last))
            begin = start
        last = end
    if last >= 0:
        out.append((begin, last))
    return out


def closed_joints(texts: Iterable[str], values: Iterable[Sequence[Sequence[Extent]]]) -> tuple[str, ...]:
    """Return the joints at which values do not end, sorted.

    ``values`` are, for each text, the extents where each of its values stands; one that stands at several counts at
    each as a part.
    """
    inside, ends = defaultdict[str, float](float), defaultdict[str, float](float)
    for text, places in zip(texts, values, strict=True):
        touching = [start for (_, before), (start, _) in itertools.pairwise(atoms(text)) if before == start]
        for extents in places:
            for start, end in extents:
                weight = 1 / len(extents)
                for at in touching:
                    if start < at < end:
                        inside[joint(text, at)] += weight
                    elif at in (start, end):
                        ends[joint(text, at)] += weight
    closed = {name for name, count in inside.items() if count >= _LEAST and ends[name] <= _RARE * count}
    closed |= {name for name in _LETTERS_AND_DIGITS if ends[name] <= max(1.0, _RARE * inside[name])}
    return tuple(sorted(closed))


def _is_joined(text: str, at: int) -> bool:
    """Tell whether a letter goes on with a word whose last letter bears an accent."""
    return text[at - 1] == _JOINER or (continues(text[at - 1]) and text[at].isalpha())
