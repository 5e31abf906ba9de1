"""Text made comparable: one strict form for "the same text", one loose form for "nearly the same text".

Neither is ever stored: examples keep their text verbatim.
"""

from __future__ import annotations

import re
import unicodedata

_DIGITS = re.compile(r"[0-9]+")
_NUMBER = re.compile(r"[\d\s.,:/+-]+")
_NO_DECIMALS = re.compile(r"([+-]?\d+)\.0+")
"""A whole number that a program wrote as a decimal, as pandas does where numbers are missing."""


class _Fold(dict[int, str]):
    """A translation table that fills itself: letters and marks stay, digits are 0, the rest is blank or gone."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if category[0] in "LM":
            folded = char
        elif category[0] == "N":
            folded = "0"
        else:
            folded = "" if category == "Cf" else " "
        self[code] = folded
        return folded


def exact_key(text: str) -> str:
    """Return the form in which equal texts are the same text: NFC, runs of white space as one blank, stripped."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def is_blank(text: str) -> bool:
    """Tell whether nothing of a text can be seen: white space, control and format characters alone."""
    return all(char.isspace() or unicodedata.category(char) in {"Cc", "Cf"} for char in text)


def near_key(text: str) -> str:
    """Return the form in which near-duplicates are compared.

    NFKC, case folded, every number as one 0, format characters (zero width, direction) gone, everything that is no
    letter, mark or number a blank, runs of blanks as one, stripped. A text of symbols alone becomes "".
    """
    if text.isascii():
        text = text.lower().translate(_ASCII)
    else:
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).translate(_Fold())
    return " ".join(_DIGITS.sub("0", text).split())


def label_key(label: str) -> str:
    """Return the form in which spellings of one label meet: case, punctuation and white space ignored.

    Symbols that tell labels apart ("C", "C++", "C#") stay, and so does the punctuation of numbers ("1.5", "15");
    a whole number is the same with decimals and without ("1.0", "1").
    """
    text = unicodedata.normalize("NFKC", label).casefold()
    if _NUMBER.fullmatch(text):
        whole = _NO_DECIMALS.fullmatch(text.strip())
        return whole[1] if whole else " ".join(text.split())
    return " ".join("".join(" " if _joins(char) else char for char in text).split()) or text.strip()


def _joins(char: str) -> bool:
    return char not in "#+&%@*" and unicodedata.category(char)[0] in "PCZ"


_ASCII = {code: _Fold()[code] for code in range(128)}
