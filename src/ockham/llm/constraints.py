"""The answers that are valid, as tries: the labels of a task, or the options that a question itself lists."""

from __future__ import annotations

from functools import lru_cache

from ockham.llm.prompt_builder import Encode, PromptTask, whole
from ockham.llm.trie import Trie

_KNOWN = 256
"""Marks of options whose tokens are remembered: the same few stand in every question."""


class AnswerConstraints:
    """What the answer to each text is held to, and how much of the context that leaves for its question."""

    def __init__(self, task: PromptTask, encode: Encode, end: int, context: int, written: int) -> None:
        """Take the token that ends an answer, the tokens of context, and how many of them an answer may have.

        Labels may have as many as they need. Options that are alike for ``written`` tokens or more are not told apart,
        and the first of them stands for all.
        """
        self._task = task
        self._end = end
        self._context = context
        self._written = written
        self._chosen = task.wording is not None

        def encode_answer(answer: str) -> tuple[int, ...]:
            return tuple(encode(whole(answer), False, False))

        marked = task.wording is not None and task.wording.form == "mark"
        self._encoded = lru_cache(maxsize=_KNOWN)(encode_answer) if marked else encode_answer
        self._labels = self._trie(task.labels, None) if task.name == "classify" else None

    def trie(self, text: str) -> Trie | None:
        """Return the trie that the answer to a text is held to; ``None`` where it is written freely."""
        if self._labels is not None:
            return self._labels
        answers = self._task.answers(text)
        return None if answers is None else self._trie(answers, self._written)

    def room(self, trie: Trie | None) -> int:
        """Count the tokens that are left for a question when the longest answer of its trie has its own.

        A question without a trie has no more room than any that has one.
        """
        longest = self._written + self._chosen if trie is None else trie.longest
        return self._context - longest - 1

    def _trie(self, answers: tuple[str, ...], most: int | None) -> Trie:
        return Trie(answers, [self._encoded(answer)[:most] for answer in answers], self._end)
