"""How likely each part of a text is the value of each field, by a chain of tags; and the values that follow.

A value that stands at several places has the shares of all of them. It imports nothing of ockham, so that an exported
program can hold it.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST = 0.01
"""Spans of a smaller share are passed over."""
_LONGEST = 200
"""Words of the longest span."""

Extent = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanShare:
    """A part of a text that may be the value of a field: the characters it takes, and its share."""

    field: int
    start: int
    end: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldValue:
    """A value that a field may have: its text as it stands at its likeliest place, that place, and its share."""

    field: int
    text: str
    start: int
    end: int
    share: float


def span_shares(
    marginals: NDArray[np.floating], onward: NDArray[np.floating], words: Sequence[Extent]
) -> list[SpanShare]:
    """Return every span whose share is not next to nothing, in the order of the text.

    ``marginals`` (words, tags) are the shares of the tags, ``onward`` those with which a span goes on
    (`ockham.models.extraction.chain_crf.onward_shares`).
    """
    import numpy as np

    out: list[SpanShare] = []
    starts, fields = np.nonzero(marginals[:, 1::2] > LEAST)
    for first, field in zip(starts.tolist(), fields.tolist(), strict=True):
        share = float(marginals[first, 1 + 2 * field])
        for last in range(first, min(len(words), first + _LONGEST)):
            further = float(onward[last, int(last > first), field]) if last + 1 < len(words) else 0.0
            ending = share * max(0.0, 1 - further)
            if ending > LEAST:
                out.append(SpanShare(field=field, start=words[first][0], end=words[last][1], share=ending))
            share *= further
            if share <= LEAST:
                break
    return out


def field_values(text: str, spans: Sequence[SpanShare]) -> list[FieldValue]:
    """Put the spans of one field and one value together, the likeliest first; case and white space do not count.

    Its share is that at least one of its places is the field's: at most 1.
    """
    by_value: dict[tuple[int, str], list[SpanShare]] = {}
    for span in spans:
        key = " ".join(text[span.start : span.end].casefold().split())
        by_value.setdefault((span.field, key), []).append(span)
    values = []
    for (field, _), same in by_value.items():
        best = max(same, key=lambda span: span.share)
        missed = 1.0
        for span in same:
            missed *= 1 - min(1.0, span.share)
        part = text[best.start : best.end]
        values.append(FieldValue(field=field, text=part, start=best.start, end=best.end, share=1 - missed))
    return sorted(values, key=lambda value: (-value.share, value.start, value.field))


def expect_value(values: Sequence[FieldValue], presence: float) -> list[FieldValue]:
    """Return the values that one field may have, their shares raised where nearly every training text has the field.

    A chain of tags weighs a text word by word, and cannot know that some place has the value if all others do not. So
    the odds that there is none are multiplied with those of the training texts, where these are below one.
    """
    odds = (1 - presence) / presence if presence else 1.0
    known = sum(value.share for value in values)
    if odds >= 1 or not 0 < known < 1:
        return list(values)
    raised = 1 / ((1 - known) * odds + known)
    return [replace(value, share=value.share * raised) for value in values]


def without_overlaps(spans: Sequence[SpanShare], least: float) -> list[SpanShare]:
    """Return the spans of at least so large a share, of two that overlap the likelier; in the order of the text."""
    kept: list[SpanShare] = []
    starts: list[int] = []  # of those kept, which do not overlap, so that their neighbours alone are looked at
    for span in sorted(spans, key=lambda span: -span.share):
        at = bisect.bisect_left(starts, span.start)
        before, behind = kept[at - 1] if at else None, kept[at] if at < len(kept) else None
        is_free = (before is None or before.end <= span.start) and (behind is None or span.end <= behind.start)
        if span.share >= least and is_free:
            kept.insert(at, span)
            starts.insert(at, span.start)
    return kept
