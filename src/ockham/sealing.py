"""Seal work off from the network: the fork behind the walls, and the evidence when it is over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.sealed.ledger import destination
from ockham.sealed.policy import SWITCHES, UNSEALED, Policy
from ockham.sealed.state import Protection, current, declare

if TYPE_CHECKING:
    from ockham.api.consent import Destination
    from ockham.sealed.evidence import Evidence, Spoken
    from ockham.sealed.ledger import Row

_EGRESS_SECONDS = 30.0
_MOST_EARLIER = 1000
StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What must be done before a process is sealed: folders to be made, models to be fetched (kind and hub id).

    ``data`` is what the process that fetches must not open. ``endpoints`` may be asked by a process of their own.
    """

    folders: tuple[str, ...] = ()
    models: tuple[tuple[str, str], ...] = ()
    data: tuple[str, ...] = ()
    endpoints: tuple[Destination, ...] = ()


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


def _ignore_word(words: str) -> None:
    """Hear nothing."""


def fork(policy: Policy, preparation: Preparation, on_message: Callable[[str], None] = _ignore_word) -> int | None:
    """Fork: return ``None`` behind the walls, and outside, when all is over, the exit status to leave with.

    ``on_message`` hears in the end how many requests went to endpoints. Where the system has no walls, only a guard is
    set, and nothing forks. Raises `SealError` (``E_SEALED``), and `EndpointError` (``E_ENDPOINT``) for a bad key.
    """
    from ockham.sealed import jail

    if (sys.platform != "linux" or not jail.is_possible()) and preparation.endpoints:
        declare(Protection(label=f"{UNSEALED}: rows are sent to an endpoint, and this system has no walls"))
        return None
    if sys.platform != "linux" or not jail.is_possible():
        from ockham.sealed import guard

        guard.install()
        declare(Protection(label=SWITCHES))
        return None
    from ockham.sealed import broker

    new_folders = _make(preparation.folders)
    earlier = _earlier_evidence(preparation.folders)
    outlet = None
    try:
        fetched = _fetch(preparation)
        outlet = Outlet(preparation.endpoints) if preparation.endpoints else None
        if outlet is not None:
            policy = replace(policy, hosts=outlet.hosts, keys=outlet.keys)
        watch, walls, tried = broker.enter(policy, None if outlet is None else outlet.control)
    except BaseException:
        if outlet is not None:
            outlet.close()
        _unmake(new_folders)
        raise
    if watch is None:
        if outlet is not None:
            outlet.control.detach()  # it was closed behind the walls
        declare(Protection(label=walls.label, attacks=len(tried), hosts=policy.hosts))
        return None
    from ockham.sealed import evidence  # while the child is at work

    began = evidence.now()
    try:
        status = broker.follow(watch)
        sent, spoken = ((), None) if outlet is None else outlet.close()
        spoke = evidence.Spoke(fetched=fetched, sent=sent, spoken=spoken)
        entry = evidence.watched_evidence(policy, watch, began, spoke)
        saved = keep(watch.run, policy, entry, earlier)
        if outlet is not None:
            on_message(outlet.settle(saved))
        if attempts := evidence.name_attempts(watch.refused):
            on_message(attempts)
    finally:
        _unmake(new_folders)
    return broker.leave_as(status)


