"""Rows that say the same: which of them stays, and where they contradict each other. Fitting asks here.

Curating goes by the same rule, over sorted hashes (`ockham.curation.duplicates`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence


def standing(targets: Sequence[Hashable], *, one_answer: bool) -> list[int] | None:
    """Give for each row the place of the one that stays for it: the first that has the same target, maybe itself.

    ``targets`` are those of rows that say the same, in their order. ``None`` if targets differ where there can be
    ``one_answer`` only: then all of the rows go, since nobody knows which is right.
    """
    first: dict[Hashable, int] = {}
    places = [first.setdefault(target, place) for place, target in enumerate(targets)]
    return None if one_answer and len(first) > 1 else places
