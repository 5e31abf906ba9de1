"""chrF: how alike two texts are, by the runs of characters that they share (Popović, 2015)."""

from __future__ import annotations

from collections import Counter

ORDER = 6
BETA = 2.0
"""Recall counts twice as much as precision."""


def chrf(answer: str | None, target: str) -> float:
    """Give the chrF of an answer, in [0, 1]: F2 of character n-grams up to 6, white space left out.

    Precision and recall are averaged over the lengths for which both texts have n-grams, as sacreBLEU does. Two empty
    texts are equal; no answer scores 0.
    """
    if answer is None:
        return 0.0
    said, wanted = "".join(answer.split()), "".join(target.split())
    if said == wanted:
        return 1.0
    orders = range(1, min(ORDER, len(said), len(wanted)) + 1)
    precision = recall = 0.0
    for n in orders:
        mine, theirs = _grams(said, n), _grams(wanted, n)
        shared = (mine & theirs).total()
        precision += shared / mine.total() / len(orders)
        recall += shared / theirs.total() / len(orders)
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[start : start + n] for start in range(len(text) - n + 1))
