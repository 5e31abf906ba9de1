"""Whether a single word of each text tells its label, as an id that encodes it does: then nothing else is learnt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from ockham.readers.row_sample import evenly_spaced
from ockham.records import Example

ROWS = 2000
"""Rows that are looked at, spread over all of them."""
LEAST = 5
"""Rows that a label has at least, among these."""
SHARE = 0.95
_WORD = re.compile(r"\w+")


def leak_warning(examples: Sequence[Example]) -> str | None:
    """Return a warning where each label has a word that stands in nearly all of its texts and in hardly any other."""
    chosen = evenly_spaced(examples, ROWS)
    rows = Counter(example.target for example in chosen)
    labels = {label for label, count in rows.items() if count >= LEAST}
    if len(labels) < 2:
        return None
    inside: dict[str, Counter[str]] = {label: Counter() for label in rows}
    everywhere: Counter[str] = Counter()
    for example in chosen:
        # Digits that are joined to a word, as in an id, do not hide it.
        words = {word.strip("0123456789_").casefold() for word in _WORD.findall(example.input)} - {""}
        inside[example.target].update(words)
        everywhere.update(words)
    told = all(
        any(
            count >= SHARE * rows[label] and everywhere[word] - count <= (1 - SHARE) * count
            for word, count in inside[label].most_common(50)
        )
        for label in labels
    )
    if not told:
        return None
    return (
        "one word of each text tells its label: if it is there because of the label, as in an id, "
        "exclude it from the input, since it will be missing later"
    )
