"""The rows that a bundle is measured on: held against what it answers, and against the rows it has seen."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham.data import seen_rows
from ockham.data.clean import clean
from ockham.data.label_spellings import respell
from ockham.data.target_forms import MOST_UNREADABLE, leave_out_unreadable
from ockham.errors import DataError
from ockham.evals import tasks
from ockham.plain_numbers import percent_limit
from ockham.readers.read import ReadResult
from ockham.records import Estimate, Example, Manifest, Score, SeenShare, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparableRows:
    """Clean rows whose answers are written as the bundle writes them, and what was changed for that."""

    rows: tuple[Example, ...]
    remarks: tuple[str, ...]


def comparable_rows(manifest: Manifest, reading: ReadResult) -> ComparableRows:
    """Clean labelled rows, write their labels as the bundle does, and leave out what its task cannot read.

    Raises `DataError`: ``E_TOO_FEW`` where no row is left, ``E_LABEL_SET`` where the labels are not the bundle's,
    ``E_LABEL_TASK`` where the targets are not of its task's form.
    """
    remarks: tuple[str, ...] = ()
    if manifest.task == "classify":
        examples, remarks = respell(reading.examples, manifest.labels, owner="the bundle")
        reading = dataclasses.replace(reading, examples=examples)
    rows, _ = clean(reading)
    if not rows:
        raise DataError("E_TOO_FEW", "no row is left after cleaning", fix="give a file of labelled rows")
    readable, unreadable = leave_out_unreadable(manifest.task, rows)
    if unreadable:
        remarks += (
            f"{len(unreadable):,} of {len(rows):,} rows were dropped: their targets are not of the form that the task "
            f"{manifest.task} reads (up to {percent_limit(MOST_UNREADABLE)} may be)",
        )
    return ComparableRows(rows=readable, remarks=remarks)


def count_seen(folder: Path, manifest: Manifest, rows: Sequence[Example]) -> tuple[Side | None, ...] | None:
    """Say of each row on which side of the bundle's own data it stands; ``None`` where the bundle does not know.

    Rows are one where they differ in case, digits and punctuation alone.
    """
    path = folder / seen_rows.FILE
    seen = seen_rows.unpack(path.read_bytes()) if path.is_file() else None
    return None if seen is None else tuple(seen.side_of(row.input, manifest.task) for row in rows)


def seen_share(manifest: Manifest, scores: Sequence[Score], sides: Sequence[Side | None] | None) -> SeenShare | None:
    """Count the rows that the bundle has seen, and estimate the metrics on those that it was not made from."""
    if sides is None:
        return None
    counts = Counter(sides)
    fresh = [score for score, side in zip(scores, sides, strict=True) if side is None]
    without: dict[str, Estimate] = {}
    if fresh and len(fresh) < len(scores):
        without = tasks.estimate_metrics(manifest.task, fresh, manifest.labels)
    return SeenShare(rows=len(scores), trained=counts["train"], chosen_by=counts["valid"], without=without)
