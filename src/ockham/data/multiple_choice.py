"""The options that a question lists on lines of their own, and how answers write the one they name."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ockham.records import Example, digest

LINE = re.compile(
    r"^[^\S\n]*(?:(?i:options?)\s*:\s*)?[(\[]?([A-Za-z]|\d{1,2})[).\]:]\s+(\S(?:.*\S)?)[^\S\n]*$", re.MULTILINE
)
"""One option on a line of its own: its mark and its text. It reads any text in linear time."""

_BULLETED = re.compile(
    r"^[^\S\n]*(?:options?|choices|answers)[^\S\n]*:[^\S\n]*((?:\n[^\S\n]*[-*\u2022][^\S\n]+\S[^\n]*){2,})",
    re.IGNORECASE | re.MULTILINE,
)
"""Options without marks, each behind a bullet, under a line that says what they are."""
_BULLET = re.compile(r"^[^\S\n]*[-*\u2022][^\S\n]+(\S(?:[^\n]*\S)?)[^\S\n]*$", re.MULTILINE)

Form = Literal["mark", "text"]
"""Whether answers name an option by its mark ("B") or by its text."""
Case = Literal["listed", "lower", "upper"]

_CASES: tuple[Case, ...] = ("listed", "lower", "upper")
_AROUND = "()[].: "
_PLACES = re.compile(r"\b(?:above|below|preceding|previous|following|former|latter)\b", re.IGNORECASE)
_OTHERS = re.compile(r"(?<!\w)\(?([A-Z]|\d{1,2})\)?\s*(?:,|&|/|\band\b|\bor\b)\s*\(?([A-Z]|\d{1,2})\)?(?!\w)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of one question: their marks, their texts, and where each text stands in it (start, end).

    Options behind bullets have no marks: whatever the form of answers, they are named by their texts.
    """

    marks: tuple[str, ...]
    texts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def tied(self) -> bool:
        """Tell whether an option speaks of the others' places or marks ("none of the above", "A and C")."""
        known = {normalize_option(mark) for mark in self.marks}
        for text in self.texts:
            pairs = ({normalize_option(one), normalize_option(other)} for one, other in _OTHERS.findall(text))
            if _PLACES.search(text) or any(pair <= known for pair in pairs):
                return True
        return False

    @property
    def marked(self) -> bool:
        """Tell whether each option has a mark."""
        return all(self.marks)

    def place(self, answer: str, form: Form) -> int | None:
        """Give the place of the option that an answer names, ``None`` where it names none."""
        if form == "mark" and self.marked:
            marks = [normalize_option(mark) for mark in self.marks]
            return marks.index(normalize_option(answer)) if normalize_option(answer) in marks else None
        return self.texts.index(answer.strip()) if answer.strip() in self.texts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFormat:
    """How an answer writes the option it names: its text, or its mark with what stands around it ("(b)", "B.").

    ``case``: a mark is written as its question lists it, or always as a small or a capital letter.
    """

    form: Form
    before: str = ""
    after: str = ""
    case: Case = "listed"

    def write(self, options: Options, place: int) -> str:
        """Write the option at a place."""
        if self.form == "text" or not options.marked:
            return options.texts[place]
        mark = options.marks[place]
        cased = {"listed": mark, "lower": mark.lower(), "upper": mark.upper()}[self.case]
        return f"{self.before}{cased}{self.after}"

    def every(self, options: Options) -> tuple[str, ...]:
        """Write every option, in order: the answers that are valid."""
        return tuple(self.write(options, place) for place in range(len(options.marks)))


