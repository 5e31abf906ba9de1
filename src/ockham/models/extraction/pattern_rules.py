"""Rules that find a value by its shape, its label words and its position; each can be read as a sentence.

No regular expression is made of them: a text is split into words once, and runs of words are looked up by their shapes,
so the time grows with the text alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from ockham.models.extraction import layout_features
from ockham.models.extraction.text_words import Extent

Kind = Literal["shape", "loose", "word", "lines"]
Context = Literal["anywhere", "label", "line", "above", "before", "after", "number", "from_end", "last_line"]
Pick = Literal["first", "last", "all"]

_WITHOUT_A_WORD: frozenset[Context] = frozenset({"anywhere", "number", "from_end"})
"""Contexts that no word of the text makes."""
LONGEST = 8
"""Words of the longest run that is looked up."""
MOST_LINES = 6
_RUNS = re.compile(r"9+|X+|x+")
_LINE_WORDS = 6
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
class PatternText:
    """A text as rules read it: its words, their lines and their shapes."""

    text: str
    words: Sequence[Extent]
    lows: tuple[str, ...]
    shapes: tuple[str, ...]
    loose: tuple[str, ...]
    lines: tuple[range, ...]
    line_of: tuple[int, ...]
    line_words: tuple[frozenset[str], ...]
    """The words with which each line begins."""
    vocabulary: frozenset[str]
    """All its words."""


@dataclass(slots=True)
class _Fork:
    """What a run of words may be so far: by the next word what it is then, and the keys that end here."""

    onward: dict[str, _Fork] = field(default_factory=dict)
    loose: tuple[Kind, str] | None = None
    shapes: dict[tuple[str, ...], tuple[Kind, str]] = field(default_factory=dict)
    word: tuple[Kind, str] | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """What runs of words are looked up by: a tree over their loose shapes, and one over the words themselves."""

    shapes: _Fork = field(default_factory=_Fork)
    words: _Fork = field(default_factory=_Fork)


def index_rules(rules: Sequence[PatternRule]) -> tuple[Keys, int]:
    """Put the shapes of rules in order for looking them up; returns them, and the most whole lines that one takes."""
    keys = Keys()
    for rule in rules:
        if rule.kind == "lines":
            continue
        parts = rule.key.split(" ")
        if rule.kind == "word":
            _fork_at(keys.words, parts).word = ("word", rule.key)
            continue
        if rule.kind == "loose":
            _fork_at(keys.shapes, parts).loose = ("loose", rule.key)
        else:
            _fork_at(keys.shapes, [loosen(part) for part in parts]).shapes[tuple(parts)] = ("shape", rule.key)
    most = max((int(rule.key) for rule in rules if rule.kind == "lines" and rule.key.isdecimal()), default=0)
    return keys, min(most, MOST_LINES)


def _fork_at(root: _Fork, parts: Sequence[str]) -> _Fork:
    for part in parts:
        root = root.onward.setdefault(part, _Fork())
    return root


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
    written = [text[start:stop] for start, stop in words]
    shapes, lows = tuple(map(layout_features.shape, written)), tuple(map(str.lower, written))
    return PatternText(
        text=text,
        words=words,
        lows=lows,
        shapes=shapes,
        loose=tuple(map(loosen, shapes)),
        lines=tuple(lines),
        line_of=tuple(line_of),
        vocabulary=frozenset(lows),
        line_words=tuple(
            frozenset([low for low in lows[line.start : min(line.stop, line.start + _LINE_WORDS)] if low[0].isalpha()])
            for line in lines
        ),
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


def find_candidates(page: PatternText, keys: Keys, most_lines: int) -> dict[tuple[Kind, str], list[range]]:
    """Return the runs of a text that have one of the keys, by key, from the left; and whole lines."""
    out: dict[tuple[Kind, str], list[range]] = {}
    shapes, words = keys.shapes.onward, keys.words.onward
    for line in page.lines:
        for first in line:
            if page.loose[first] in shapes or page.lows[first] in words:
                for key, stop in _keys_from(page, keys, first, line.stop):
                    out.setdefault(key, []).append(range(first, stop))
    starts = [line.start for line in page.lines[: 3 * _TOP]]
    stops = [line.stop for line in page.lines[: 3 * _TOP + most_lines]]
    for size in range(1, most_lines + 1):
        runs = [range(start, stop) for start, stop in zip(starts, stops[size - 1 :], strict=False)]
        if runs:
            out["lines", str(size)] = runs
    return out


def _keys_from(page: PatternText, keys: Keys, first: int, end: int) -> list[tuple[tuple[Kind, str], int]]:
    """Return the keys of the runs that begin with a word and end before ``end``, each with the word behind its last."""
    out: list[tuple[tuple[Kind, str], int]] = []
    fork, at = keys.shapes.onward.get(page.loose[first]), first + 1
    while fork is not None:
        if fork.loose is not None:
            out.append((fork.loose, at))
        if fork.shapes and (key := fork.shapes.get(page.shapes[first:at])) is not None:
            out.append((key, at))
        fork, at = fork.onward.get(page.loose[at]) if at < end else None, at + 1
    fork, at = keys.words.onward.get(page.lows[first]), first + 1
    while fork is not None:
        if fork.word is not None:
            out.append((fork.word, at))
        fork, at = fork.onward.get(page.lows[at]) if at < end else None, at + 1
    return out


def apply_rule(
    rule: PatternRule, page: PatternText, candidates: Mapping[tuple[Kind, str], Sequence[range]]
) -> list[range]:
    """Return the runs of words that a rule finds: at most one, unless it takes all."""
    alike = candidates.get((rule.kind, rule.key), ())
    if rule.context not in _WITHOUT_A_WORD and rule.word not in page.vocabulary:
        return []
    if rule.pick == "all":
        return [run for run in alike if stands_in(page, run, rule.context, rule.word)]
    for run in alike if rule.pick == "first" else reversed(alike):
        if stands_in(page, run, rule.context, rule.word):
            return [run]
    return []


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
        "before": f" right after {rule.word!r}",
        "after": f" right before {rule.word!r}",
        "number": f" on line {rule.word}",
        "from_end": f" on line {rule.word} from the end",
        "last_line": f" whose last line has {rule.word!r}",
    }[rule.context]
    pick = "every" if rule.pick == "all" else f"the {rule.pick}"
    return f"{name}: {pick} {what}{where} (right in {rule.right:,} of {rule.rows:,} rows)"


def extent_of(page: PatternText, run: range) -> Extent:
    """Return where a run of words stands in its text."""
    return page.words[run.start][0], page.words[run.stop - 1][1]


def stands_in(page: PatternText, run: range, context: Context, word: str) -> bool:
    """Tell whether a run of words stands in a context, without looking at the others (`contexts`)."""
    if context in ("before", "after"):
        at = run.start - 1 if context == "before" else run.stop
        return 0 <= at < len(page.lows) and page.lows[at] == word
    if context in ("anywhere", "label"):
        return context == "anywhere" or _label_of(page, run) == word
    number = page.line_of[run.start]
    if len(page.lines) < 2:
        return False
    if context in ("line", "above", "last_line"):
        at = _last_line(page, run) if context == "last_line" else number - (context == "above")
        return at >= 0 and word in page.line_words[at]
    line = number if context == "number" else len(page.lines) - number - 1
    return line < _TOP and word == str(line + 1)


def _label_of(page: PatternText, run: range) -> str | None:
    """Return the last word with a letter before a run, on its line."""
    for at in range(run.start - 1, page.lines[page.line_of[run.start]].start - 1, -1):
        if page.lows[at][0].isalpha():
            return page.lows[at]
    return None


def _last_line(page: PatternText, run: range) -> int:
    """Return the last line of a run that is more than a part of a line; -1 for a part."""
    first, last = page.line_of[run.start], page.line_of[run.stop - 1]
    line = page.lines[first]
    return last if last != first or (run.start == line.start and run.stop == line.stop) else -1


def contexts(page: PatternText, run: range) -> Iterator[tuple[Context, str]]:
    """Yield all contexts in which a run of words stands."""
    number, lows = page.line_of[run.start], page.lows
    yield "anywhere", ""
    if run.start > 0:
        yield "before", lows[run.start - 1]
    if run.stop < len(lows):
        yield "after", lows[run.stop]
    label = _label_of(page, run)
    if label is not None:
        yield "label", label
    if len(page.lines) < 2:
        return
    yield from (("line", word) for word in page.line_words[number])
    if number:
        yield from (("above", word) for word in page.line_words[number - 1])
    if number < _TOP:
        yield "number", str(number + 1)
    if len(page.lines) - number <= _TOP:
        yield "from_end", str(len(page.lines) - number)
    last = _last_line(page, run)
    if last >= 0:
        yield from (("last_line", word) for word in page.line_words[last])
