"""Which verbs are sealed, what each may touch, and what becomes of the evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.sealed.policy import SWITCHES, UNSEALED, Policy
from ockham.sealed.state import Protection, current, declare

if TYPE_CHECKING:
    from ockham.sealed.ledger import Row

SEALED_VERBS = ("curate", "eval", "fit", "predict", "tune")
_READ = ("data", "test", "encoder", "base", "models", "models_folder", "prices", "bundle", "config")
"""The settings that name something to read."""
_FETCHED = (("decoder", "models"), ("decoder", "base"), ("encoder", "encoder"))
_POLICY = "ockham.sealed.policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a command writes: a folder of its own (``run``), folders to be made first, and where a file goes."""

    run: str | None = None
    folders: tuple[str, ...] = ()


def enter(verb: str, values: Mapping[str, object], touched: Touched, *, unsealed: bool) -> None:
    """Seal the rest of the command, if it was started as a command: what follows runs behind the walls.

    The process forks; the parent stays here, watches, writes the evidence, and leaves with the other's exit status. A
    command that was called from Python, or is told ``unsealed``, or must speak to somebody, goes on as it is.
    """
    if not click.get_current_context().find_root().obj:
        return
    why = reason(values, unsealed=unsealed)
    policy = Policy(verb=verb, write=_writable(touched), read=tuple(_named(values)))
    click.get_current_context().meta[_POLICY] = policy
    if why is not None:
        declare(Protection(label=f"{UNSEALED}: {why}"))
        return
    if sys.platform != "linux" or not _is_possible():
        from ockham.sealed import guard

        guard.install()
        declare(Protection(label=SWITCHES))
        return
    _fork(policy, touched, values)


def reason(values: Mapping[str, object], *, unsealed: bool) -> str | None:
    """Return why a command is not sealed, or ``None``."""
    if unsealed:
        return "--unsealed"
    for name in ("endpoint", "judge"):
        if values.get(name):
            return f"{'an' if name == 'endpoint' else 'a'} {name} is named, and rows are sent to it"
    return "Ray works over the network" if values.get("engine") == "ray" else None


def record_run(path: str) -> None:
    """Say in which folder the run is, so that its evidence is kept there; of an unsealed command it is the label."""
    from ockham.sealed import connector, evidence

    policy = click.get_current_context().meta.get(_POLICY)
    if connector.control():
        connector.tell_run(str(Path(path).absolute()))
    elif isinstance(policy, Policy):
        _keep(path, policy, evidence.unwatched(policy, current().label))


def _is_possible() -> bool:
    from ockham.sealed.jail import is_possible

    return is_possible()


def _fork(policy: Policy, touched: Touched, values: Mapping[str, object]) -> None:
    from ockham.sealed import broker

    made = _make(touched.folders)
    try:
        rows = _fetch(values)
        watch, walls, tried = broker.enter(policy)
    except BaseException:
        _unmake(made)
        raise
    if watch is None:
        declare(Protection(label=walls.label, attacks=len(tried)))
        return
    from ockham.sealed import evidence  # while the child is at work

    began = evidence.now()
    try:
        status = broker.follow(watch)
        _keep(watch.run, policy, evidence.watched(policy, watch, began, rows))
    finally:
        _unmake(made)
    raise click.exceptions.Exit(broker.leave_as(status))


def _fetch(values: Mapping[str, object]) -> tuple[Row, ...]:
    """Fetch models by their hub ids, where the user allows it (``HF_HUB_OFFLINE=0``), and return what was asked for.

    It happens in a process of its own that can open no data.
    """
    if os.environ.get("HF_HUB_OFFLINE", "1").lower() not in ("0", "false", "no", "off"):
        return ()
    names = [[kind, name] for kind, setting in _FETCHED for name in _words(values.get(setting)) if _is_id(name)]
    if not names:
        return ()
    from ockham.sealed import ledger

    words = [*_words(values.get("data")), *_words(values.get("test"))]
    data = [path for word in words for path in _places(Path(word).absolute())]
    with tempfile.TemporaryDirectory(prefix="ockham-") as folder:
        file = Path(folder) / "ledger.jsonl"
        command = [sys.executable, "-m", "ockham.rungs.fetch_models", str(file), json.dumps(names), *data]
        subprocess.run(command, check=False, env=os.environ | {"HF_HUB_DISABLE_XET": "1"}, stdin=subprocess.DEVNULL)
        lines = file.read_bytes().splitlines() if file.exists() else []
    return tuple(ledger.row(json.loads(line)) for line in lines)


def _is_id(name: str) -> bool:
    return "/" in name and not Path(name).expanduser().exists()


def _words(value: object) -> list[str]:
    """List the texts of a setting that holds one, several, or several between commas."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return [part for item in items if isinstance(item, (str, Path)) for part in str(item).split(",") if part]


def _keep(run: str | None, policy: Policy, fresh: object) -> None:
    """Add to the evidence in the run's folder, which must be one that the run might write."""
    from ockham.errors import StoreError
    from ockham.sealed import evidence
    from ockham.store import save_bytes

    if run is None or not isinstance(fresh, evidence.Evidence) or not _inside(run, policy.write):
        return
    path = Path(run) / evidence.FILE
    old = None
    with suppress(OSError):
        old = path.read_bytes()
    with suppress(StoreError):  # the disk was full: the run itself has said so
        save_bytes(path, evidence.added(old, fresh))


def _inside(path: str, folders: Iterable[str]) -> bool:
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def _writable(touched: Touched) -> tuple[str, ...]:
    """List what may be changed: the command's own folders, and the caches of ours."""
    from ockham import machine

    kernels = os.environ.get("OCKHAM_KERNELS")
    caches = [str(machine.cache()), *([kernels] if kernels else [])]
    paths = [*([touched.run] if touched.run else []), *touched.folders, *caches]
    return tuple(dict.fromkeys(str(Path(path).absolute()) for path in paths))


def _named(values: Mapping[str, object]) -> Iterable[str]:
    """List the paths that settings name, and where models stand."""
    for name in _READ:
        value = values.get(name)
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, (str, Path)) and str(item):
                yield from _places(Path(item).expanduser().absolute())
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        if os.environ.get(name):
            yield str(Path(os.environ[name]).absolute())


def _places(path: Path) -> Iterable[str]:
    """Give the path itself, or for a pattern the folder above its first wildcard."""
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