def parse_options(text: str) -> Options | None:
    """Find the options of a question: the last run of lines whose marks count up, else the last list of bullets.

    Lines between options that are none of them (an option over several lines) break the run. A list of bullets stands
    under a line that calls them options, choices or answers. ``None`` where there is neither.
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
        return _bulleted(text)
    return Options(
        marks=tuple(found[1] for found in run),
        texts=tuple(found[2] for found in run),
        spans=tuple(found.span(2) for found in run),
    )


def _bulleted(text: str) -> Options | None:
    lists = list(_BULLETED.finditer(text))
    if not lists:
        return None
    run = list(_BULLET.finditer(text, *lists[-1].span(1)))
    return Options(
        marks=("",) * len(run),
        texts=tuple(found[1] for found in run),
        spans=tuple(found.span(1) for found in run),
    )


def infer_answer_form(examples: Sequence[Example]) -> Form:
    """Say how targets name their option: as most of the rows do that can be read in one way alone."""
    votes = {"mark": 0, "text": 0}
    for example in examples:
        options = parse_options(example.input)
        if options is None:
            continue
        by_mark, by_text = (options.place(example.target, form) is not None for form in ("mark", "text"))
        if by_mark != by_text:
            votes["mark" if by_mark else "text"] += 1
    return "text" if votes["text"] > votes["mark"] else "mark"


def infer_format(examples: Sequence[Example]) -> OptionFormat | None:
    """Find how targets write their option, as most rows do.

    ``None`` where no more than half of the rows that list options have one of them as their target: what stands on
    those lines is then something else.
    """
    form = infer_answer_form(examples)
    found = [(options, row.target) for row in examples if (options := parse_options(row.input)) is not None]
    told = [(options, target, place) for options, target in found if (place := options.place(target, form)) is not None]
    if 2 * len(told) <= len(found):
        return None
    if form == "text":
        return OptionFormat(form=form)
    votes: Counter[OptionFormat] = Counter()
    told = [one for one in told if one[0].marked]
    if not told:
        return OptionFormat(form="text")
    for options, target, place in told:
        before, _, after = _parted(target.strip())
        for case in _CASES:
            one = OptionFormat(form=form, before=before, after=after, case=case)
            votes[one] += one.write(options, place) == target.strip()
    return min(votes, key=lambda one: (-votes[one], _CASES.index(one.case), one.before, one.after))


def target_format(target: str, mark: str) -> OptionFormat:
    """Give the wording of one target that names an option by its mark."""
    before, said, after = _parted(target)
    case: Case = "listed" if said == mark else "lower" if said == said.lower() else "upper"
    return OptionFormat(form="mark", before=before, after=after, case=case)


def normalize_option(answer: str) -> str:
    """Give what an answer names, without the marks around it and whatever its case."""
    return answer.strip().strip(_AROUND).casefold()


def _parted(target: str) -> tuple[str, str, str]:
    """Part a target into what stands before its mark, the mark, and what stands behind it."""
    said = target.strip().strip(_AROUND)
    return target.partition(said) if said else (target, "", "")


def _follows(one: str, other: str) -> bool:
    if one.isdigit() and other.isdigit():
        return int(other) == int(one) + 1
    return not one.isdigit() and not other.isdigit() and ord(other.casefold()) == ord(one.casefold()) + 1


def shuffle_options(examples: Sequence[Example], seed: int, form: Form | None = None) -> tuple[list[Example], int]:
    """Ask every question with its options in a random order; the marks stay where they are, the target goes along.

    The order follows from the seed and the question's own words; ``form`` is that of the rows where none is given.
    Gives the rows, and how many of them keep their order: those whose options are not found, speak of one another's
    places, or do not hold the target.
    """
    form = form or infer_answer_form(examples)
    found = [_asked(example, form, _order(example, seed, "first")) for example in examples]
    return [new or old for new, old in zip(found, examples, strict=True)], sum(new is None for new in found)


def reshuffle_options(example: Example, form: Form, seed: int) -> Example | None:
    """Ask a question with its options in one more order, never the one they have; ``None`` where it keeps its order."""
    return _asked(example, form, _order(example, seed, "second"))


def is_same_option(first: tuple[Example, str | None], second: tuple[Example, str | None], form: Form) -> bool:
    """Tell whether two answers, to two orders of one question, name the same option; no valid answer never does."""
    named = []
    for example, answer in (first, second):
        options = parse_options(example.input)
        place = None if options is None or answer is None else options.place(answer, form)
        named.append(None if options is None or place is None else options.texts[place])
    return named[0] is not None and named[0] == named[1]


def _asked(example: Example, form: Form, order: Sequence[int] | None) -> Example | None:
    options = parse_options(example.input)
    if order is None or options is None or options.tied():
        return None
    at = options.place(example.target, form)
    if at is None:
        return None
    text = example.input
    for (start, end), source in sorted(zip(options.spans, order, strict=True), reverse=True):
        text = text[:start] + options.texts[source] + text[end:]
    target = example.target
    if form == "mark" and options.marked:
        target = target_format(target, options.marks[at]).write(options, order.index(at))
    return dataclasses.replace(example, input=text, target=target)


def _order(example: Example, seed: int, turn: str) -> list[int] | None:
    """Draw an order by sorting the places by what they hash to; a second one is drawn until it moves an option."""
    options = parse_options(example.input)
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
