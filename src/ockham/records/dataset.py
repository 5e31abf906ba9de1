"""What is read: examples, the data set they make, what was left out and why, and its split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from ockham.records.canonical import digest

TaskName = Literal["classify", "extract", "choose", "generate"]
Side = Literal["train", "valid", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One labelled row: what goes in and the answer a person gave.

    ``id`` is the record number in its file ("17"), with the file's name in
    front ("test.csv:17") where there are several.
    """

    id: str
    input: str
    target: str
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The examples of one task, in file order. It has no slots, so that its digest is taken once."""

    name: str
    task: TaskName
    examples: tuple[Example, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The distinct targets, sorted."""
        return tuple(sorted({example.target for example in self.examples}))

    @cached_property
    def digest(self) -> str:
        """Name the content: SHA-256 over task and examples (the dataset's name is not content)."""
        return digest([self.task, [[e.id, e.input, e.target, e.group] for e in self.examples]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A record that could not be read safely: kept out, counted, and named by place, never by content."""

    file: str
    record: int
    offset: int | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A readable row that was left out, the rule that left it out, and the row that stays in its place (if any)."""

    id: str
    reason: str
    kept_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMerge:
    """Two spellings of what looks like one label; proposed to the user, never merged silently."""

    labels: tuple[str, ...]
    counts: tuple[int, ...]
    proposal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Rows with the same input and different targets; all of them are left out until a person decides."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How one file was read: said to the user, so that nothing is guessed silently."""

    file: str
    """Name of the file."""
    sha256: str
    """SHA-256 of the file."""
    format: str
    """Format that it was read as."""
    encoding: str
    """Text encoding."""
    dialect: str | None
    """Separator of a table of text; null for other formats."""
    inputs: tuple[str, ...]
    """Columns with the input."""
    target: str
    """Column with the correct answer."""
    group: str | None
    """Column with the group; null where there is none."""
    records: int
    """Records in the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What reading and cleaning did. Always: rows = kept_rows + dropped + quarantined."""

    rows: int
    kept_rows: int
    dropped: tuple[Dropped, ...]
    quarantined: tuple[Quarantined, ...]
    sources: tuple[Source, ...]
    merges: tuple[LabelMerge, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    personal: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    task_reason: str = ""

    def dropped_counts(self) -> dict[str, int]:
        """Count what was left out, per rule, largest first; quarantined records count under their own name."""
        counts: dict[str, int] = {}
        for row in self.dropped:
            counts[row.reason] = counts.get(row.reason, 0) + 1
        if self.quarantined:
            counts["quarantined"] = len(self.quarantined)
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Which example stands where. ``clusters[i]`` names the cluster of example i; no cluster stands on two sides."""

    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]
    clusters: tuple[int, ...]
    leaks_prevented: int
    warnings: tuple[str, ...] = ()
