"""Turn the rows of tables into examples, keep out what cannot be text, and remark on what the user should know."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

from ockham.errors import DataError
from ockham.readers.chat import UnsoundError
from ockham.readers.columns import INPUTS, TARGETS, ColumnRequest, Columns, choose, plain_name
from ockham.readers.csv_header import DELIMITERS
from ockham.readers.forms.form import Form, FormReader, FormSample, LeftOut
from ockham.readers.forms.form_table import SAMPLE, complete_request, open_form
from ockham.readers.forms.spans import stands_inside_word
from ockham.readers.json_file import TRUNCATED
from ockham.readers.label_sets import SeveralLabels, joined_labels, labels_in, settle_labels
from ockham.readers.row_status import NAMES, StatusColumn, find_status_columns, side_of, why_left_out
from ockham.readers.table import (
    UNWRITABLE,
    BrokenRow,
    NotFiniteError,
    Table,
    TableRow,
    check_readable,
    text_of,
    unusable,
)
from ockham.readers.target_names import split_names
from ockham.records import Dropped, Example, Quarantined, Side, Source

PEEKED = frozenset({
    *INPUTS, *TARGETS, *NAMES, "messages", "conversations", "conversation", "ideal", "data", "annotations", "accept",
    "options", "spans", "cats", "entities", "relations", "_input_hash", "_view_id", "annotation_id", "vars", "assert",
    "choices", "tools", "chosen", "rejected", "tokens", "ner_tags", "tags", "words",
})  # fmt: skip
"""Names of columns that a form or a status is told by, in files of more columns than `_MOST_PEEKED` or of bytes."""
_MOST_PEEKED = 100


_TOTALS = frozenset({
    "total", "totals", "grand total", "sum", "count", "summe", "gesamt", "gesamtsumme", "insgesamt", "anzahl", "totale",
    "somme", "suma", "totaal",
})  # fmt: skip
"""What the last row of a sheet is called that sums up the others."""
_MOST_INSIDE = 0.1
"""The largest share of spans that may begin or end inside a word, as parts of compounds do."""
_ENOUGH = 3
_DIGITS = 10
"""A number of a class in a table of text is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTable:
    """A table with its form and columns chosen: what turns its records into examples."""

    table: Table
    form: Form | None
    reader: FormReader | None
    columns: Columns | None
    status: tuple[StatusColumn, ...]
    labelled: bool

    @property
    def format(self) -> str:
        """Return the format as it is said, with the name of the form."""
        return self.table.format if self.form is None else f"{self.table.format}, {self.form.name}"

    def rows(self) -> Iterator[TableRow | BrokenRow]:
        """Return the records, of plain tables those columns alone that are needed."""
        if self.table.project is None or self.columns is None or self.reader is not None:
            return self.table.rows
        chosen = self.columns
        names = [*chosen.inputs, chosen.target, chosen.group, chosen.id, *(column.name for column in self.status)]
        return self.table.project(list(dict.fromkeys(name for name in names if name)))

    def cells_of(self, row: TableRow) -> Mapping[str, object] | LeftOut:
        """Return the cells of a record by the columns of its form, or the rule that leaves it out.

        Raises `UnsoundError` where the record is not of the form.
        """
        if self.labelled and _repeats_names(row.cells):
            return LeftOut("names_of_columns")
        cells: Mapping[str, object] | LeftOut = row.cells if self.reader is None else self.reader.convert(row.cells)
        if isinstance(cells, LeftOut) or not self.labelled:
            return cells
        reason = why_left_out({**row.cells, **cells}, self.status) if self.status else ""
        return LeftOut(reason) if reason else cells


