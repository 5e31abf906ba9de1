"""What a classifier does not read: passages that its training rows shared. Copied beside a ``predict.py``."""

from __future__ import annotations

import re
import unicodedata


def without_passages(text: str, passages: list[list[str]]) -> str:
    """Return a text without the passages that training rows shared, which the model has not read either."""
    shorter, marks = text, list[str]()
    for hint, pattern, mark in passages:
        if hint in shorter:
            shorter, number = re.subn(pattern, " ", shorter)
            marks += [mark] if number and mark else []
    blank = all(char.isspace() or unicodedata.category(char) in ("Cc", "Cf") for char in shorter)
    return text if shorter == text or blank else " ".join([*marks, shorter.strip()])
