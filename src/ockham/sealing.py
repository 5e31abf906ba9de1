"""Seal work off from the network: the fork behind the walls, and the evidence when it is over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.sealed.policy import SWITCHES, Policy
from ockham.sealed.state import Protection, current, declare

if TYPE_CHECKING:
    from ockham.sealed.evidence import Evidence
    from ockham.sealed.ledger import Row

StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What must be done before a process is sealed: folders to be made, models to be fetched (kind and hub id).

    ``data`` is what the process that fetches must not open.
    """

    folders: tuple[str, ...] = ()
    models: tuple[tuple[str, str], ...] = ()
    data: tuple[str, ...] = ()


def seal(*, write: Sequence[StrPath] = (), read: Sequence[StrPath] = ()) -> str:
    """Seal the rest of this program off from the network, for good, and return the label of its protection.

    The process forks: what follows runs behind the walls, in a process that may write below ``write`` and read what is
    named in ``read`` even where keys are kept; the parent waits outside, and leaves with its exit status. Call it first
    of all: it needs a process with one thread, so a notebook cannot be sealed. On a system without walls, connections
    of Python code are refused, and the label is "switches only". Raises `SealError` (``E_SEALED``).
    """
    folders = tuple(os.fspath(path) for path in write)
    rules = policy("python", read=[os.fspath(path) for path in read], write=folders)
    status = fork(rules, Preparation(folders=folders))
    if status is not None:
        os._exit(status)  # the program goes on in the other process alone
    return current().label


def policy(verb: str, *, read: Sequence[str], write: Sequence[str]) -> Policy:
    """Return what a piece of work may touch: what it names, and our caches."""
    return Policy(verb=verb, write=_writable(write), read=tuple(_readable_paths(read)))


def fork(policy: Policy, wanted: Preparation) -> int | None:
    """Fork: return ``None`` behind the walls, and outside, when all is over, the exit status to leave with.

    Where the system has no walls, only a guard is set, and nothing forks. Raises `SealError` (``E_SEALED``).
    """
    from ockham.sealed import jail

    if sys.platform != "linux" or not jail.is_possible():
        from ockham.sealed import guard

        guard.install()
        declare(Protection(label=SWITCHES))
        return None
    from ockham.sealed import broker

    made = _make(wanted.folders)
    try:
        rows = _fetch(wanted)
        watch, walls, tried = broker.enter(policy)
    except BaseException:
        _unmake(made)
        raise
    if watch is None:
        declare(Protection(label=walls.label, attacks=len(tried)))
        return None
    from ockham.sealed import evidence  # while the child is at work

    began = evidence.now()
    try:
        status = broker.follow(watch)
        keep(watch.run, policy, evidence.watched_evidence(policy, watch, began, rows))
    finally:
        _unmake(made)
    return broker.leave_as(status)


def _fetch(wanted: Preparation) -> tuple[Row, ...]:
    """Fetch models by their hub ids, where the user allows it (``HF_HUB_OFFLINE=0``), and return what was asked for.

    It happens in a process of its own that can open no data.
    """
    if os.environ.get("HF_HUB_OFFLINE", "1").lower() not in ("0", "false", "no", "off"):
        return ()
    names = [pair for pair in wanted.models if "/" in pair[1] and not Path(pair[1]).expanduser().exists()]
    if not names:
        return ()
    from ockham.sealed import ledger

    data = [path for word in wanted.data for path in _places(Path(word).absolute())]
    with tempfile.TemporaryDirectory(prefix="ockham-") as folder:
        file = Path(folder) / "ledger.jsonl"
        command = [sys.executable, "-m", "ockham.rungs.fetch_models", str(file), json.dumps(names), *data]
        subprocess.run(command, check=False, env=os.environ | {"HF_HUB_DISABLE_XET": "1"}, stdin=subprocess.DEVNULL)
        lines = file.read_bytes().splitlines() if file.exists() else []
    return tuple(ledger.row(json.loads(line)) for line in lines)


def keep(run: str | None, policy: Policy, fresh: Evidence) -> None:
    """Add to the evidence in the run's folder, which must be one that the run might write."""
    from ockham.errors import StoreError
    from ockham.sealed import evidence
    from ockham.store import save_bytes

    if run is None or not _inside(run, policy.write):
        return
    path = Path(run) / evidence.FILE
    old = None
    with suppress(OSError):
        old = path.read_bytes()
    with suppress(StoreError):  # the disk was full: the run itself has said so
        save_bytes(path, evidence.add_entry(old, fresh))


def _inside(path: str, folders: Iterable[str]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _writable(folders: Sequence[str]) -> tuple[str, ...]:
    """List what may be changed: the work's own folders, and our caches."""
    from ockham import machine

    kernels = os.environ.get("OCKHAM_KERNELS")
    caches = [str(machine.cache()), *([kernels] if kernels else [])]
    paths = [*folders, *caches]
    return tuple(dict.fromkeys(str(Path(path).absolute()) for path in paths))


def _readable_paths(read: Sequence[str]) -> Iterable[str]:
    """List the paths that may be read wherever they lie: those that are named, and where models stand."""
    for word in read:
        yield from _places(Path(word).expanduser().absolute())
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        if os.environ.get(name):
            yield str(Path(os.environ[name]).absolute())


def _places(path: Path) -> Iterable[str]:
    """Return the path itself, or for a pattern the folder above its first wildcard."""
    parts = path.parts
    wild = [number for number, part in enumerate(parts) if any(mark in part for mark in "*?[")]
    yield str(path)
    if wild:
        yield str(Path(*parts[: wild[0]]))


def _make(folders: Iterable[str]) -> list[str]:
    """Make folders that a command will write into, and list those that were not there, innermost first."""
    from ockham import machine
    from ockham.store.atomic import make_folder

    made: list[str] = []
    for folder in (*folders, str(machine.cache())):
        path = Path(folder).absolute()
        missing = [place for place in (path, *path.parents) if not os.path.lexists(place)]
        with suppress(OSError):  # what cannot be made the command itself will tell of
            make_folder(path)
            made = [*map(str, missing), *made]
    return made


def _unmake(made: Iterable[str]) -> None:
    """Remove folders that were made in vain: those that are still empty."""
    for folder in made:
        with suppress(OSError):
            Path(folder).rmdir()