def choose_form(table: Table, request: ColumnRequest) -> OpenTable:
    """Find out the form of a table by its first records, and choose the columns.

    Raises `DataError` (``E_COLUMN``, ``E_LABEL_MISSING``) as `choose` and the forms do.
    """
    table, rows = _peek(table, request.target or "")
    delimiter = next((sign for sign, word in DELIMITERS.items() if word == table.dialect), ",")
    request = dataclasses.replace(request, source=table.name, headerless=table.headerless, delimiter=delimiter)
    sample = FormSample(columns=tuple(table.columns), rows=tuple(rows), request=request, label_names=table.label_names)
    form, reader = open_form(sample) or (None, None)
    names: Sequence[str] = table.columns
    if form is not None and reader is not None:
        request, names = complete_request(request, reader), reader.columns
        rows = _as_made(rows, form.open(sample) or reader)  # by another reader, since one counts what it reads
    named = [name for name in (*request.inputs, request.target, request.group) if name]
    status = find_status_columns(names, rows, named) if request.labelled else ()
    aside = tuple(column.name for column in status)
    request = dataclasses.replace(request, aside=aside, rows=tuple(rows))
    columns = choose(names, request) if names else None
    return OpenTable(table=table, form=form, reader=reader, columns=columns, status=status, labelled=request.labelled)


def _as_made(rows: Sequence[Mapping[str, object]], reader: FormReader) -> list[Mapping[str, object]]:
    """Return the records that a form does not leave out, with what it makes of them beside what they hold."""
    converted: list[Mapping[str, object]] = []
    for row in rows:
        with suppress(UnsoundError):
            cells = reader.convert(row)
            converted += [] if isinstance(cells, LeftOut) else [{**row, **cells}]
    return converted


def _peek(table: Table, target: str) -> tuple[Table, list[Mapping[str, object]]]:
    """Return the table as it was, and its first sound records; of wide files the columns alone that a form may have."""
    if table.project is not None:
        fields = split_names(target, table.columns)
        wanted = PEEKED.union(map(plain_name, fields) if len(fields) > 1 else ())
        unlikely = frozenset(table.columns) if len(table.columns) > _MOST_PEEKED else table.bulky
        names = [name for name in table.columns if name not in unlikely or plain_name(name) in wanted]
        first = list(islice(table.project(names), SAMPLE)) if names else []
    else:
        first = list(islice(table.rows, SAMPLE))
        table = dataclasses.replace(table, rows=chain(first, table.rows))
    return table, [row.cells for row in first if isinstance(row, TableRow)]


