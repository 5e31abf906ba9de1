"""Labels as paths of tokens: what a model may say next, so that its answer is always one of them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Ask = Callable[[tuple[int, ...], tuple[int, ...]], Sequence[float]]
"""(tokens taken so far, tokens allowed next) → one number each.

For a walk their probabilities over the allowed ones alone; for a search their log-probabilities over the vocabulary.
"""


@dataclass(slots=True)
class _Node:
    label: str | None = None
    after: dict[int, _Node] = field(default_factory=dict)


class Trie:
    """The labels' tokens as a tree. Each path ends with the same token, so no label is the beginning of another."""

    def __init__(self, labels: Sequence[str], paths: Sequence[Sequence[int]], end: int) -> None:
        """Take each label's tokens, without the token that ends an answer, and that token.

        Where two labels have the same tokens (a tokenizer may fold characters) the first one stands for both.
        """
        self._root = _Node()
        for label, path in zip(labels, paths, strict=True):
            node = self._root
            for token in (*path, end):
                node = node.after.setdefault(token, _Node())
            node.label = node.label if node.label is not None else label
        self.longest = max((len(path) + 1 for path in paths), default=0)

    def after(self, taken: Sequence[int]) -> tuple[int, ...]:
        """Return the tokens that may follow those taken, the smallest first; none where a label has ended."""
        node = self._behind(taken)
        return () if node is None else tuple(sorted(node.after))

    def label(self, taken: Sequence[int]) -> str | None:
        """Return the label whose tokens these are, with or without the one that ends it."""
        node = self._behind(taken)
        while node is not None and node.label is None and len(node.after) == 1:
            node = next(iter(node.after.values()))
        return None if node is None else node.label

    def walk(self, ask: Ask) -> tuple[str, float]:
        """Take the most probable token at every fork; gives the label and the product of what was taken.

        Where only one token may follow it is taken without asking. The probability at a fork is over the tokens
        allowed there, so over all paths they sum to 1. Of equally probable tokens the smaller number is taken.
        """
        node, probability = self._root, 1.0
        taken: tuple[int, ...] = ()
        while node.label is None:
            allowed = tuple(sorted(node.after))
            best = 0
            if len(allowed) > 1:
                probabilities = ask(taken, allowed)
                best = max(range(len(allowed)), key=lambda index: (probabilities[index], -index))
                probability *= probabilities[best]
            taken = (*taken, allowed[best])
            node = node.after[allowed[best]]
        return node.label, probability

    def search(self, ask: Ask) -> tuple[str, float]:
        """Take the label whose tokens, its end among them, have the greatest product of probabilities of all.

        As lm-evaluation-harness does, which asks for every label; here the best path so far is always the one gone on
        with (Dijkstra, 1959), so what has fallen behind the best label is never asked for. Beside the label stands the
        least share that it has of what all labels have together: paths that were left count as if all of theirs
        followed. Of equally probable labels the one with the smaller tokens is taken.
        """
        taken: tuple[int, ...] = ()
        cost, node = 0.0, self._root
        left: list[tuple[float, tuple[int, ...], _Node]] = []  # no two have the same tokens, so nodes never compare
        while node.label is None:
            allowed = tuple(sorted(node.after))
            # What all labels that are left go through changes nothing between them.
            chances = ask(taken, allowed) if left or len(allowed) > 1 else (0.0,)
            for token, chance in zip(allowed, chances, strict=True):
                heapq.heappush(left, (cost - chance, (*taken, token), node.after[token]))
            cost, taken, node = heapq.heappop(left)
        return node.label, 1 / math.fsum([1.0, *(math.exp(cost - other) for other, _, _ in left)])

    def _behind(self, taken: Sequence[int]) -> _Node | None:
        node: _Node | None = self._root
        for token in taken:
            node = None if node is None else node.after.get(token)
        return node
