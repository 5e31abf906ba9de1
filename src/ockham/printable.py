"""Text as a terminal may be given it: of paths, column names and messages alike."""

from __future__ import annotations

import os
import unicodedata
from contextlib import suppress

# Controls, invisible format marks (bidi overrides, zero width), lone surrogates, line and paragraph separators, and
# what is not assigned: none of it may reach a terminal, which would act on it or show something else than it is.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def printable(text: str | os.PathLike[str]) -> str:
    r"""Return a text or path on one line, with every character that a terminal could act on as its escape.

    Escapes are written as in Python (``\x1b``, ``\n``, ``\u202e``); bytes of a path that are not UTF-8, which Python
    holds as surrogates (PEP 383), as ``\xff``.
    """
    text = os.fspath(text)
    if text.isascii() and text.isprintable():
        return text
    with suppress(UnicodeEncodeError):  # of lone surrogates that stand for no byte
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(_escape(c) if is_unsafe(c) else c for c in text)


def is_unsafe(character: str) -> bool:
    """Tell whether a terminal could act on a character, or show something else than it is."""
    return unicodedata.category(character) in _UNSAFE


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
