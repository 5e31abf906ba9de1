"""Rules that find a value by its shape, its label words and its position; each can be read as a sentence.

No regular expression is made of them: a text is split into words once, and runs of words are looked up by their shapes,
so the time grows with the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ockham.models.extraction import layout_features
from ockham.models.extraction.text_words import Extent

Kind = Literal["shape", "loose", "word", "lines"]
Context = Literal["anywhere", "label", "line", "above", "before", "after", "number", "from_end", "last_line"]
Pick = Literal["first", "last", "all"]

LONGEST = 8
"""Words of the longest run that is looked up."""
MOST_LINES = 6
_RUNS = re.compile(r"9+|X+|x+")
_TOP = 8
"""Lines at either end of a text whose numbers are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternRule:
    """How a value of a field is found.

    ``key`` is the shape (exact, or loose: runs of any length), the word itself, or the number of whole lines. It must
    stand in the ``context`` with the ``word``. Of those that do, the ``pick`` is taken. ``right`` of ``rows`` training
    rows where it was tried, each by rules of the other rows, had the value.
    """

    field: int
    kind: Kind
    key: str
    context: Context
    word: str
    pick: Pick
    right: int
    rows: int

    @property
    def precision(self) -> float:
        """How often it is right, as one row less would say."""
        return self.right / (self.rows + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCandidate:
    """A run of words that has a shape looked for: its extent, and the contexts in which it stands."""

    start: int
    end: int
    contexts: tuple[tuple[Context, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternText:
    """A text as rules read it: its words, their lines and their shapes."""

    text: str
    words: Sequence[Extent]
    lows: tuple[str, ...]
    shapes: tuple[str, ...]
    loose: tuple[str, ...]
    lines: tuple[range, ...]
    line_of: tuple[int, ...]


Keys = Mapping[int, Mapping[str, frozenset[tuple[Kind, str]]]]
"""By the number of words: by the first word's loose shape, or "=" and the word, what runs that begin so may be."""


def index_rules(rules: Sequence[PatternRule]) -> tuple[Keys, int]:
    """Put the shapes of rules in order for looking them up; returns them, and the most whole lines that one takes."""
    by_size: dict[int, dict[str, set[tuple[Kind, str]]]] = {}
    for rule in rules:
        if rule.kind != "lines":
            parts = rule.key.split(" ")
            first = f"={parts[0]}" if rule.kind == "word" else loosen(parts[0])
            by_size.setdefault(len(parts), {}).setdefault(first, set()).add((rule.kind, rule.key))
    keys = {size: {first: frozenset(known) for first, known in starts.items()} for size, starts in by_size.items()}
    most = max((int(rule.key) for rule in rules if rule.kind == "lines" and rule.key.isdecimal()), default=0)
    return keys, min(most, MOST_LINES)


def read_text(text: str, words: Sequence[Extent]) -> PatternText:
    """Split a text into lines and take the shapes of its words."""
    lines, line_of, first, end = list[range](), list[int](), 0, 0
    for index, (start, stop) in enumerate(words):
        if index and "\n" in text[end:start]:
            lines.append(range(first, index))
            first = index
        line_of.append(len(lines))
        end = stop
    if words:
        lines.append(range(first, len(words)))
    shapes = tuple(layout_features.shape(text[start:stop]) for start, stop in words)
    return PatternText(
        text=text,
        words=words,
        lows=tuple(text[start:stop].lower() for start, stop in words),
        shapes=shapes,
        loose=tuple(loosen(shape) for shape in shapes),
        lines=tuple(lines),
        line_of=tuple(line_of),
    )


@lru_cache(maxsize=65_536)
def loosen(shape: str) -> str:
    """Return a shape whose runs may be of any length: ``9+.9+``."""
    return _RUNS.sub(lambda match: f"{match[0][0]}+", shape)


def run_keys(page: PatternText, run: range) -> Iterator[tuple[Kind, str]]:
    """Return what a run of words may be looked up as."""
    yield "shape", " ".join(page.shapes[run.start : run.stop])
    yield "loose", " ".join(page.loose[run.start : run.stop])
    yield "word", " ".join(page.lows[run.start : run.stop])


def find_candidates(page: PatternText, keys: Keys, most_lines: int) -> dict[tuple[Kind, str], list[ValueCandidate]]:
    """Return the runs of a text that have one of the keys, by key, from the left; and whole lines."""
    out: dict[tuple[Kind, str], list[ValueCandidate]] = {}
    for size, starts in keys.items():
        for first in range(len(page.words) - size + 1):
            by_shape, by_word = starts.get(page.loose[first]), starts.get(f"={page.lows[first]}")
            if by_shape is None and by_word is None:
                continue
            run = range(first, first + size)
            sought = (by_shape or frozenset()) | (by_word or frozenset())
            hits = [key for key in run_keys(page, run) if key in sought]
            if hits and page.line_of[first] == page.line_of[run[-1]]:
                candidate = _candidate(page, run)
                for key in hits:
                    out.setdefault(key, []).append(candidate)
    for size in range(1, most_lines + 1):
        for number in range(min(len(page.lines) - size + 1, 3 * _TOP)):
            run = range(page.lines[number].start, page.lines[number + size - 1].stop)
            out.setdefault(("lines", str(size)), []).append(_candidate(page, run))
    return out


def apply_rule(
    rule: PatternRule, candidates: Mapping[tuple[Kind, str], Sequence[ValueCandidate]]
) -> list[ValueCandidate]:
    """Return the values that a rule finds: at most one, unless it takes all."""
    wanted = (rule.context, rule.word)
    hits = [c for c in candidates.get((rule.kind, rule.key), ()) if wanted in c.contexts]
    if rule.pick == "all" or not hits:
        return hits
    return [hits[0] if rule.pick == "first" else hits[-1]]


def describe_rule(rule: PatternRule, name: str) -> str:
    """Write a rule as a sentence."""
    what = {
        "shape": f"text of the shape {rule.key}",
        "loose": f"text of the shape {rule.key}",
        "word": f"text {rule.key!r}",
        "lines": "whole line" if rule.key == "1" else f"{rule.key} whole lines",
    }[rule.kind]
    where = {
        "anywhere": "",
        "label": f" after the word {rule.word!r} of its line",
        "line": f" on a line with {rule.word!r}",
        "above": f" below a line with {rule.word!r}",
        "before": f" behind {rule.word!r}",
        "after": f" in front of {rule.word!r}",
        "number": f" on line {rule.word}",
        "from_end": f" on line {rule.word} from the end",
        "last_line": f" whose last line has {rule.word!r}",
    }[rule.context]
    pick = "every" if rule.pick == "all" else f"the {rule.pick}"
    return f"{name}: {pick} {what}{where} (right in {rule.right:,} of {rule.rows:,} rows)"


def _candidate(page: PatternText, run: range) -> ValueCandidate:
    return ValueCandidate(
        start=page.words[run.start][0], end=page.words[run.stop - 1][1], contexts=tuple(_contexts(page, run))
    )


def _contexts(page: PatternText, run: range) -> Iterator[tuple[Context, str]]:
    number, lows = page.line_of[run.start], page.lows
    line = page.lines[number]
    yield "anywhere", ""
    if run.start > 0:
        yield "before", lows[run.start - 1]
    if run.stop < len(lows):
        yield "after", lows[run.stop]
    labels = [lows[at] for at in range(line.start, run.start) if lows[at][0].isalpha()]
    if labels:
        yield "label", labels[-1]
    if len(page.lines) > 1:
        yield from _line_contexts(page, run)


def _line_contexts(page: PatternText, run: range) -> Iterator[tuple[Context, str]]:
    number = page.line_of[run.start]
    line = page.lines[number]
    yield from (("line", word) for word in _words_on(page, line))
    if number:
        yield from (("above", word) for word in _words_on(page, page.lines[number - 1]))
    if number < _TOP:
        yield "number", str(number + 1)
    if len(page.lines) - number <= _TOP:
        yield "from_end", str(len(page.lines) - number)
    last = page.line_of[run.stop - 1]
    if last != number or (run.start == line.start and run.stop == line.stop):
        yield from (("last_line", word) for word in _words_on(page, page.lines[last]))


def _words_on(page: PatternText, line: range) -> set[str]:
    return {page.lows[at] for at in line[:6] if page.lows[at][0].isalpha()}
