"""Read examples: any supported file, folder of files, or table in memory, into rows and what had to be left out."""

from __future__ import annotations

import dataclasses
import stat
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.columns import ColumnRequest, plain_name
from ockham.readers.compressed_file import Unpacked
from ockham.readers.csv_header import DELIMITERS
from ockham.readers.examples import ExampleCollector
from ockham.readers.folder_files import DataFile, files_of, label_names_beside
from ockham.readers.formats import OpenedTable, open_examples
from ockham.readers.forms.form import LeftOut
from ockham.readers.in_memory import memory_table
from ockham.readers.input_rows import InputRow, InputTable, rows_of
from ockham.readers.label_sets import SeveralLabels
from ockham.readers.local_file import RegularFile, open_file, refusal_of
from ockham.readers.table import Table
from ockham.records import Dropped, Example, Quarantined, Side, Source

_FIXED_COLUMNS = ("csv", "tsv", "parquet", "arrow", "spreadsheet")
"""Formats whose rows have no column that the file does not name first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSpec:
    """How to read: which columns (empty or ``None``: find them), which encoding (``None``: byte order mark or UTF-8).

    ``target`` may name several columns, with commas between them: they are the fields of one object. ``fields``: so is
    a single column, unless its cells are objects already.
    ``labelled=False`` reads inputs only: no target is needed and every target is "". ``several_labels`` says what to do
    with rows that have several labels; ``merge_labels`` is for cleaning: it takes the proposed spelling of each label.
    """

    inputs: tuple[str, ...] = ()
    target: str | None = None
    fields: bool = False
    group: str | None = None
    encoding: str | None = None
    labelled: bool = True
    several_labels: SeveralLabels | None = None
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
        inputs=spec.inputs,
        target=spec.target,
        fields=spec.fields,
        group=spec.group,
        labelled=spec.labelled,
        source="",
    )
    if isinstance(source, (str, PathLike)):
        files = _files(Path(source), harvest)
        errors = [_gather_file(harvest, entry, Path(source), request, spec.encoding) for entry in files]
        _settle_sides(harvest, [error for error in errors if error is not None])
    else:
        harvest.add_table(memory_table(source), request, prefix="", sha256="")
    rows = len(harvest.examples) + len(harvest.dropped) + len(harvest.quarantined)
    harvest.settle(spec.several_labels)
    harvest.add_warnings()
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


def _gather_file(
    harvest: ExampleCollector, entry: DataFile, source: Path, request: ColumnRequest, encoding: str | None
) -> DataError | None:
    """Add the rows of a file; return the error of a test or validation file that has no target."""
    with open_file(entry.path) as file, open_examples(file, encoding) as opened:
        table = _with_label_names(opened.table, entry.path, source)
        try:
            harvest.add_table(table, request, prefix=entry.prefix, sha256=file.sha256, side=entry.side)
        except DataError as error:
            if entry.side in (None, "train") or error.code != "E_LABEL_MISSING":
                raise
            return error
        file.verify(content=not opened.in_order)
        if isinstance(opened.file, Unpacked) and opened.file.cut:
            harvest.warnings.append(
                f"{file.name}: the compressed data ends early, so rows at the end of the file are missing"
            )
    return None


def _settle_sides(harvest: ExampleCollector, bare: Sequence[DataError]) -> None:
    """Do without the files of a split that have no target, as Kaggle hides those of its tests.

    Raises the error of the first one where no other file is left, and `DataError` (``E_COLUMN``) where the targets of
    files have other names.
    """
    if bare and not harvest.sources:
        raise bare[0]
    harvest.warnings += [f"one file of the split was not used: {error.message}" for error in bare]
    if bare and set(harvest.sides.values()) <= {"train"}:
        harvest.sides.clear()
    targets = {plain_name(source.target): source for source in harvest.sources if source.target}
    if len(targets) > 1 and (bare or harvest.sides):
        first, second = list(targets.values())[:2]
        raise DataError(
            "E_COLUMN",
            f"{first.file} and {second.file} have different targets: {printable(first.target)!r} and"
            f" {printable(second.target)!r}",
            fix=f"name the column, for example --target {printable(second.target)}, or only one file",
        )
    if len(targets) > 1:
        first, second = list(targets.values())[:2]
        harvest.warnings.append(
            f"{first.file} and {second.file} have different targets, which are read as one:"
            f" {printable(first.target)!r} and {printable(second.target)!r}"
        )


@contextmanager
def open_inputs(source: object, spec: ReadSpec, names: Sequence[str] = ()) -> Iterator[InputTable]:
    """Open what `read` reads as rows to be answered, which are read as they are asked for.

    ``names`` are those of the columns of ``spec.inputs`` in a model's input, where they are others. Raises as `read`.
    """
    request = ColumnRequest(inputs=spec.inputs, target=None, group=None, labelled=False, source="", headerless=False)
    if not isinstance(source, (str, PathLike)):
        table = memory_table(source)
        open_ended = table.format == "list of dicts"
        yield InputTable(columns=tuple(table.columns), rows=rows_of(table, request, names), open_ended=open_ended)
        return
    files = _files(Path(source), ExampleCollector())
    if len(files) == 1:
        with open_file(files[0].path) as file, open_examples(file, spec.encoding) as opened:
            rows = _verify_after(rows_of(opened.table, request, names), file, opened)
            yield dataclasses.replace(_describe(opened.file, opened.table), rows=rows, size=file.size)
        return
    columns: dict[str, None] = {}
    for entry in files:
        with open_file(entry.path) as file, open_examples(file, spec.encoding) as opened:
            described = _describe(opened.file, opened.table)
            columns |= dict.fromkeys(opened.table.columns)
    yield dataclasses.replace(
        described, columns=tuple(columns), rows=_rows_of_files(files, request, spec, names), open_ended=True
    )


def _describe(file: RegularFile, table: Table) -> InputTable:
    """Return what a file looks like, without its rows."""
    signs = {word: sign for sign, word in DELIMITERS.items() if sign != "\t"}
    return InputTable(
        columns=tuple(table.columns),
        rows=iter(()),
        open_ended=not table.format.startswith(_FIXED_COLUMNS),
        delimiter=signs.get(table.dialect or "", ","),
        marked=_is_marked(file, table),
    )


def _is_marked(file: RegularFile, table: Table) -> bool:
    """Say whether a CSV file written alike needs a byte order mark, for its reader to see that it is UTF-8.

    The file has one itself, or is from a program that takes no UTF-8 without: a spreadsheet, or text in another
    encoding.
    """
    return file.head.startswith(BOM_UTF8) or table.encoding != "utf-8" or table.format.startswith("spreadsheet")


def _rows_of_files(
    files: Sequence[DataFile], request: ColumnRequest, spec: ReadSpec, names: Sequence[str]
) -> Iterator[InputRow | Quarantined | LeftOut]:
    for path, prefix, _ in files:
        with open_file(path) as file, open_examples(file, spec.encoding) as opened:
            yield from _verify_after(rows_of(opened.table, request, names, prefix), file, opened)


def _verify_after(
    rows: Iterator[InputRow | Quarantined | LeftOut], file: RegularFile, opened: OpenedTable
) -> Iterator[InputRow | Quarantined | LeftOut]:
    """Yield the rows of a file, and check in the end that it is still the one that was opened."""
    yield from rows
    file.verify(content=not opened.in_order)


def _files(path: Path, harvest: ExampleCollector) -> tuple[DataFile, ...]:
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            return (DataFile(path, ""),)
    except (OSError, ValueError) as error:
        raise refusal_of(path, error) from error
    folder = files_of(path)
    if folder.others:
        entries = "1 other entry" if folder.others == 1 else f"{folder.others} other entries"
        harvest.warnings.append(f"skipped {entries} in the folder {printable(path)}")
    if any(file.side for file in folder.files):
        harvest.warnings.append("using your own split: files are named train, validation or test")
    return folder.files


def _with_label_names(table: Table, path: Path, source: Path) -> Table:
    """Add the names of classes that stand in a note beside the file, or in the folder that was named."""
    if table.label_names:
        return table
    folders = dict.fromkeys([path.parent, source])
    names = next((names for folder in folders if (names := label_names_beside(folder))), {})
    return dataclasses.replace(table, label_names=names)
