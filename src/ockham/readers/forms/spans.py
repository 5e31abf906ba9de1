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
    """Characters of a text from ``start`` to before ``end``, and the name that was given to them."""

    start: int
    end: int
    name: str


def fields_of(text: str, spans: Iterable[TextSpan]) -> dict[str, object] | LeftOut:
    """Return the texts of the spans by their names: a list where a name has several, in the order of the text.

    A record is left out where a span's text stands in it more than once, since its words then do not say which is
    meant, or where a span does not lie in the text.
    """
    fields: dict[str, list[str]] = {}
    for span in sorted(spans):
        value = text[max(span.start, 0) : span.end].strip()
        if not value or span.start < 0 or span.end > len(text):
            return OUTSIDE
        if _count(text, value) > 1:
            return NOT_UNIQUE
        fields.setdefault(span.name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


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


def _count(text: str, value: str) -> int:
    """Count how often a value stands in a text as whole words; inside of words only where it never does so."""
    whole = len(re.findall(rf"(?<!\w){re.escape(value)}(?!\w)", text))
    return whole or text.count(value)
