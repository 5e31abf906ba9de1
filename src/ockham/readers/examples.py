"""Turn the rows of tables into examples, keep out what cannot be text, and remark on what the user should know."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator

from ockham.errors import DataError
from ockham.readers.chat import INPUT, TARGET, chat_table, is_chat
from ockham.readers.columns import ColumnRequest, Columns, choose
from ockham.readers.json_file import TRUNCATED
from ockham.readers.table import BrokenRow, Table, TableRow, text_of, unusable
from ockham.records import Example, Quarantined, Source


class ExampleCollector:
    """What has been read so far, over all files."""

    __slots__ = ("_ids", "_replaced", "_reused", "examples", "quarantined", "sources", "warnings")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.examples: list[Example] = []
        self.quarantined: list[Quarantined] = []
        self.sources: list[Source] = []
        self.warnings: list[str] = []
        self._ids: dict[str, bytes] = {}
        self._reused: set[str] = set()
        self._replaced = 0

    def gather(self, table: Table, request: ColumnRequest, *, prefix: str, sha256: str) -> None:
        """Add the rows of one table.

        ``sha256`` is the hash of its file; of a table in memory (""), the hash is taken over its cells.

        Raises `DataError`: ``E_COLUMN``, ``E_LABEL_MISSING``, ``E_EMPTY`` (no row), ``E_FORMAT`` (no sound row).
        """
        request = dataclasses.replace(request, source=table.name, headerless=table.headerless)
        if not request.inputs and is_chat(table.columns):
            whole = bool(request.target) and request.labelled
            table = chat_table(table, whole=whole, labelled=request.labelled)
            request = dataclasses.replace(request, inputs=(INPUT,), target=request.target or TARGET)
        columns = choose(table.columns, request) if table.columns else None
        content = None if sha256 else hashlib.sha256()
        rows, broken = 0, list[BrokenRow]()
        for row in _needed_rows(table, columns):
            rows += 1
            outcome = self._sound(row, columns, prefix) if isinstance(row, TableRow) and columns else row
            if isinstance(outcome, Example):
                self.examples.append(outcome)
                if content:
                    content.update(json.dumps([outcome.input, outcome.target, outcome.group]).encode())
            elif isinstance(outcome, BrokenRow):
                broken.append(outcome)
        _check_any(table, rows, broken)
        columns = columns or choose(table.columns, request)
        self.quarantined += [
            Quarantined(file=table.name, record=b.record, offset=b.offset, code=b.code, reason=b.reason) for b in broken
        ]
        self._source(table, columns, rows, sha256 or (content.hexdigest() if content else ""))
        self._warn_broken(table, broken)

    def remark(self) -> None:
        """Add the remarks that need everything read: ids used for different texts, characters lost before."""
        if self._reused:
            self.warnings.append(
                f"ids that stand on rows with different inputs: {len(self._reused)};"
                " the id column is not used, but the export that wrote it may be faulty"
            )
        if self._replaced:
            self.warnings.append(
                f"rows that hold the character U+FFFD: {self._replaced}; text was lost when the file was written,"
                " export it again with the right encoding if you can"
            )

    def _sound(self, row: TableRow, columns: Columns, prefix: str) -> Example | BrokenRow:
        try:
            return self._example(row, columns, prefix)
        except (ValueError, TypeError, RecursionError):  # of values in memory that have no text
            return BrokenRow(row.record, row.offset, "E_FORMAT", "a cell holds a value that cannot be written as JSON")

    def _example(self, row: TableRow, columns: Columns, prefix: str) -> Example | BrokenRow:
        cells = [(name, text_of(row.cells.get(name))) for name in columns.inputs]
        single = len(cells) == 1
        input_text = cells[0][1] if single else "\n".join(f"{name}: {cell}" for name, cell in cells if cell.strip())
        target = text_of(row.cells.get(columns.target)) if columns.target else ""
        group = text_of(row.cells.get(columns.group)) if columns.group else None
        for text in (input_text, target, group or ""):
            fault = unusable(text)
            if fault:
                return BrokenRow(row.record, row.offset, "E_FORMAT", fault)
        if columns.id is not None and columns.id not in columns.inputs:
            self._note_id(text_of(row.cells.get(columns.id)), input_text)
        self._replaced += "\ufffd" in input_text or "\ufffd" in target
        return Example(
            id=f"{prefix}{row.record}", input=input_text, target=target if target.strip() else "", group=group or None
        )

    def _note_id(self, key: str, input_text: str) -> None:
        name = hashlib.blake2b(input_text.encode(), digest_size=8).digest()
        if key and self._ids.setdefault(key, name) != name:
            self._reused.add(key)

    def _source(self, table: Table, columns: Columns, rows: int, sha256: str) -> None:
        self.warnings += columns.remarks
        self.sources.append(
            Source(
                file=table.name,
                sha256=sha256,
                format=table.format,
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
                f"{table.name}: {count} record{'s' if count > 1 else ''} kept out,"
                f" the first is number {first.record}: {reason}"
            )


def _needed_rows(table: Table, columns: Columns | None) -> Iterator[TableRow | BrokenRow]:
    if table.project is None or columns is None:
        return table.rows
    names = [*columns.inputs, columns.target, columns.group, columns.id]
    return table.project(list(dict.fromkeys(name for name in names if name)))


def _check_any(table: Table, rows: int, broken: list[BrokenRow]) -> None:
    if not rows:
        raise DataError(
            "E_EMPTY", f"{table.name} holds no row", fix="name a file with a header and at least one row below it"
        )
    if len(broken) == rows:
        first = broken[0]
        raise DataError(
            "E_FORMAT",
            f"{table.name}: none of its {rows} records can be read; record {first.record} (byte {first.offset}):"
            f" {first.reason}",
            fix="check that the file is CSV, TSV, JSONL or Parquet, in one format from beginning to end",
        )
