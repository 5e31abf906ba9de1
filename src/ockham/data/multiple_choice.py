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

    def refers_to_others(self) -> bool:
        """Tell whether an option speaks of the others' places or marks ("none of the above", "A and C")."""
        own_marks = {normalize_option(mark) for mark in self.marks}
        for text in self.texts:
            pairs = ({normalize_option(first), normalize_option(second)} for first, second in _OTHERS.findall(text))
            if _PLACES.search(text) or any(pair <= own_marks for pair in pairs):
                return True
        return False

    @property
    def has_marks(self) -> bool:
        """Tell whether each option has a mark."""
        return all(self.marks)

    def index_of(self, answer: str, form: Form) -> int | None:
        """Return the index of the option that an answer names, ``None`` where it names none."""
        if form == "mark" and self.has_marks:
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

    def write(self, options: Options, index: int) -> str:
        """Write the option at an index."""
        if self.form == "text" or not options.has_marks:
            return options.texts[index]
        mark = options.marks[index]
        cased = {"listed": mark, "lower": mark.lower(), "upper": mark.upper()}[self.case]
        return f"{self.before}{cased}{self.after}"

    def write_all(self, options: Options) -> tuple[str, ...]:
        """Write every option, in order: the answers that are valid."""
        return tuple(self.write(options, index) for index in range(len(options.marks)))


def parse_options(text: str) -> Options | None:
    """Find the options of a question: the last run of lines whose marks count up, else the last list of bullets.

    Lines between options that are none of them (an option over several lines) break the run. A list of bullets stands
    under a line that calls them options, choices or answers. ``None`` where there is neither.
    """
    runs: list[list[re.Match[str]]] = []
    for match in LINE.finditer(text):
        last = runs[-1][-1] if runs else None
        if last is not None and not text[last.end() : match.start()].strip() and _follows(last[1], match[1]):
            runs[-1].append(match)
        else:
            runs.append([match])
    run = next((run for run in reversed(runs) if len(run) > 1), None)
    if run is None:
        return _parse_bullets(text)
    return Options(
        marks=tuple(match[1] for match in run),
        texts=tuple(match[2] for match in run),
        spans=tuple(match.span(2) for match in run),
    )


def _parse_bullets(text: str) -> Options | None:
    lists = list(_BULLETED.finditer(text))
    if not lists:
        return None
    run = list(_BULLET.finditer(text, *lists[-1].span(1)))
    return Options(
        marks=("",) * len(run),
        texts=tuple(match[1] for match in run),
        spans=tuple(match.span(1) for match in run),
    )


def infer_answer_form(examples: Sequence[Example]) -> Form:
    """Say how targets name their option: as most of the rows do that can be read in one way alone."""
    votes = {"mark": 0, "text": 0}
    for example in examples:
        options = parse_options(example.input)
        if options is None:
            continue
        by_mark, by_text = (options.index_of(example.target, form) is not None for form in ("mark", "text"))
        if by_mark != by_text:
            votes["mark" if by_mark else "text"] += 1
    return "text" if votes["text"] > votes["mark"] else "mark"


def infer_format(examples: Sequence[Example]) -> OptionFormat | None:
    """Find how targets write their option, as most rows do.

    ``None`` where no more than half of the rows that list options have one of them as their target: what stands on
    those lines is then something else.
    """
    form = infer_answer_form(examples)
    listed = [(options, row.target) for row in examples if (options := parse_options(row.input)) is not None]
    answered = [
        (options, target, index) for options, target in listed if (index := options.index_of(target, form)) is not None
    ]
    if 2 * len(answered) <= len(listed):
        return None
    if form == "text":
        return OptionFormat(form=form)
    votes: Counter[OptionFormat] = Counter()
    answered = [row for row in answered if row[0].has_marks]
    if not answered:
        return OptionFormat(form="text")
    for options, target, index in answered:
        before, _, after = _split_at_mark(target.strip())
        for case in _CASES:
            wording = OptionFormat(form=form, before=before, after=after, case=case)
            votes[wording] += wording.write(options, index) == target.strip()
    return min(votes, key=lambda wording: (-votes[wording], _CASES.index(wording.case), wording.before, wording.after))


