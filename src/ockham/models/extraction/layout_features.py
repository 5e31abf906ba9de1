"""What a word of a text looks like and where it stands, as names of features: shape, neighbours, line, label words.

It imports nothing of ockham, so that an exported program can hold it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

Extent = tuple[int, int]

_NEAR_LABELS = 4
"""Label words to the left that are named."""
_LINE_LABELS = 8
_AMOUNT = re.compile(r"\d{1,3}(?:[.,\s]?\d{3}){0,4}[.,]\d{2}", re.ASCII)
_CLASSES = {
    **dict.fromkeys(
        [
            "jan",
            "feb",
            "mar",
            "apr",
            "may",
            "jun",
            "jul",
            "aug",
            "sep",
            "sept",
            "oct",
            "nov",
            "dec",
            "january",
            "february",
            "march",
            "april",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ],
        "month",
    ),
    **dict.fromkeys(
        [
            "mon",
            "tue",
            "wed",
            "thu",
            "fri",
            "sat",
            "sun",
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
            "today",
            "tomorrow",
            "tonight",
            "yesterday",
            "weekend",
        ],
        "day",
    ),
    **dict.fromkeys(
        [
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "couple",
            "dozen",
        ],
        "number",
    ),
    **dict.fromkeys(["am", "pm", "noon", "midnight", "morning", "evening", "afternoon", "night", "oclock"], "hour"),
}
_DIGITS = re.compile(r"\d")
_RUNS = re.compile(r"(.)\1\1+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line of a text: the numbers of its words, and what they say together."""

    first: int
    last: int
    labels: tuple[str, ...]
    shape: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """The words of a text as they are compared."""

    lows: list[str]
    shapes: list[str]
    lines: list[_Line]
    line_of: list[int]
    marks: list[tuple[str, ...]]
    """What is said of each number among all numbers of the text."""


@lru_cache(maxsize=65_536)
def shape(word: str) -> str:
    """Return the shape of a word: ``Xxx``, ``99/99/9999``; three and more of one kind of letter are three."""
    kinds = "".join("9" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word[:24])
    return kinds if "9" in kinds else _RUNS.sub(r"\1\1\1", kinds)


def describe_words(text: str, words: Sequence[Extent]) -> list[list[str]]:
    """Return the names of each word's features."""
    page = _read(text, words)
    many = len(page.lines) > 1
    out = []
    for index in range(len(words)):
        names = _own(page, index)
        names += _neighbours(page, index)
        if many:
            names += _layout(page, index)
        out.append(names)
    return out


def _read(text: str, words: Sequence[Extent]) -> _Page:
    lows, shapes = [], []
    ends = [0]
    before = 0
    for index, (start, end) in enumerate(words):
        word = text[start:end]
        lows.append(word.lower())
        shapes.append(shape(word))
        if index and "\n" in text[before:start]:
            ends.append(index)
        before = end
    if words:
        ends.append(len(words))
    lines, line_of = [], []
    for number, (first, last) in enumerate(itertools.pairwise(ends)):
        labels = tuple(lows[i] for i in range(first, last) if lows[i][0].isalpha())[:_LINE_LABELS]
        lines.append(_Line(first=first, last=last, labels=labels, shape="".join(s[0] for s in shapes[first:last])[:10]))
        line_of += [number] * (last - first)
    return _Page(lows=lows, shapes=shapes, lines=lines, line_of=line_of, marks=_number_marks(lows, shapes))


