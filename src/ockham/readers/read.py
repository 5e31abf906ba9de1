"""Read examples: any supported file, folder of files, or table in memory, into rows and what had to be left out."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from ockham.printable import printable
from ockham.readers.columns import ColumnRequest
from ockham.readers.examples import ExampleCollector
from ockham.readers.folder_files import DataFile, files_of
from ockham.readers.formats import open_examples
from ockham.readers.in_memory import memory_table
from ockham.readers.label_sets import ListReading
from ockham.readers.local_file import open_file, refusal_of
from ockham.records import Dropped, Example, Quarantined, Side, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSpec:
    """How to read: which columns (empty or ``None``: find them), which encoding (``None``: byte order mark or UTF-8).

    ``labelled=False`` reads inputs only: no target is needed and every target is "". ``several_labels`` says what to do
    with rows that have several labels; ``merge_labels`` is for cleaning: it takes the proposed spelling of each label.
    """

    inputs: tuple[str, ...] = ()
    target: str | None = None
    group: str | None = None
    encoding: str | None = None
    labelled: bool = True
    several_labels: ListReading | None = None
    merge_labels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """What was read. ``rows`` = examples + dropped + quarantined; a target that is missing or blank is "".

    ``dropped`` are rows that say themselves that they are not to be used, ``sides`` the sides of the user's own split
    by the ids of their rows. ``spans`` says that targets are spans of the text.
    """

    examples: tuple[Example, ...]
    rows: int
    quarantined: tuple[Quarantined, ...]
    sources: tuple[Source, ...]
    warnings: tuple[str, ...]
    dropped: tuple[Dropped, ...] = ()
    sides: Mapping[str, Side] = field(default_factory=dict)
    spans: bool = False


def read(source: object, spec: ReadSpec) -> ReadResult:
    """Read the examples of a file, a folder of files, a pandas or polars frame, an Arrow table or a list of dicts.

    Cells are taken verbatim. Several input columns become "name: value" lines, empty cells left out; a target that is
    a JSON object or list becomes canonical JSON. Nothing on disk changes.

    Raises `DataError`: ``E_EMPTY``, ``E_ENCODING``, ``E_FORMAT``, ``E_NOT_REGULAR``, ``E_CHANGED``, ``E_IO``,
    ``E_COLUMN``, ``E_LABEL_MISSING``, ``E_LABEL_SEVERAL``.
    """
    harvest = ExampleCollector()
    request = ColumnRequest(
        inputs=spec.inputs, target=spec.target, group=spec.group, labelled=spec.labelled, source="", headerless=False
    )
    if isinstance(source, (str, PathLike)):
        for path, prefix, side in _files(Path(source), harvest):
            with open_file(path) as file, open_examples(file, spec.encoding) as opened:
                harvest.gather(opened.table, request, prefix=prefix, sha256=file.sha256, side=side)
                file.verify(content=not opened.in_order)
    else:
        harvest.gather(memory_table(source), request, prefix="", sha256="")
    rows = len(harvest.examples) + len(harvest.dropped) + len(harvest.quarantined)
    harvest.settle(spec.several_labels)
    harvest.remark()
    return ReadResult(
        examples=tuple(harvest.examples),
        dropped=tuple(harvest.dropped),
        sides=harvest.sides,
        spans=harvest.spans,
        rows=rows,
        quarantined=tuple(harvest.quarantined),
        sources=tuple(harvest.sources),
        warnings=tuple(harvest.warnings),
    )


def _files(path: Path, harvest: ExampleCollector) -> tuple[DataFile, ...]:
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return (DataFile(path, ""),)
    except (OSError, ValueError) as error:
        raise refusal_of(path, error) from error
    folder = files_of(path)
    if folder.others:
        harvest.warnings.append(f"{folder.others} other entries of the folder {printable(path)} were not read")
    if any(file.side for file in folder.files):
        harvest.warnings.append("the files are named as sides of a split, which is taken as it is")
    return folder.files