def target_format(target: str, mark: str) -> OptionFormat:
    """Return the wording of one target that names an option by its mark."""
    before, core, after = _split_at_mark(target)
    case: Case = "listed" if core == mark else "lower" if core == core.lower() else "upper"
    return OptionFormat(form="mark", before=before, after=after, case=case)


def normalize_option(answer: str) -> str:
    """Return what an answer names, without the marks around it and whatever its case."""
    return answer.strip().strip(_AROUND).casefold()


def _split_at_mark(target: str) -> tuple[str, str, str]:
    """Part a target into what stands before its mark, the mark, and what stands behind it."""
    core = target.strip().strip(_AROUND)
    return target.partition(core) if core else (target, "", "")


def _follows(first: str, second: str) -> bool:
    if first.isdigit() and second.isdigit():
        return int(second) == int(first) + 1
    return not first.isdigit() and not second.isdigit() and ord(second.casefold()) == ord(first.casefold()) + 1


def shuffle_options(examples: Sequence[Example], seed: int, form: Form | None = None) -> tuple[list[Example], int]:
    """Ask every question with its options in a random order; the marks stay where they are, the target goes along.

    The order follows from the seed and the question's own words; ``form`` is that of the rows where none is given.
    Returns the rows, and how many of them keep their order: those whose options are not found, speak of one another's
    places, or do not hold the target.
    """
    form = form or infer_answer_form(examples)
    shuffled = [_reorder(example, form, _order(example, seed, "first")) for example in examples]
    return [new or old for new, old in zip(shuffled, examples, strict=True)], sum(new is None for new in shuffled)


def reshuffle_options(example: Example, form: Form, seed: int) -> Example | None:
    """Ask a question with its options in one more order, never the one they have; ``None`` where it keeps its order."""
    return _reorder(example, form, _order(example, seed, "second"))


def is_same_option(
    first: Example, first_answer: str | None, second: Example, second_answer: str | None, form: Form
) -> bool:
    """Tell whether two answers, to two orders of one question, name the same option; no valid answer never does."""
    text = _named_option(first, first_answer, form)
    return text is not None and text == _named_option(second, second_answer, form)


def _named_option(example: Example, answer: str | None, form: Form) -> str | None:
    """Return the text of the option that an answer names, ``None`` where it names none."""
    options = parse_options(example.input)
    index = None if options is None or answer is None else options.index_of(answer, form)
    return None if options is None or index is None else options.texts[index]


def _reorder(example: Example, form: Form, order: Sequence[int] | None) -> Example | None:
    options = parse_options(example.input)
    if order is None or options is None or options.refers_to_others():
        return None
    at = options.index_of(example.target, form)
    if at is None:
        return None
    text = example.input
    for (start, end), source in sorted(zip(options.spans, order, strict=True), reverse=True):
        text = text[:start] + options.texts[source] + text[end:]
    target = example.target
    if form == "mark" and options.has_marks:
        target = target_format(target, options.marks[at]).write(options, order.index(at))
    return dataclasses.replace(example, input=text, target=target)


def _order(example: Example, seed: int, turn: str) -> list[int] | None:
    """Draw an order by sorting the indices by what they hash to; a second one is drawn until it moves an option."""
    options = parse_options(example.input)
    if options is None:
        return None
    name, indices = digest([seed, turn, example.input]), list(range(len(options.marks)))
    order = _sort_by_digest(indices, name)
    while turn == "second" and order == indices:
        name = digest(name)
        order = _sort_by_digest(indices, name)
    return order


def _sort_by_digest(indices: Sequence[int], name: str) -> list[int]:
    return sorted(indices, key=lambda index: digest([name, index]))