def _number_marks(lows: Sequence[str], shapes: Sequence[str]) -> list[tuple[str, ...]]:
    """Say of each number how often it stands in the text, where among those of its shape, and whether it is largest."""
    counts = Counter(low for low in lows if _DIGITS.search(low))
    numbers = [index for index, low in enumerate(lows) if low in counts]
    by_shape = Counter(shapes[index] for index in numbers)
    amounts = {index: _amount(lows[index]) for index in numbers if _AMOUNT.search(lows[index])}
    ranked = sorted(set(amounts.values()), reverse=True)[:3]
    seen, out = Counter[str](), list[tuple[str, ...]]([()] * len(lows))
    for index in numbers:
        seen[shapes[index]] += 1
        rank, total = seen[shapes[index]], by_shape[shapes[index]]
        order = "only" if total == 1 else "first" if rank == 1 else "last" if rank == total else "inner"
        marks = [f"times={min(counts[lows[index]], 4)}", f"order={order}|{shapes[index]}"]
        if index in amounts and amounts[index] in ranked:
            marks.append(f"largest={ranked.index(amounts[index])}")
        out[index] = tuple(marks)
    return out


def _amount(text: str) -> float:
    match = _AMOUNT.search(text)
    digits = re.sub(r"\D", "", match[0] if match else "0")
    return int(digits) / 100


def _own(page: _Page, index: int) -> list[str]:
    low, form = page.lows[index], page.shapes[index]
    names = ["bias", f"w={low}", f"s={form}"]
    if low in _CLASSES:
        names.append(f"k={_CLASSES[low]}")
    if len(low) > 3:
        names += [f"p={low[:3]}", f"x={low[-3:]}"]
    return [*names, *page.marks[index]]


def _neighbours(page: _Page, index: int) -> list[str]:
    lows, shapes, last = page.lows, page.shapes, len(page.lows) - 1
    one = lows[index - 1] if index else "^"
    two = lows[index - 2] if index > 1 else "^"
    then = lows[index + 1] if index < last else "$"
    after = lows[index + 2] if index + 1 < last else "$"
    shaped = shapes[index - 1] if index else "^"
    next_shape = shapes[index + 1] if index < last else "$"
    form = shapes[index]
    names = [f"-1={one}", f"-2={two}", f"+1={then}", f"+2={after}", f"-s={shaped}", f"+s={next_shape}"]
    names += [f"-1s={one}|{form}", f"+1s={then}|{form}", f"ss={shaped}|{form}", f"s+s={form}|{next_shape}"]
    names += [f"{at}k={_CLASSES[word]}" for at, word in (("-", one), ("+", then)) if word in _CLASSES]
    names += [f"-21={two}|{one}", f"-w={one}|{lows[index]}"]
    return names


def _layout(page: _Page, index: int) -> list[str]:
    """Describe the line of a word, and those above and below it."""
    number, lines = page.line_of[index], page.lines
    line, form = lines[number], page.shapes[index]
    from_end = len(lines) - 1 - number
    place = "only" if line.last - line.first == 1 else "first" if index == line.first else ""
    place = place or ("last" if index == line.last - 1 else "inner")
    top, low = _bucket(number), _bucket(from_end)
    names = [f"line={top}", f"end={low}", f"in={place}", f"ls={line.shape}", f"in@={place}|{top}", f"s@={form}|{place}"]
    left = [page.lows[at] for at in range(max(line.first, index - 8), index) if page.lows[at][0].isalpha()]
    names += [f"left={word}" for word in left[-_NEAR_LABELS:]]
    if left:
        names.append(f"label={left[-1]}|{form}")
    names.append(f"starts={page.lows[line.first]}")
    names += [f"on={word}" for word in line.labels]
    if number > 1:
        names += [f"above2={word}" for word in lines[number - 2].labels[:3]]
    if number:
        above = lines[number - 1]
        names += [f"above={word}" for word in above.labels[:6]]
        names.append(f"above-s={above.shape}|{place}")
    if from_end:
        below = lines[number + 1]
        names += [f"below={word}" for word in below.labels[:6]]
        names.append(f"below-s={below.shape}|{place}")
    if _DIGITS.search(form):
        names += [f"{mark}&{word}" for mark in page.marks[index][-1:] for word in (line.labels[:3] or ("none",))]
    return names


def _bucket(number: int) -> str:
    """Name a number of lines: exactly up to four, then ever more roughly."""
    if number < 5:
        return str(number)
    return "5-7" if number < 8 else "8-12" if number < 13 else "13-20" if number < 21 else "21+"
