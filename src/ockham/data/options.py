"""The options that a question lists, and the same question with its options in another order.

A model that has learnt to prefer a place ("always B") must not gain by it, so every question of a task of options is
asked with its options in an order drawn for that row (Zheng et al. 2024 measured how much places alone decide).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ockham.records import Example, digest

LINE = re.compile(
    r"^\s*(?:options?\s*:\s*)?[(\[]?([A-Za-z]|\d{1,2})[).\]:]\s+(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE
)
"""One option on a line of its own: its mark and its text."""

Form = Literal["mark", "text"]
"""Whether answers name an option by its mark ("B") or by its text."""

_AROUND = "()[].: "
_MARK = re.compile(r"[A-Za-z]|\d{1,2}")
_PLACES = re.compile(r"\b(?:above|below|preceding|previous|following|former|latter)\b", re.IGNORECASE)
_OTHERS = re.compile(r"(?<!\w)\(?([A-Z]|\d{1,2})\)?\s*(?:,|&|/|\band\b|\bor\b)\s*\(?([A-Z]|\d{1,2})\)?(?!\w)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one question: their marks, their texts, and where each text stands in it (start, end)."""

    marks: tuple[str, ...]
    texts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def tied(self) -> bool:
        """Tell whether an option speaks of the others' places or marks ("none of the above", "A and C")."""
        known = {_named(mark) for mark in self.marks}
        for text in self.texts:
            pairs = ({_named(one), _named(other)} for one, other in _OTHERS.findall(text))
            if _PLACES.search(text) or any(pair <= known for pair in pairs):
                return True
        return False

    def place(self, answer: str, form: Form) -> int | None:
        """Give the place of the option that an answer names, ``None`` where it names none."""
        if form == "mark":
            marks = [_named(mark) for mark in self.marks]
            return marks.index(_named(answer)) if _named(answer) in marks else None
        return self.texts.index(answer.strip()) if answer.strip() in self.texts else None


def listed(text: str) -> Options | None:
    """Find the options of a question: the last run of lines whose marks count up; ``None`` where there is no such run.

    Lines between options that are none of them (an option over several lines) break the run.
    """
    runs: list[list[re.Match[str]]] = []
    for found in LINE.finditer(text):
        last = runs[-1][-1] if runs else None
        if last is not None and not text[last.end() : found.start()].strip() and _follows(last[1], found[1]):
            runs[-1].append(found)
        else:
            runs.append([found])
    run = next((run for run in reversed(runs) if len(run) > 1), None)
    if run is None:
        return None
    return Options(
        marks=tuple(found[1] for found in run),
        texts=tuple(found[2] for found in run),
        spans=tuple(found.span(2) for found in run),
    )


def form_of(examples: Sequence[Example]) -> Form:
    """Say how targets name their option: as most of the rows do that can be read in one way alone."""
    votes = {"mark": 0, "text": 0}
    for example in examples:
        options = listed(example.input)
        if options is None:
            continue
        by_mark, by_text = (options.place(example.target, form) is not None for form in ("mark", "text"))
        if by_mark != by_text:
            votes["mark" if by_mark else "text"] += 1
    return "text" if votes["text"] > votes["mark"] else "mark"


def shuffled(examples: Sequence[Example], seed: int, form: Form | None = None) -> tuple[list[Example], int]:
    """Ask every question with its options in a random order; the marks stay where they are, the target goes along.

    The order follows from the seed and the question's own words; ``form`` is that of the rows where none is given.
    Gives the rows, and how many of them keep their order: those whose options are not found, speak of one another's
    places, or do not hold the target.
    """
    form = form or form_of(examples)
    found = [_asked(example, form, _order(example, seed, "first")) for example in examples]
    return [new or old for new, old in zip(found, examples, strict=True)], sum(new is None for new in found)


def again(example: Example, form: Form, seed: int) -> Example | None:
    """Ask a question with its options in one more order, never the one they have; ``None`` where it keeps its order."""
    return _asked(example, form, _order(example, seed, "second"))


def same(first: tuple[Example, str | None], second: tuple[Example, str | None], form: Form) -> bool:
    """Tell whether two answers, to two orders of one question, name the same option; no valid answer never does."""
    named = []
    for example, answer in (first, second):
        options = listed(example.input)
        place = None if options is None or answer is None else options.place(answer, form)
        named.append(None if options is None or place is None else options.texts[place])
    return named[0] is not None and named[0] == named[1]


def _asked(example: Example, form: Form, order: Sequence[int] | None) -> Example | None:
    options = listed(example.input)
    if order is None or options is None or options.tied():
        return None
    at = options.place(example.target, form)
    if at is None:
        return None
    text = example.input
    for (start, end), source in sorted(zip(options.spans, order, strict=True), reverse=True):
        text = text[:start] + options.texts[source] + text[end:]
    target = example.target
    if form == "mark":
        mark = options.marks[order.index(at)]
        target = _MARK.sub(mark.lower() if target == target.lower() else mark, target, count=1)
    return dataclasses.replace(example, input=text, target=target)


def _order(example: Example, seed: int, turn: str) -> list[int] | None:
    """Draw an order by sorting the places by what they hash to; a second one is drawn until it moves an option."""
    options = listed(example.input)
    if options is None:
        return None
    name, places = digest([seed, turn, example.input]), list(range(len(options.marks)))
    order = _sorted(places, name)
    while turn == "second" and order == places:
        name = digest(name)
        order = _sorted(places, name)
    return order


def _sorted(places: Sequence[int], name: str) -> list[int]:
    return sorted(places, key=lambda place: digest([name, place]))


def _follows(one: str, other: str) -> bool:
    if one.isdigit() and other.isdigit():
        return int(other) == int(one) + 1
    return not one.isdigit() and not other.isdigit() and ord(other.casefold()) == ord(one.casefold()) + 1


def _named(answer: str) -> str:
    return answer.strip().strip(_AROUND).casefold()
