"""Rows numbered as the user finds them in their own file: a spreadsheet counts its header, a file of lines has none."""

from __future__ import annotations

from pathlib import PurePath

from ockham.records import IngestReport

_WITH_HEADER = ("csv", "tsv", "spreadsheet")


def row_number(intake: IngestReport, row_id: str) -> str:
    """Write a row's id, the number of its record in its file, as the number that the file's own program shows."""
    prefix, colon, number = row_id.rpartition(":")
    if not number.isdecimal():
        return row_id
    return f"{prefix}{colon}{int(number) + _header_rows(intake, prefix)}"


def row_note(intake: IngestReport) -> str:
    """Say in a sentence how rows are numbered; nothing where no file was read."""
    headers = {_has_header(source.format) for source in intake.sources}
    if headers == {True}:
        return "Rows are numbered as in a spreadsheet, where the header counts too."
    if headers == {False}:
        return "Rows are numbered from 1, in the order of the file."
    return "Rows of CSV files and spreadsheets are numbered with the header, others without one." if headers else ""


def _header_rows(intake: IngestReport, file: str) -> int:
    name = PurePath(file).name  # of a file in a folder, the id names the folder too
    formats = [source.format for source in intake.sources if name and name == PurePath(source.file).name]
    if not formats:
        formats = [source.format for source in intake.sources if not file or source.file.endswith(file)]
    return int(bool(formats) and all(map(_has_header, formats)))


def _has_header(name: str) -> bool:
    return name.startswith(_WITH_HEADER)