class ExampleCollector:
    """What has been read so far, over all files."""

    __slots__ = (
        "_ids", "_lists", "_replaced", "_reused", "dropped", "examples", "quarantined", "sides", "sources", "spans",
        "warnings",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begin with nothing."""
        self.examples: list[Example] = []
        self.dropped: list[Dropped] = []
        self.quarantined: list[Quarantined] = []
        self.sources: list[Source] = []
        self.warnings: list[str] = []
        self.sides: dict[str, Side] = {}
        self.spans = False
        self._lists: dict[int, tuple[str, ...]] = {}
        self._ids: dict[str, bytes] = {}
        self._reused: set[str] = set()
        self._replaced = 0

    def add_table(
        self, table: Table, request: ColumnRequest, *, prefix: str, sha256: str, side: Side | None = None
    ) -> None:
        """Add the rows of one table.

        ``sha256`` is the hash of its file; of a table in memory (""), the hash is taken over its cells. ``side`` is
        that of a file that is a side of the user's own split.

        Raises `DataError`: ``E_COLUMN``, ``E_LABEL_MISSING``, ``E_EMPTY`` (no row), ``E_FORMAT`` (no sound row).
        """
        opened = choose_form(table, request)
        content = None if sha256 else hashlib.sha256()
        rows, broken, first_row = 0, list[BrokenRow](), len(self.examples)
        for row in opened.rows():
            rows += 1
            outcome = self._sound(row, opened, prefix, side) if isinstance(row, TableRow) else row
            if isinstance(outcome, Example):
                self.examples.append(outcome)
                if content:
                    content.update(json.dumps([outcome.input, outcome.target, outcome.group]).encode())
            elif isinstance(outcome, LeftOut):
                self.dropped.append(Dropped(id=f"{prefix}{row.record}", reason=outcome.reason))
            else:
                broken.append(outcome)
        self._leave_out_total(first_row)
        _check_any(table, rows, broken)
        if request.labelled:
            check_readable(table.name, rows, len(broken), broken[0].reason if broken else "")
        columns = opened.columns or choose(table.columns, request)
        self.quarantined += [
            Quarantined(file=table.name, record=b.record, offset=b.offset, code=b.code, reason=b.reason) for b in broken
        ]
        self._source(opened, columns, rows, sha256 or (content.hexdigest() if content else ""), first_row)
        self._warn_broken(table, broken)

    def _leave_out_total(self, first_row: int) -> None:
        """Leave out the last row of a table where it sums the others up: its text says so, its target is a number."""
        rows = self.examples[first_row:]
        if len(rows) < _ENOUGH or not _is_number(rows[-1].target) or any(_is_number(row.target) for row in rows[:-1]):
            return
        if rows[-1].input.strip(" :").casefold() in _TOTALS:
            self._lists.pop(len(self.examples) - 1, None)
            self.dropped.append(Dropped(id=self.examples.pop().id, reason="total_of_rows"))

    def settle(self, several: SeveralLabels | None) -> None:
        """Decide about targets that are lists of labels. Raises `DataError` as `settle_labels` does."""
        name = self.sources[0].file if self.sources else ""
        mark = ""
        if not self._lists and not self.spans and several != "as-is":
            mark, self._lists = joined_labels(
                {index: row.target for index, row in enumerate(self.examples) if row.target}
            )
        others = [e.target for index, e in enumerate(self.examples) if index not in self._lists] if self._lists else []
        targets = settle_labels(self._lists, others, several, name, mark)
        for index, target in targets.items():
            example = self.examples[index]
            if target is None:
                self.dropped.append(Dropped(id=example.id, reason="several_labels"))
            else:
                self.examples[index] = dataclasses.replace(example, target=target if target.strip() else "")
        self.examples = [e for index, e in enumerate(self.examples) if targets.get(index, "") is not None]

    def add_warnings(self) -> None:
        """Add the remarks that need everything read: ids used for different texts, characters lost before."""
        if self._reused:
            self.warnings.append(
                f"ids shared by rows with different inputs: {len(self._reused)};"
                " the id column is not used, but the export may be faulty"
            )
        if self._replaced:
            self.warnings.append(
                f"rows that contain the character U+FFFD: {self._replaced}; text was lost when the file was written;"
                " export it again with the right encoding if you can"
            )

    def _sound(self, row: TableRow, opened: OpenTable, prefix: str, side: Side | None) -> Example | BrokenRow | LeftOut:
        columns = opened.columns
        if columns is None:
            return BrokenRow(row.record, row.offset, "E_FORMAT", "the record has no columns")
        try:
            cells = opened.cells_of(row)
            if isinstance(cells, LeftOut):
                return cells
            outcome = self._example(row._replace(cells=cells), opened, columns, prefix)
        except UnsoundError as unsound:
            return BrokenRow(row.record, row.offset, "E_FORMAT", str(unsound))
        except NotFiniteError as error:
            return BrokenRow(row.record, row.offset, "E_FORMAT", str(error))
        except (ValueError, TypeError, RecursionError):  # of values in memory that have no text
            return BrokenRow(row.record, row.offset, "E_FORMAT", UNWRITABLE)
        row_side = (side_of({**row.cells, **cells}, opened.status) if opened.status else None) or side
        if isinstance(outcome, Example) and row_side is not None and opened.labelled:
            self.sides[outcome.id] = row_side
        return outcome

    def _example(self, row: TableRow, opened: OpenTable, columns: Columns, prefix: str) -> Example | BrokenRow:
        input_text = input_of(row.cells, columns.inputs)
        answer = row.cells.get(columns.target) if columns.target else ""
        if columns.target in opened.table.label_names:
            answer = _name_labels(answer, opened.table.label_names[columns.target])
        labels = labels_in(answer)
        target = text_of(answer)
        group = text_of(row.cells.get(columns.group)) if columns.group else None
        for text in (input_text, target, group or "", *(labels or ())):
            fault = unusable(text)
            if fault:
                return BrokenRow(row.record, row.offset, "E_FORMAT", fault)
        if columns.id is not None and columns.id not in columns.inputs:
            self._note_id(text_of(row.cells.get(columns.id)), input_text)
        self._replaced += "\ufffd" in input_text or "\ufffd" in target
        if labels is not None:
            self._lists[len(self.examples)] = labels
        return Example(
            id=f"{prefix}{row.record}", input=input_text, target=target if target.strip() else "", group=group or None
        )

    def _note_id(self, key: str, input_text: str) -> None:
        name = hashlib.blake2b(input_text.encode(), digest_size=8).digest()
        if key and self._ids.setdefault(key, name) != name:
            self._reused.add(key)

    def _source(self, opened: OpenTable, columns: Columns, rows: int, sha256: str, first_row: int) -> None:
        table = opened.table
        self.warnings += [f"{table.name}: {remark}" for remark in table.remarks]
        self.warnings += columns.remarks
        if opened.reader is not None:
            self.warnings += [f"{table.name}: {remark}" for remark in opened.reader.remarks()]
            if opened.reader.spans and columns.target == opened.reader.target:
                self.spans = True
                self.warnings += _shifted_note(table.name, self.examples[first_row:])
        self.sources.append(
            Source(
                file=table.name,
                sha256=sha256,
                format=opened.format,
                encoding=table.encoding,
                dialect=table.dialect,
                inputs=columns.inputs,
                target=columns.target,
                group=columns.group,
                records=rows,
            )
        )

    def _warn_broken(self, table: Table, broken: list[BrokenRow]) -> None:
        if broken and broken[-1].reason == TRUNCATED:
            self.warnings.append(f"{table.name}: the last record stops in the middle; the file looks truncated")
        reasons = Counter(row.reason for row in broken if row.reason != TRUNCATED)
        for reason, count in reasons.most_common(5):
            first = next(row for row in broken if row.reason == reason)
            self.warnings.append(
                f"{table.name}: skipped {count} record{'s' if count > 1 else ''},"
                f" the first is number {first.record}: {reason}"
            )


def input_of(cells: Mapping[str, object], inputs: Sequence[str], names: Sequence[str] = ()) -> str:
    """Return the input of a row: its one cell, or several as "name: value" lines, empty ones left out.

    ``names`` stand in these lines where the columns have other names than those. Raises as `text_of` does.
    """
    if len(inputs) == 1:
        return text_of(cells.get(inputs[0]))
    texts = [(name, text_of(cells.get(column))) for column, name in zip(inputs, names or inputs, strict=True)]
    return "\n".join(f"{name}: {cell}" for name, cell in texts if cell.strip())


def _shifted_note(name: str, rows: Sequence[Example]) -> list[str]:
    """Say that spans cut words, as they do where a tool counts the characters of a text otherwise."""
    values = [(row.input, value) for row in rows for value in _span_texts(row.target)]
    inside = sum(stands_inside_word(text, value) for text, value in values)
    if inside <= _MOST_INSIDE * len(values):
        return []
    return [
        f"{name}: {inside:,} of {len(values):,} spans begin or end inside a word; check that their offsets count"
        " characters of the text as it is in the file"
    ]


def _span_texts(target: str) -> Iterator[str]:
    for value in json.loads(target or "{}").values():
        yield from value if isinstance(value, list) else [value]


def _is_number(text: str) -> bool:
    return text.strip().replace(".", "").replace(",", "").isdecimal()


def _repeats_names(cells: Mapping[str, object]) -> bool:
    """Tell a row that holds the names of the columns once more, where files were put one behind the other."""
    return len(cells) > 1 and all(isinstance(cell, str) and cell == name for name, cell in cells.items())


def _name_labels(value: object, names: Sequence[str]) -> object:
    """Return the names of class numbers; a number that has none (-1: no label) is no label."""
    if isinstance(value, (list, tuple)):
        return [_name_labels(item, names) for item in value]
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < _DIGITS:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return names[value] if 0 <= value < len(names) else None
    return value


def _check_any(table: Table, rows: int, broken: list[BrokenRow]) -> None:
    if not rows:
        raise DataError(
            "E_EMPTY", f"{table.name} has no rows", fix="name a file with a header and at least one row below it"
        )
    if len(broken) == rows:
        first = broken[0]
        raise DataError(
            "E_FORMAT",
            f"{table.name}: none of its {rows} records can be read; record {first.record} (byte {first.offset}):"
            f" {first.reason}",
            fix="check that the whole file is in one format: CSV, TSV, JSONL or Parquet",
        )
