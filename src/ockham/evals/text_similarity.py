"""How alike two texts are, each as a share between 0 and 1: chrF, ROUGE-L and the F1 of words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

ORDER = 6
BETA = 2.0
"""Recall counts twice as much as precision in chrF."""

_WORD = re.compile(r"[^\W_]+")


def chrf(answer: str | None, target: str) -> float:
    """Return the chrF of an answer (Popović, 2015): F2 of character n-grams up to 6, white space left out.

    Precision and recall are averaged over the lengths for which both texts have n-grams, as sacreBLEU does. Two empty
    texts are equal; no answer scores 0.
    """
    if answer is None:
        return 0.0
    answer_text, target_text = "".join(answer.split()), "".join(target.split())
    if answer_text == target_text:
        return 1.0
    orders = range(1, min(ORDER, len(answer_text), len(target_text)) + 1)
    precision = recall = 0.0
    for n in orders:
        mine, theirs = _grams(answer_text, n), _grams(target_text, n)
        shared = (mine & theirs).total()
        precision += shared / mine.total() / len(orders)
        recall += shared / theirs.total() / len(orders)
    if not precision or not recall:
        return 0.0
    return (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def rouge_l(answer: str | None, target: str) -> float:
    """Return the ROUGE-L of an answer (Lin, 2004): F1 of the longest common subsequence of words.

    Words are runs of letters and digits, without case: in plain ASCII what Google's rouge-score takes. Texts without a
    word are alike where they are the same; no answer scores 0.
    """
    return _f1(answer, target, longest_common)


def f1_tokens(answer: str | None, target: str) -> float:
    """Return the F1 of the words that answer and target share, in any order (Rajpurkar et al., 2016), as `rouge_l`."""
    return _f1(answer, target, lambda words, other: (Counter(words) & Counter(other)).total())


TEXT_SIMILARITY: Mapping[str, Callable[[str | None, str], float]] = {
    "chrf": chrf,
    "rouge_l": rouge_l,
    "f1_tokens": f1_tokens,
}
"""The metrics that are the mean of one number a row."""


def longest_common(words: Sequence[str], other: Sequence[str]) -> int:
    """Count the longest common subsequence, a row of the table as the bits of one number (Hyyrö, 2004)."""
    masks: dict[str, int] = {}
    for index, word in enumerate(words):
        masks[word] = masks.get(word, 0) | 1 << index
    whole = (1 << len(words)) - 1
    row = whole
    for word in other:
        matches = row & masks.get(word, 0)
        row = ((row + matches) | (row - matches)) & whole
    return len(words) - row.bit_count()


def _f1(answer: str | None, target: str, shared: Callable[[Sequence[str], Sequence[str]], int]) -> float:
    if answer is None:
        return 0.0
    answer_words, target_words = (_WORD.findall(text.lower()) for text in (answer, target))
    if not answer_words or not target_words:
        return float(answer.split() == target.split())
    return 2 * shared(answer_words, target_words) / (len(answer_words) + len(target_words))


def _grams(text: str, n: int) -> Counter[str]:
    return Counter(text[start : start + n] for start in range(len(text) - n + 1))
