"""Whether targets are of the form that a task reads: over rows with nothing to measure, every metric is perfect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ockham.data.multiple_choice import LINE, normalize_option, parse_options
from ockham.data.task import is_object
from ockham.errors import DataError
from ockham.plain_numbers import percent_limit
from ockham.records import Dropped, Example, TaskName

MOST_UNREADABLE = 0.05
"""The largest share of rows whose targets may be of another form than the task's; those rows are left out."""
REASON = "unreadable_target"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetForm:
    """What a task needs of a target: a test of a row, what its targets have to be, and what they are otherwise."""

    reads: Callable[[Example], bool]
    needs: str
    lacks: str


def leave_out_unreadable(
    task: TaskName, examples: Sequence[Example]
) -> tuple[tuple[Example, ...], tuple[Dropped, ...]]:
    """Return the rows whose targets the task can read, and the others as left out, each for the same reason.

    Raises `DataError` (``E_LABEL_TASK``) where more than `MOST_UNREADABLE` of the rows are of another form, or where no
    target holds a field: nothing would be measured then, and every answer would be right.
    """
    form = FORMS.get(task)
    if form is None:
        return tuple(examples), ()
    readable = tuple(example for example in examples if form.reads(example))
    unreadable, rows = len(examples) - len(readable), len(examples)
    if unreadable > MOST_UNREADABLE * rows:
        message = (
            f"{unreadable:,} of {rows:,} targets {form.lacks}, and the task {task} {form.needs}; at most "
            f"{percent_limit(MOST_UNREADABLE)} may be of another form"
        )
        raise DataError("E_LABEL_TASK", message, fix=_FIX)
    if task == "extract" and readable and not any(_has_field(json.loads(example.target)) for example in readable):
        message = f"none of the {len(readable):,} targets has a field with a value, so there is nothing to extract"
        raise DataError(
            "E_LABEL_TASK", message, fix="name the column of the objects with --target, or fill their fields"
        )
    inside = {example.id for example in readable}
    dropped = tuple(Dropped(id=example.id, reason=REASON) for example in examples if example.id not in inside)
    return readable, dropped


def _is_option(example: Example) -> bool:
    options = parse_options(example.input)
    if options is not None and any(options.index_of(example.target, form) is not None for form in ("mark", "text")):
        return True
    listed = LINE.findall(example.input)
    target = example.target.strip()
    return len(listed) > 1 and any(
        normalize_option(target) == normalize_option(mark) or target == text for mark, text in listed
    )


def _is_single(example: Example) -> bool:
    """Tell whether a target can be a label: anything but a list of lists or objects, such as marked spans."""
    if not example.target.lstrip().startswith("["):
        return True
    try:
        value = json.loads(example.target)
    except (ValueError, RecursionError):
        return True
    return not (isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value))


def _has_field(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_field, value.values()))
    if isinstance(value, list):
        return any(map(_has_field, value))
    return bool(value.split()) if isinstance(value, str) else value is not None


_FIX = "name the right column with --target, or leave --task out to have the task follow from the targets"
FORMS: Mapping[TaskName, TargetForm] = {
    "extract": TargetForm(
        reads=lambda example: is_object(example.target),
        needs="reads the fields of JSON objects",
        lacks="are no JSON object",
    ),
    "choose": TargetForm(
        reads=_is_option,
        needs="reads an option that the row's own input lists, by its mark or its text",
        lacks="are not among options that their inputs list",
    ),
    "classify": TargetForm(
        reads=_is_single,
        needs="reads one label a row",
        lacks="are lists of lists or of objects, such as marked spans",
    ),
}
"""Text can be written whatever it is, so ``generate`` has none."""
