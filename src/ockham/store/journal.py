"""Append-only journals: one JSON object a line, forced to the disk one by one.

A line counts once its newline is on the disk. A part of a line, left by a kill or a full disk, has none: readers leave
it out, and the next writer cuts it off.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ockham.errors import StoreError
from ockham.printable import printable
from ockham.records import Json
from ockham.store.atomic import disk, sync_folder, write_all

_log = logging.getLogger(__name__)
_CHUNK = 1 << 16


def append_row(path: Path, row: bytes) -> None:
    """Add a line to a journal, making it first if need be. Raises `StoreError`; the rows before it stay whole."""
    with disk(path, "adding a row"):
        new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            size = _cut(descriptor)
            try:
                write_all(descriptor, row + b"\n")
                os.fsync(descriptor)
            except BaseException:
                # A row that was refused must not turn up later: its caller was told that it was not added.
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if new:
            sync_folder(path.parent)


def repair(path: Path) -> None:
    """Cut off the part of a line that a kill has left at the end. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        _cut(descriptor)
    finally:
        os.close(descriptor)


def read_rows(path: Path) -> list[dict[str, Json]]:
    """Read the whole lines of a journal; no file is an empty journal.

    Raises `StoreError` (``E_DISK``) for a line in the middle that is not JSON: a journal cannot be made again, so
    nothing in it is skipped silently.
    """
    with disk(path, "reading a journal"):
        data = path.read_bytes() if path.exists() else b""
    rows: list[dict[str, Json]] = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, Mapping):
            message = f"{printable(path)}: line {number} is damaged"
            raise StoreError("E_DISK", message, fix="restore the file from a backup, or start a new run with --out")
        rows.append(dict(row))
    return rows


def _cut(descriptor: int) -> int:
    """Cut a journal off after its last newline, and give its size."""
    size = os.fstat(descriptor).st_size
    end = size
    while end:
        start = max(0, end - _CHUNK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        end = start + newline + 1 if newline >= 0 else start
        if newline >= 0:
            break
    if end < size:
        _log.warning("a journal ended in a part of a row, which was cut off")
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    return end
