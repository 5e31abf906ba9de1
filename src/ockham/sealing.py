"""Seal work off from the network: the fork behind the walls, and the evidence when it is over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.sealed.policy import SWITCHES, UNSEALED, Policy
from ockham.sealed.state import Protection, current, declare

if TYPE_CHECKING:
    from ockham.api.consent import Destination
    from ockham.sealed.broker import Watch
    from ockham.sealed.evidence import Evidence, Spoken
    from ockham.sealed.ledger import Row

_MOST_EARLIER = 1000
StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What must be done before a process is sealed: folders to be made, models to be fetched (kind and hub id).

    ``data`` is what the process that fetches must not open. ``endpoints`` may be asked by a process of their own.
    ``listening`` are descriptors of sockets that wait for clients; this process gives them up to the sealed one.
    """

    folders: tuple[str, ...] = ()
    models: tuple[tuple[str, str], ...] = ()
    data: tuple[str, ...] = ()
    endpoints: tuple[Destination, ...] = ()
    listening: tuple[int, ...] = ()


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
    if not _has_walls():
        _guard(preparation)
        return None
    from ockham import machine
    from ockham.sealed import broker
    from ockham.store import go_record

    new_folders = _make(preparation.folders)
    go_record.take_up(machine.state(), _runs_in(preparation.folders))
    earlier = _earlier_evidence(preparation.folders)
    go, outlet = go_record.new_go(), None
    try:
        fetched = _fetch(preparation)
        if preparation.endpoints:
            from ockham.api.outlet import Outlet

            outlet = Outlet(preparation.endpoints, go)
            policy = replace(policy, hosts=outlet.hosts, keys=outlet.keys)
        watch, walls, tried = broker.enter(policy, None if outlet is None else outlet.control, preparation.listening)
    except BaseException:
        if outlet is not None:
            outlet.close()
        _unmake(new_folders)
        raise
    if watch is None:
        if outlet is not None:
            outlet.control.detach()  # it was closed behind the walls
        declare(Protection(label=walls.label, attacks=len(tried), hosts=policy.hosts, go=go))
        return None
    _close(preparation.listening)  # clients that come once the server has stopped shall not wait for this process
    watch.go = go
    record = _Record(policy, watch, earlier, fetched)
    try:
        status = broker.follow(watch, record.begin)
        sent, spoken = ((), None) if outlet is None else outlet.close()
        saved = record.end(sent, spoken)
        if outlet is not None:
            on_message(outlet.settle(saved))
        if attempts := record.attempts():
            on_message(attempts)
    finally:
        _unmake(new_folders)
    return broker.leave_as(status)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _has_walls() -> bool:
    """Return whether this system has walls to put up: Linux, on a processor whose calls are known."""
    if sys.platform != "linux":
        return False
    from ockham.sealed import jail

    return jail.is_possible()


def _guard(preparation: Preparation) -> None:
    """Guard this process, where there are no walls; one that sends rows to an endpoint itself cannot be guarded."""
    if preparation.endpoints:
        declare(Protection(label=f"{UNSEALED}: rows are sent to an endpoint, and this system has no walls"))
        return
    from ockham.sealed import guard

    _fetch(preparation)
    guard.install()
    declare(Protection(label=SWITCHES))


