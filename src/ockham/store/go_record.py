"""Goes at a run that have begun and not ended: a record of each, where no sealed process may write.

Whoever watches a sealed process writes the record before the process can have anything sent, holds its lock, and
removes it when the evidence of the go is whole. After a kill nobody holds the lock: the next go of the run then takes
the record up, with the ledger of its requests, so that no request is lost, and whoever checks the run sees it too.

::

    ~/.local/state/ockham/  goes/GO.json       one record: the run's folder, and the evidence as it stands so far
                            ledgers/GO.jsonl   its requests to endpoints, a row before each
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ockham.errors import StoreError
from ockham.records import canonical
from ockham.sealed import evidence
from ockham.sealed.evidence import FILE, Evidence
from ockham.sealed.ledger import Row
from ockham.store.atomic import disk, make_folder, save_bytes, sync_folder, write_all
from ockham.store.ledger_file import read_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class UnendedGo:
    """A go that was killed: its record, the real path of its run, its evidence so far, and the rows of its ledger."""

    record: Path
    run: Path
    entry: Mapping[str, Any]
    ledger: Path
    rows: tuple[Row, ...]


def new_go() -> str:
    """Return a name for a go that this process begins."""
    return f"{datetime.now(timezone.utc).strftime('%Y%m%dT%H%M%S%f')}-{os.getpid()}"


def ledger_of(state: Path, go: str) -> Path:
    """Return where the ledger of a go stands, in the user's folder for records."""
    return state / "ledgers" / f"{go}.jsonl"


def begin_record(state: Path, run: Path, entry: Evidence) -> int:
    """Write the record of a go, and return the descriptor that holds its lock. Raises `StoreError`.

    Call it after the sealed process was forked: one that inherits the descriptor would hold the lock too.
    """
    import fcntl

    path = _record_of(state, entry.go)
    with disk(path, "recording that a run began"):
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_all(descriptor, canonical({"run": os.path.realpath(run), "entry": json.loads(canonical(entry))}))
            os.fsync(descriptor)
            sync_folder(path.parent)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            raise
    return descriptor


def end_record(state: Path, go: str) -> None:
    """Remove the record of a go whose evidence is whole; what cannot be removed is removed by the next go."""
    with suppress(OSError):
        _record_of(state, go).unlink()


def take_up(state: Path, runs: Collection[str]) -> None:
    """Complete the evidence of each go of these runs (real paths) that was killed, and remove its record and ledger.

    One whose evidence cannot be written, or whose ledger cannot be read, stays as it is.
    """
    for path in _records(state):
        with _open_last_go(state, path) as go:
            if go is None or str(go.run) not in runs:
                continue
            with suppress(StoreError):
                if (go.run / "run.json").exists():
                    save_bytes(go.run / FILE, evidence.take_up(_read(go.run / FILE), go.entry, go.rows))
                _remove(go.record, *([go.ledger] if (go.run / "run.json").exists() or not go.rows else []))


def evidence_of(state: Path, run: Path) -> bytes | None:
    """Return the evidence of a run with that of goes that were killed and not taken up yet; ``None`` without any.

    Nothing is written.
    """
    data = _read(run / FILE)
    real = os.path.realpath(run)
    for path in _records(state):
        with _open_last_go(state, path) as go:
            if go is not None and str(go.run) == real:
                data = evidence.take_up(data, go.entry, go.rows)
    return data


def _record_of(state: Path, go: str) -> Path:
    return state / "goes" / f"{go}.json"


def _records(state: Path) -> list[Path]:
    return sorted((state / "goes").glob("*.json"))


@contextmanager
def _open_last_go(state: Path, path: Path) -> Iterator[UnendedGo | None]:
    """Lend what a record holds, locked; ``None`` for a go that is still at work, and for what cannot be read."""
    import fcntl

    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = json.loads(path.read_bytes())  # by its name: one that was taken up meanwhile is gone
        ledger = ledger_of(state, path.stem)
        go = UnendedGo(
            record=path, run=Path(content["run"]), entry=content["entry"], ledger=ledger, rows=read_ledger(ledger)
        )
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        go = None
    try:
        yield go
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _read(path: Path) -> bytes | None:
    with suppress(OSError):
        return path.read_bytes()
    return None


def _remove(*paths: Path) -> None:
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
