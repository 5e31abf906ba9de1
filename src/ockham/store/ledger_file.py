"""The file of a ledger: a row is forced to the disk before its request may be made."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from ockham.records import canonical, digest, plain
from ockham.sealed.ledger import REQUEST, Row, destination, follow, row
from ockham.store.journal import append_row, read_rows


class LedgerFile:
    """A ledger that one process keeps; safe to use from several threads."""

    def __init__(self, path: Path, process: str, before: Sequence[Row] = ()) -> None:
        """Begin a ledger; ``process`` names who makes the requests. ``before`` are the rows that the file has."""
        self.rows = len(before)
        self.last = follow(before)
        self.requests: dict[str, int] = {}
        self._path = path
        self._process = process
        self._lock = threading.Lock()

    def add(self, event: str, host: str, port: int | None, **more: object) -> None:
        """Write a row down. Raises `StoreError` where the disk refuses it: its request must not be made then."""
        with self._lock:
            values = {
                "number": self.rows,
                "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                "process": self._process,
                "event": event,
                "host": host,
                "port": port,
                "before": self.last,
            }
            blank = Row(number=0, time="", process="", event="", host="", port=None, before="")
            fresh = replace(blank, **{**values, **more})  # type: ignore[arg-type]
            append_row(self._path, canonical(fresh))
            self.rows += 1
            self.last = digest(plain(fresh))
            if event == REQUEST and fresh.allowed:
                whither = destination(host, port)
                self.requests[whither] = self.requests.get(whither, 0) + 1


def read_ledger(path: Path) -> tuple[Row, ...]:
    """Read the whole rows of a ledger; no file is an empty one.

    Raises `StoreError` for a damaged line, `ValueError` for one that is no row.
    """
    return tuple(row(values) for values in read_rows(path))


EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


class LedgerHook:
    """An audit hook that writes a row before it lets a request go; where it cannot, the request is not made."""

    def __init__(self, path: Path) -> None:
        """Go on with a ledger that is there, or begin one. Raises as `read_ledger`."""
        self._ledger = LedgerFile(path, "fetch", read_ledger(path))

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Write down who is asked."""
        if event not in EVENTS:
            return
        address = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[:2]
        pair = address if isinstance(address, tuple) and len(address) > 1 else (address, None)
        host = pair[0].decode("ascii", "replace") if isinstance(pair[0], bytes) else str(pair[0])
        self._ledger.add(event, host, pair[1] if isinstance(pair[1], int) else None)