class _Record:
    """The evidence of a go, from its beginning to its end, in the run's folder and where no jail may write."""

    def __init__(
        self, policy: Policy, watch: Watch, earlier: Mapping[str, bytes] | None, fetched: tuple[Row, ...]
    ) -> None:
        from ockham.sealed import evidence  # while the child is at work

        self._policy, self._watch, self._earlier, self._fetched = policy, watch, earlier, fetched
        self._began = evidence.now()
        self._folder = self._lock = -1

    def begin(self) -> None:
        """Write down that the go has begun, now that its run is known: after a kill this is what there is."""
        from ockham import machine
        from ockham.errors import StoreError
        from ockham.sealed import evidence
        from ockham.store import go_record

        self._folder = _open_inside(str(self._watch.run), self._policy.write)
        if self._folder < 0:
            return
        spoke = evidence.Spoke(fetched=self._fetched)
        entry = evidence.begun_evidence(self._policy, self._watch, self._began, spoke, self._before())
        with suppress(StoreError):  # a disk that is full shows soon enough
            self._lock = go_record.begin_record(machine.state(), self._run(), entry)
        self._save(entry)

    def end(self, sent: tuple[Row, ...], spoken: Spoken | None) -> Path | None:
        """Write down how it ended, and return the file; ``None`` where there is no run, or nothing of it was left."""
        from ockham import machine
        from ockham.sealed import evidence
        from ockham.store import go_record

        if self._folder < 0:
            return None
        spoke = evidence.Spoke(fetched=self._fetched, sent=sent, spoken=spoken)
        whole = evidence.watched_evidence(self._policy, self._watch, self._began, spoke)
        is_saved = self._save(whole)
        is_gone = not (_by_descriptor(self._folder) / "run.json").exists()
        if is_gone:  # it was given up, since the same command could not have mended it
            _remove_run(self._run(), _by_descriptor(self._folder) / evidence.FILE)
        if is_saved or is_gone:
            go_record.end_record(machine.state(), self._watch.go)
        for descriptor in (self._folder, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        return Path(str(self._watch.run)) / evidence.FILE if is_saved and not is_gone else None

    def attempts(self) -> str:
        """Say which libraries tried to reach somebody."""
        from ockham.sealed import evidence

        return evidence.name_attempts(self._watch.refused)

    def _run(self) -> Path:
        return _by_descriptor(self._folder).readlink()

    def _before(self) -> bytes | None:
        from ockham.sealed import evidence

        return None if self._earlier is None else self._earlier.get(str(self._run() / evidence.FILE), b"")

    def _save(self, entry: Evidence) -> bool:
        return _add_entry(_by_descriptor(self._folder), entry, self._before())


def _by_descriptor(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")


def _open_inside(path: str, folders: Iterable[str]) -> int:
    """Open a folder that a sealed process named; -1 where it is not one that the process itself may change.

    What is opened is looked at, not its name: the process could put a link in its place in between.
    """
    with suppress(OSError):
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if _inside(str(_by_descriptor(descriptor)), folders):
            return descriptor
        os.close(descriptor)
    return -1


def _add_entry(folder: Path, entry: Evidence, before: bytes | None) -> bool:
    """Add to the evidence in a folder; false where the disk refuses, of which the run itself has told."""
    from ockham.errors import StoreError
    from ockham.sealed import evidence
    from ockham.store import save_bytes

    path, old = folder / evidence.FILE, None
    with suppress(OSError):
        old = path.read_bytes()
    try:
        save_bytes(path, evidence.add_entry(old, entry, before))
    except StoreError:
        return False
    return True


def _remove_run(run: Path, file: Path) -> None:
    """Remove the evidence of a run of which nothing else is left, and its folder."""
    with suppress(OSError):
        file.unlink()
        run.rmdir()


def keep(run: str, policy: Policy, entry: Evidence) -> None:
    """Add to the evidence in the run's folder, which must be one that the run might write, what nobody watched."""
    from ockham import machine
    from ockham.store import go_record

    if _inside(run, policy.write):
        go_record.take_up(machine.state(), [os.path.realpath(run)])
        _add_entry(Path(run), entry, None)


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
    for path in _runs_in(folders):
        with suppress(OSError):
            files[f"{path}/evidence.json"] = Path(path, "evidence.json").read_bytes()
        if len(files) > _MOST_EARLIER:
            return None
    return files


def _runs_in(folders: Iterable[str]) -> dict[str, None]:
    """List the real paths of folders and of what lies right in them: where a run may be that a command goes on with."""
    paths = (path for folder in folders for path in (Path(folder), *Path(folder).glob("*")))
    return dict.fromkeys(os.path.realpath(path) for path in paths)


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
