"""Which task the examples show: classify, extract, choose or generate."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ockham.data.multiple_choice import LINE, normalize_option
from ockham.errors import DataError
from ockham.records import Example, TaskName

MIN_ROWS = 20
"""Fewer usable rows than this cannot be split, learned from and measured."""

_LONGEST_LABEL = 100
_CURRENCY = r"(?:[€$£¥]|EUR|USD|GBP|CHF|JPY)"
_NUMBER = re.compile(
    rf"(?:{_CURRENCY}\s?)?[+-]?(?:\d{{1,3}}(?:[ ,'_.\u00a0\u202f]\d{{3}})+|\d+)?(?:[.,]\d+)?(?:[eE][+-]?\d+)?"
    rf"(?:\s?(?:%|{_CURRENCY}))?"
)
_IDENTIFIER = re.compile(r"(?=\S*\d)\S{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """What targets are, counted: rows, different targets, rows whose target is like no label, and is a JSON object."""

    rows: int
    distinct: int
    unlike: int
    objects: int

    @property
    def are_labels(self) -> bool:
        """Tell whether the targets are labels: none is unlike one, and each comes twice on average."""
        return self.rows > 0 and 2 * self.distinct <= self.rows and not self.unlike

    @property
    def are_free_text(self) -> bool:
        """Tell whether the targets are text to be written, where one input may well have several right answers."""
        return self.rows >= MIN_ROWS and 2 * self.distinct > self.rows and self.objects < self.rows


def infer(examples: Sequence[Example], override: TaskName | None = None) -> tuple[TaskName, str]:
    """Name the task that the targets show, and say why in one sentence; ``override`` decides where it is given.

    Raises `DataError`: ``E_TOO_FEW`` under 20 examples; ``E_LABEL_MISSING`` for objects where labels were asked for;
    ``E_LABEL_ONE`` for one answer only; ``E_LABEL_NUMERIC`` for targets that look like quantities; ``E_LABEL_DISTINCT``
    for targets that look like identifiers, or that hardly repeat where ``classify`` was asked for.
    """
    if len(examples) < MIN_ROWS:
        raise DataError(
            "E_TOO_FEW",
            f"{len(examples)} usable examples are left, but at least {MIN_ROWS} are needed",
            fix="add labelled examples; a few hundred are enough for most verdicts",
        )
    targets = [example.target for example in examples]
    distinct = len(set(targets))
    if override is not None:
        if override == "classify":
            _check_no_objects(targets)
            _check_labels(targets, distinct)
        return override, "it was requested"
    if distinct > 1 and all(map(is_object, targets)):
        return "extract", f"all {len(targets):,} targets are JSON objects, so the task is to extract their fields"
    if distinct > 1 and _are_choices(examples):
        return "choose", "the targets are among options that their own inputs list, so the task is to choose"
    if distinct == 1 or _are_quantities(targets) or _are_identifiers(targets, distinct):
        _check_labels(targets, distinct)
    if are_labels(targets):
        return "classify", f"{len(targets):,} rows share {distinct:,} short targets, so the targets are labels"
    return "generate", f"{len(targets):,} rows have {distinct:,} different targets, so the task is to write text"


def _check_no_objects(targets: Sequence[str]) -> None:
    if not all(map(is_object, targets)):
        return
    raise DataError(
        "E_LABEL_MISSING",
        "every target is an object with fields, which is no label to classify by",
        fix="name one column of labels with --target, or omit --task to extract the fields",
    )


def are_labels(targets: Sequence[str]) -> bool:
    """Tell whether targets are labels: at least two rows for each on average, none over 100 characters or one line."""
    return _kinds(targets).are_labels


def are_free_text(targets: Sequence[str]) -> bool:
    """Tell whether targets are text to be written, where one input may well have several right answers."""
    return _kinds(targets).are_free_text


def is_object(target: str) -> bool:
    """Tell whether a target is a JSON object."""
    if not target.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(target), dict)
    except (ValueError, RecursionError):
        return False


def is_like_label(target: str) -> bool:
    """Tell whether a target could be a label: one line of at most 100 characters, and no JSON object."""
    return len(target) <= _LONGEST_LABEL and "\n" not in target.strip() and not is_object(target)


def _kinds(targets: Sequence[str]) -> Kinds:
    counts = Counter(targets)
    return Kinds(
        rows=len(targets),
        distinct=len(counts),
        unlike=sum(count for target, count in counts.items() if not is_like_label(target)),
        objects=sum(count for target, count in counts.items() if is_object(target)),
    )


def _check_labels(targets: Sequence[str], distinct: int) -> None:
    n = len(targets)
    if distinct == 1:
        raise DataError(
            "E_LABEL_ONE",
            f"all {n:,} examples have the same target, so there is nothing to learn",
            fix="add examples of the other labels, or name another column with --target",
        )
    if _are_quantities(targets):
        raise DataError(
            "E_LABEL_NUMERIC",
            f"the target column holds {distinct:,} different numbers in {n:,} rows: quantities or identifiers",
            fix="name the label column with --target, group the numbers into named ranges, or add --task generate",
        )
    if distinct * 10 >= n * 9:
        raise DataError(
            "E_LABEL_DISTINCT",
            f"{distinct:,} of {n:,} targets are different: identifiers or free text, not labels",
            fix="name the label column with --target, or add --task generate if the model is to write these texts",
        )


def _are_quantities(targets: Sequence[str]) -> bool:
    numbers = [
        t for t in (target.strip() for target in targets) if t and any(map(str.isdigit, t)) and _NUMBER.fullmatch(t)
    ]
    distinct = set(numbers)
    if len(numbers) * 20 < len(targets) * 19 or len(distinct) <= 20:
        return False
    # Class numbers (0 to 76) are whole and come back often; quantities and row numbers do not.
    whole = all(number.lstrip("+-").isdigit() for number in distinct)
    return not whole or len(distinct) * 10 > len(numbers)


def _are_identifiers(targets: Sequence[str], distinct: int) -> bool:
    return distinct * 20 >= len(targets) * 19 and all(_IDENTIFIER.fullmatch(target.strip()) for target in targets)


def _are_choices(examples: Sequence[Example]) -> bool:
    return sum(map(_is_choice, examples)) * 20 >= len(examples) * 19


def _is_choice(example: Example) -> bool:
    options = LINE.findall(example.input)
    if len(options) < 2:
        return False
    target = example.target.strip()
    return normalize_option(target) in {normalize_option(mark) for mark, _ in options} or target in {
        text for _, text in options
    }