class Outlet:
    """The process that asks endpoints for a sealed one, as seen from outside, and its ledger."""

    def __init__(self, endpoints: Sequence[Destination]) -> None:
        """Start the process and wait until it has put up its own walls.

        Raises `SealError` (``E_SEALED``) where it did not, `EndpointError` (``E_ENDPOINT``) for an address or a key
        that is none, `StoreError` where no ledger can be kept.
        """
        from ockham import machine
        from ockham.api import egress
        from ockham.errors import SealError
        from ockham.store.atomic import make_folder

        pins = [egress.pin_of(endpoint) for endpoint in endpoints]
        folder = machine.state() / "ledgers"
        make_folder(folder)
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
        self.path = folder / f"{stamp}-{os.getpid()}.jsonl"
        self.rows: tuple[Row, ...] = ()
        self._pid, self.control = egress.start(pins, self.path)
        ready = egress.wait_for(self.control, _EGRESS_SECONDS)
        if not ready.get("ready") or ready["bad"]:
            self.close()
            if not ready.get("ready"):
                what = "the process that asks endpoints could not be started"
                raise SealError("E_SEALED", what, fix="--unsealed asks them from the process that reads the data")
            raise egress.malformed_key()
        self.hosts = tuple(dict.fromkeys(destination(pin.host, pin.port) for pin in pins))
        self.keys = tuple(str(name) for name in ready["keys"])
        self._landlock = int(ready["landlock"])

    def close(self) -> tuple[tuple[Row, ...], Spoken | None]:
        """End the process, and return the rows of its ledger and what it said of them."""
        from ockham.api import egress
        from ockham.errors import StoreError
        from ockham.sealed.evidence import Spoken
        from ockham.store.ledger_file import read_ledger

        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
        words = egress.wait_for(self.control, _EGRESS_SECONDS)
        self.control.close()
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)  # it has said all, or will never
        os.waitpid(self._pid, 0)
        with suppress(StoreError, ValueError):
            self.rows = read_ledger(self.path)
        spoken = Spoken(landlock=getattr(self, "_landlock", 0))
        if isinstance(words.get("rows"), int):
            spoken = replace(spoken, rows=words["rows"], last=str(words.get("last")))
        return self.rows, spoken

    def settle(self, saved: Path | None) -> str:
        """Return where the requests of this command can be read: ``saved`` is the evidence that holds them now."""
        from ockham.sealed.ledger import count_requests

        if saved is not None or not self.rows:
            with suppress(OSError):
                self.path.unlink()
        counts = count_requests(self.rows)
        every = [f"{counts.get(host, 0):,} requests went to {host}" for host in {**dict.fromkeys(self.hosts), **counts}]
        where = f"; they are listed in {saved or self.path}" if self.rows else ""
        return f"endpoint: {', '.join(every)}{where}"


def _fetch(preparation: Preparation) -> tuple[Row, ...]:
    """Fetch models by their hub ids, where the user allows it (``HF_HUB_OFFLINE=0``), and return what was asked for.

    It happens in a process of its own that can open no data.
    """
    if os.environ.get("HF_HUB_OFFLINE", "1").lower() not in ("0", "false", "no", "off"):
        return ()
    names = [pair for pair in preparation.models if "/" in pair[1] and not Path(pair[1]).expanduser().exists()]
    if not names:
        return ()
    from ockham.sealed import ledger

    data = [path for word in preparation.data for path in _places(Path(word).absolute())]
    with tempfile.TemporaryDirectory(prefix="ockham-") as folder:
        file = Path(folder) / "ledger.jsonl"
        command = [sys.executable, "-m", "ockham.rungs.fetch_models", str(file), json.dumps(names), *data]
        subprocess.run(command, check=False, env=os.environ | {"HF_HUB_DISABLE_XET": "1"}, stdin=subprocess.DEVNULL)
        lines = file.read_bytes().splitlines() if file.exists() else []
    return tuple(ledger.row(json.loads(line)) for line in lines)


def _earlier_evidence(folders: Iterable[str]) -> dict[str, bytes] | None:
    """Read the evidence that stands in folders or right below them, before a process that could change it is started.

    ``None`` where there is more than can be held.
    """
    files = {}
    for folder in folders:
        for path in (Path(folder), *Path(folder).glob("*")):
            with suppress(OSError):
                files[os.path.realpath(path / "evidence.json")] = (path / "evidence.json").read_bytes()
            if len(files) > _MOST_EARLIER:
                return None
    return files


def keep(run: str | None, policy: Policy, fresh: Evidence, earlier: Mapping[str, bytes] | None = None) -> Path | None:
    """Add to the evidence in the run's folder, which must be one that the run might write; returns the file.

    ``earlier`` is what files of evidence held when the go began, if that is known.
    """
    from ockham.errors import StoreError
    from ockham.sealed import evidence
    from ockham.store import save_bytes

    if run is None or not _inside(run, policy.write):
        return None
    path = Path(run) / evidence.FILE
    old = None
    with suppress(OSError):
        old = path.read_bytes()
    with suppress(StoreError):  # the disk was full: the run itself has said so
        before = None if earlier is None else earlier.get(os.path.realpath(path), b"")
        save_bytes(path, evidence.add_entry(old, fresh, before))
        return path
    return None


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

    new_folders: list[str] = []
    for folder in (*folders, str(machine.cache())):
        path = Path(folder).absolute()
        missing = [ancestor for ancestor in (path, *path.parents) if not os.path.lexists(ancestor)]
        with suppress(OSError):  # what cannot be made the command itself will tell of
            make_folder(path)
            new_folders = [*map(str, missing), *new_folders]
    return new_folders


def _unmake(folders: Iterable[str]) -> None:
    """Remove folders that were made in vain: those that are still empty."""
    for folder in folders:
        with suppress(OSError):
            Path(folder).rmdir()
