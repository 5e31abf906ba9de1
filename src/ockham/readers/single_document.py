"""Files that hold one document in JSON or YAML, whose rows stand somewhere inside of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from ockham.errors import DataError
from ockham.printable import printable
from ockham.readers.forms.nlu_document import DOCUMENTS, Record
from ockham.readers.local_file import RegularFile
from ockham.readers.table import MAX_COLUMNS, MAX_DEPTH, MAX_RECORD, Table, TableRow
from ockham.readers.text_file import Encoding, blocks_of
from ockham.version import install_command

YAML_SUFFIXES = (".yml", ".yaml")
_PEEK = 200


def unfold(table: Table) -> Table:
    """Return the rows inside of a table's only record, where it is a document that is known; else the table."""
    first = list(islice(table.rows, 2))
    whole = dataclasses.replace(table, rows=chain(first, table.rows))
    if len(first) != 1 or not isinstance(first[0], TableRow):
        return whole
    records = _find_records(first[0].cells)
    return whole if records is None else _rows_table(table, *records)


def yaml_table(file: RegularFile, encoding: Encoding) -> Table:
    """Read the rows of a YAML file: documents that are known, or a list of objects. Every value is a text.

    Raises `DataError` (``E_FORMAT``): no sound YAML, over 16 MB, aliases in it, or nothing known; and where the
    library for YAML is not installed.
    """
    text = "".join(blocks_of(file, encoding)) if file.size <= MAX_RECORD else None
    if text is None:
        raise _unsound(file, "it is larger than 16 MB")
    table = Table(name=file.name, format="yaml", encoding=encoding.name, dialect=None, columns=(), rows=iter(()))
    documents = _parse(file, text)
    lists = [entry for document in documents if isinstance(document, list) for entry in document]
    if lists and all(isinstance(entry, dict) for entry in lists):
        return _rows_table(table, "", lists)
    hits = [hit for document in documents if isinstance(document, dict) and (hit := _find_records(document))]
    if not hits:
        raise _unsound(
            file, "it holds none of the forms that are known in YAML (Rasa, Snips, promptfoo, a list of rows)"
        )
    return _rows_table(table, hits[0][0], [row for _, rows in hits for row in rows])


def _find_records(document: object) -> tuple[str, list[Record]] | None:
    if not isinstance(document, dict):
        return None
    hits = ((form.name, form.records(document)) for form in DOCUMENTS)
    return next(((name, rows) for name, rows in hits if rows), None)


def _rows_table(table: Table, name: str, rows: Sequence[Record]) -> Table:
    columns = list(dict.fromkeys(str(key) for row in rows[:_PEEK] for key in row))[:MAX_COLUMNS]
    return dataclasses.replace(
        table,
        format=f"{table.format}, {name}" if name else table.format,
        columns=columns,
        rows=(TableRow(number, None, row) for number, row in enumerate(rows, 1)),
    )


def _parse(file: RegularFile, text: str) -> list[object]:
    try:
        import yaml
    except ImportError as error:
        message = f"{printable(file.path)} is YAML, and the package to read it is not installed"
        raise DataError("E_FORMAT", message, fix=f"{install_command('yaml')}, or save it as JSON") from error
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar is a text: `no` is a label, not a falsehood
    try:
        _check_events(file, yaml.parse(text, Loader=loader), yaml.AliasEvent)
        return list(yaml.load_all(text, Loader=loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" (line {mark.line + 1})"
        raise _unsound(file, f"it is not valid{line}") from error
    except (RecursionError, ValueError) as error:
        raise _unsound(file, "it is not valid") from error


def _check_events(file: RegularFile, events: Iterator[object], alias: type) -> None:
    """Refuse aliases, which can unfold to any size, and what is nested too deep."""
    depth = 0
    for event in events:
        if isinstance(event, alias):
            raise _unsound(file, "it contains an alias (*name)")
        kind = type(event).__name__
        depth += kind.endswith(("MappingStartEvent", "SequenceStartEvent"))
        depth -= kind.endswith(("MappingEndEvent", "SequenceEndEvent"))
        if depth > MAX_DEPTH:
            raise _unsound(file, f"it is nested more than {MAX_DEPTH} deep")


def _unsound(file: RegularFile, why: str) -> DataError:
    return DataError(
        "E_FORMAT", f"{printable(file.path)} cannot be read as YAML: {why}", fix="save the rows as JSONL or CSV"
    )
