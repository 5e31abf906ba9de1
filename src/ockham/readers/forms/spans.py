"""Spans of a text as the fields of an object, where each can be found again in the text by its words alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ockham.readers.forms.form import LeftOut

TARGET = "spans"
"""The column of the object; no tool has one of that name beside it."""
NOT_UNIQUE = LeftOut("span_text_not_unique")
OUTSIDE = LeftOut("span_outside_text")
TAG = re.compile(r"O|[BIESLU]-\S+")
"""A tag of a token: outside of a span, or where in a span of a name it stands."""


class TextSpan(NamedTuple):
    """Characters of a text from ``start`` to before ``end``, and the name that was given to them.

    ``words`` are what stands there as the tool itself quotes it, where it does.
    """

    start: int
    end: int
    name: str
    words: object = None


def fields_of(text: str, spans: Iterable[TextSpan]) -> dict[str, object] | LeftOut:
    """Return the texts of the spans by their names: a list where a name has several, in the order of the text.

    A record is left out where a span's text stands in it more than once, since its words then do not say which is
    meant, or where a span does not lie in the text, or not where its tool says that its words are.
    """
    fields: dict[str, list[str]] = {}
    for span in sorted((_find_quoted(text, span) for span in spans), key=lambda span: span[:3]):
        value = text[max(span.start, 0) : span.end].strip()
        if not value or span.start < 0 or span.end > len(text):
            return OUTSIDE
        if _count(text, value) > 1:
            return NOT_UNIQUE
        fields.setdefault(span.name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _find_quoted(text: str, span: TextSpan) -> TextSpan:
    """Return a span where the words stand that its tool quotes; before the text where they do not stand.

    Tools in a browser count in UTF-16, where an emoji is two characters.
    """
    if not isinstance(span.words, str) or _letters(span.words) in ("", _letters(text[max(span.start, 0) : span.end])):
        return span
    start, end = (_in_characters(text, at) for at in span[:2])
    stands = _letters(text[start:end]) == _letters(span.words)
    return span._replace(start=start, end=end) if stands else span._replace(start=-1)


def _letters(words: str) -> str:
    """Return what of a quotation no tool changes: line ends and blanks may be written otherwise."""
    return "".join(filter(str.isalnum, words.replace("\\n", " ")))


def _in_characters(text: str, units: int) -> int:
    """Return the character of a text that stands behind so many units of UTF-16."""
    units_before = text.encode("utf-16-le", "surrogatepass")[: 2 * max(units, 0)]
    return len(units_before.decode("utf-16-le", "ignore"))


def tagged_spans(words: Sequence[str], tags: Sequence[str]) -> list[TextSpan]:
    """Return the spans that tags (IOB, BIO, BIOES, BILOU) mark in words with a blank between them."""
    regions: list[TextSpan] = []
    at, inside = 0, ""
    for word, tag in zip(words, tags, strict=True):
        mark, _, name = tag.partition("-")
        if name and (mark in "BSU" or name != inside):
            regions.append(TextSpan(at, at + len(word), name))
        elif name:
            regions[-1] = regions[-1]._replace(end=at + len(word))
        inside = "" if mark in "OESLU" else name
        at += len(word) + 1
    return regions


def stands_inside_word(text: str, value: str) -> bool:
    """Tell whether a value stands in a text only where it cuts a word of Latin letters."""
    places = [match.span() for match in re.finditer(re.escape(value), text)]
    return bool(places) and all(_cuts(text, start) or _cuts(text, end) for start, end in places)


def _cuts(text: str, at: int) -> bool:
    around = text[max(at - 1, 0) : at + 1]
    return len(around) == 2 and around.isascii() and around.isalpha()


def _count(text: str, value: str) -> int:
    """Count how often a value stands in a text as whole words; inside of words only where it never does so."""
    whole = len(re.findall(rf"(?<!\w){re.escape(value)}(?!\w)", text))
    return whole or text.count(value)
