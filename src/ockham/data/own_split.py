"""The user's own split: rows that a file or a column puts on a side stay there, and no row of training repeats one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ockham.data.clean import clean, drop_seen
from ockham.data.passage_search import find_shared_text
from ockham.data.shared_text import SharedText
from ockham.data.split import SplitSpec, split, split_with_test
from ockham.readers.read import ReadResult
from ockham.records import Dropped, Example, IngestReport, Side, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The cleaned rows of each side, and what happened to all others."""

    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: tuple[Example, ...]
    intake: IngestReport

    @property
    def examples(self) -> tuple[Example, ...]:
        """Return all rows, in the order that the split counts them in."""
        return (*self.train, *self.valid, *self.test)

    def map_inputs(self, change: Callable[[str], str]) -> Sides:
        """Return the same rows with other inputs."""
        train, valid, test = (
            tuple(dataclasses.replace(row, input=change(row.input)) for row in rows)
            for rows in (self.train, self.valid, self.test)
        )
        return dataclasses.replace(self, train=train, valid=valid, test=test)


def shared_text_of(*sides: Sequence[Example]) -> SharedText:
    """Find the text that the rows of each side share."""
    shared = SharedText()
    for rows in sides:
        shared = shared.union(find_shared_text([row.input for row in rows], [row.target for row in rows]))
    return shared


def clean_sides(reading: ReadResult) -> Sides:
    """Clean each side by itself; training rows that another side shows again leave, test rows all stay."""
    parts = {side: _part(reading, side) for side in ("train", "valid", "test")}
    train, intake = clean(parts["train"])
    valid, valid_intake = clean(parts["valid"])
    test, test_intake = clean(parts["test"])
    warnings = list(intake.warnings)
    if parts["test"].examples and not test:
        warnings.append("no row of the test side has an input and a label: the test set is drawn from the other rows")
    shared = shared_text_of(train, valid, test)
    valid, valid_seen = drop_seen(valid, test, shared) if valid and test else (valid, ())
    train, seen = drop_seen(train, test, shared) if test else (train, ())
    train, near = drop_seen(train, valid, shared, name="validation") if valid else (train, ())
    return Sides(
        train=tuple(train),
        valid=tuple(valid),
        test=tuple(test),
        intake=_join(
            (intake, valid_intake, test_intake),
            len(train) + len(valid) + len(test),
            (*valid_seen, *seen, *near),
            tuple(warnings),
        ),
    )


def join_intakes(intakes: Sequence[IngestReport], kept: int, seen: tuple[Dropped, ...]) -> IngestReport:
    """Put the accounts of several sets into one; ``seen`` are the rows that one shows and another left."""
    return _join(intakes, kept, seen, tuple(text for intake in intakes for text in intake.warnings))


def _join(
    intakes: Sequence[IngestReport], kept: int, seen: tuple[Dropped, ...], warnings: tuple[str, ...]
) -> IngestReport:
    kinds = sorted({kind for intake in intakes for kind in intake.personal})
    return IngestReport(
        rows=sum(intake.rows for intake in intakes),
        kept_rows=kept,
        dropped=(*(row for intake in intakes for row in intake.dropped), *seen),
        quarantined=tuple(record for intake in intakes for record in intake.quarantined),
        sources=tuple(source for intake in intakes for source in intake.sources),
        merges=intakes[0].merges,
        conflicts=tuple(conflict for intake in intakes for conflict in intake.conflicts),
        personal={kind: sum(intake.personal.get(kind, 0) for intake in intakes) for kind in kinds},
        warnings=warnings,
    )


def split_sides(sides: Sides, clusters: NDArray[np.int64], spec: SplitSpec) -> Split:
    """Divide as the user did; a side that they left empty is drawn from the training rows.

    Raises what `split` and `split_with_test` raise.
    """
    train, valid = len(sides.train), len(sides.valid)
    if not sides.valid:
        return split_with_test(sides.train, sides.test, clusters, spec)
    if sides.test:
        # A row of training that resembles another side left before: what remains in one cluster is on one side.
        whole = split_with_test((*sides.train, *sides.valid), sides.test, clusters, spec)
        return dataclasses.replace(whole, train=tuple(range(train)), valid=tuple(range(train, train + valid)))
    drawn = split(sides.train, clusters[:train], dataclasses.replace(spec, valid_share=0.0))
    return dataclasses.replace(
        drawn, valid=tuple(range(train, train + valid)), clusters=tuple(int(cluster) for cluster in clusters)
    )


def _part(reading: ReadResult, side: Side) -> ReadResult:
    """Return the rows of one side; rows that name none are for training, which also answers for what was not read."""
    rows = tuple(row for row in reading.examples if reading.sides.get(row.id, "train") == side)
    if side != "train":
        return dataclasses.replace(
            reading, examples=rows, rows=len(rows), quarantined=(), sources=(), warnings=(), dropped=()
        )
    return dataclasses.replace(reading, examples=rows, rows=len(rows) + len(reading.quarantined) + len(reading.dropped))
