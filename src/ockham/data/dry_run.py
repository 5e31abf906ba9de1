"""What a fit would read: form, columns, task, labels with counts, and what would be left out and why."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from ockham.data import task
from ockham.data.label_merges import merge_notes
from ockham.data.own_split import shared_text_of
from ockham.data.passage_search import describe_shared_text
from ockham.data.prepare import read_sides
from ockham.errors import DataError
from ockham.readers.read import ReadSpec
from ockham.records import Example, Source, TaskName

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What stands in the data; no row of it. Always: rows = kept_rows + the counts of what is left out.

    ``sides`` are rows by side where the data name sides, ``labels`` rows by label where the task is to classify.
    ``task`` is ``None`` where the rows cannot be used, and ``task_reason`` says why.
    """

    sources: tuple[Source, ...]
    """The files, and how each would be read."""
    task: TaskName | None
    """The task; null where the rows cannot be used."""
    task_reason: str
    """Why it is this task, or why the rows cannot be used."""
    rows: int
    """Rows read."""
    kept_rows: int
    """Rows that would be used."""
    left_out: Mapping[str, int]
    """Rows that would be dropped, by reason."""
    sides: Mapping[str, int]
    """Rows for training, validation and testing, where the data name them."""
    labels: Mapping[str, int]
    """Rows by label; empty for other tasks than classification."""
    warnings: tuple[str, ...]
    """Remarks for a person."""


def dry_run(
    source: object, spec: ReadSpec, *, test: object | None, task_name: TaskName | None
) -> tuple[DryRun, tuple[Example, ...]]:
    """Read and clean as a fit would, and return what there is with the first rows, without what all rows share.

    Raises `DataError` as `read` does.
    """
    sides, _ = read_sides(source, spec, test, task_name)
    name: TaskName | None = None
    try:
        name, why = task.infer(sides.examples, task_name)
    except DataError as error:
        why = f"{error.code}: {error.message}"
    intake = sides.intake
    counts = {"train": len(sides.train), "valid": len(sides.valid), "test": len(sides.test)}
    shared = shared_text_of(sides.train, sides.valid, sides.test)
    remark = describe_shared_text(shared, [example.input for example in sides.examples])
    shown = (
        dataclasses.replace(example, input=shared.text_to_compare(example.input)) for example in sides.examples[:_SHOWN]
    )
    labels = Counter(example.target for example in sides.examples) if name == "classify" else Counter[str]()
    outcome = DryRun(
        sources=intake.sources,
        task=name,
        task_reason=why,
        rows=intake.rows,
        kept_rows=intake.kept_rows,
        left_out=intake.dropped_counts(),
        sides=counts if sides.valid or sides.test else {},
        labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))),
        warnings=(*intake.warnings, *([remark] if remark else []), *merge_notes(intake.merges)),
    )
    return outcome, tuple(shown)
