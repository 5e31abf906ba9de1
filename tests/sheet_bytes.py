"""Spreadsheets by hand, as small as they can be: OpenDocument's .ods, and .xls as Excel 97 wrote it."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

Sheet = Sequence[Sequence[str | float]]
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
_SECTOR = 512
_FREE, _END, _TABLE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def write_ods(path: Path, *sheets: Sheet) -> Path:
    """Write sheets as OpenDocument does: a cell's kind and value beside the text that is shown."""

    def cell(value: str | float) -> str:
        shown = f"<text:p>{escape(str(value))}</text:p>"
        kind = f'float" office:value="{value}' if isinstance(value, (int, float)) else "string"
        return f'<table:table-cell office:value-type="{kind}">{shown}</table:table-cell>'

    tables = "".join(
        f'<table:table table:name="s{number}">'
        + "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
        + "</table:table>"
        for number, rows in enumerate(sheets)
    )
    names = "".join(f' xmlns:{name}="{_OFFICE}:{name}:1.0"' for name in ("office", "table", "text"))
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = f"{_OFFICE}:manifest:1.0"
    entries = (("/", kind), ("content.xml", "text/xml"))
    files = "".join(f'<m:file-entry m:full-path="{name}" m:media-type="{media}"/>' for name, media in entries)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("mimetype", kind, zipfile.ZIP_STORED)
        parts.writestr("content.xml", f"<office:document-content{names}>{body}</office:document-content>")
        parts.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{manifest}">{files}</m:manifest>')
    return path


def write_xls(path: Path, *sheets: Sheet) -> Path:
    """Write sheets as Excel 97 does: BIFF 8 records ([MS-XLS]) in the only stream of a compound file ([MS-CFB])."""
    bodies = [_begin(0x0010) + b"".join(_cells(rows)) + _record(0x000A) for rows in sheets]
    names = [f"s{number}".encode() for number in range(len(sheets))]
    head = len(_begin(0x0005)) + sum(12 + len(name) for name in names) + 4
    book, at = _begin(0x0005), head
    for name, body in zip(names, bodies, strict=True):
        book += _record(0x0085, struct.pack("<IBBBB", at, 0, 0, len(name), 0) + name)
        at += len(body)
    path.write_bytes(_compound(book + _record(0x000A) + b"".join(bodies)))
    return path


def _record(kind: int, data: bytes = b"") -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _begin(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))


def _cells(rows: Sheet) -> list[bytes]:
    cells = []
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            where = struct.pack("<HHH", row, column, 0)
            if isinstance(value, str):
                text = value.encode("utf-16-le")
                cells.append(_record(0x0204, where + struct.pack("<HB", len(text) // 2, 1) + text))
            else:
                cells.append(_record(0x0203, where + struct.pack("<d", value)))
    return cells


def _compound(stream: bytes) -> bytes:
    """Put a stream into a compound file: header, allocation tables, directory, and the stream, in sectors."""
    stream = stream.ljust(4096, b"\0")
    data = -(-len(stream) // _SECTOR)
    tables = 1
    while tables * 128 < data + 1 + tables:
        tables += 1
    chain = [_TABLE] * tables + [_END] + [tables + 2 + sector for sector in range(data - 1)] + [_END]
    chain += [_FREE] * (tables * 128 - len(chain))
    places = list(range(tables)) + [_FREE] * (109 - tables)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, tables, tables, 0, 4096, _END, 0, _END, 0) + struct.pack("<109I", *places)
    directory = _entry("Root Entry", 5, 1, _END, 0) + _entry("Workbook", 2, _FREE, tables + 1, len(stream))
    parts = (header, struct.pack(f"<{len(chain)}I", *chain), directory.ljust(_SECTOR, b"\0"), stream)
    return b"".join(part.ljust(-(-len(part) // _SECTOR) * _SECTOR, b"\0") for part in parts)


def _entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = f"{name}\0".encode("utf-16-le")
    links = struct.pack("<HBBIII", len(text), kind, 1, _FREE, _FREE, child)
    return text.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)
