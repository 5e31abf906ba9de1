"""One run folder: what a climb has found so far, so that equal work is not done twice and a kill loses nothing.

::

    run/  lock  run.json                 who holds it; what the run is about
          records/<kind>/<key>.json      records, each with its own SHA-256
          artifacts/<kind>/<key>/        weights and the like, each with MANIFEST.json
          staging/<n>/                   where a verb writes; emptied at every opening
          aside/                         damaged entries, moved here and made again
          .next/                         another run, which replaces this one when it is done
          <name>.jsonl                   journals
          verdict.json report.html bundle/ …    what was published
"""

from __future__ import annotations

import builtins
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from ockham.errors import BundleError, Defect, RunError
from ockham.printable import printable
from ockham.records import Json, canonical
from ockham.store.atomic import (
    TEMPORARY,
    NewFile,
    check_place,
    copy_tree,
    disk,
    entries,
    make_folder,
    make_temporary_folder,
    move,
    remove,
    save_bytes,
    sync_tree,
)
from ockham.store.bundle import BUNDLE, SEAL, check_seal, write_seal
from ockham.store.codec import SCHEMA, decode, encode, open_entry, seal_entry
from ockham.store.journal import append_row, read_rows
from ockham.store.lock import take_lock
from ockham.store.recovery import SWAP, move_aside, recover, replace_folder, settle
from ockham.store.replacing import NEXT, finish_replacement, give_up, take_over

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")
_log = logging.getLogger(__name__)
_KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_KEY = re.compile(r"[0-9a-f]{32,128}|[a-z0-9][a-z0-9._-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_RESERVED = {"lock", "run.json", "records", "artifacts", "staging", "aside"}


def identity_of(path: Path) -> dict[str, Json]:
    """Read what a run is about, without opening it.

    Raises `RunError`: ``E_RUN_MISSING`` where there is no run, ``E_RUN_CHANGED`` where ``run.json`` is damaged or of
    another version.
    """
    with disk(path, "reading the run"):
        try:
            data = (path / "run.json").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            message = f"{printable(path)} is not a run: it has no run.json"
            raise RunError("E_RUN_MISSING", message, fix="name the folder of a run, such as runs/NAME") from None
    try:
        document = json.loads(data)
        schema, identity = document["schema"], document["identity"]
    except (ValueError, KeyError, TypeError, RecursionError):
        schema, identity = None, None
    if schema == SCHEMA and isinstance(identity, dict):
        return identity
    if isinstance(schema, int) and schema != SCHEMA:
        what, fix = f"has schema {schema}; this version reads schema {SCHEMA}", "use the version that made the run"
    else:
        what, fix = "cannot be read", "start a new run in another folder with --out"
    raise RunError("E_RUN_CHANGED", f"{printable(path / 'run.json')} {what}", fix=fix)


def check_folder(path: Path) -> None:
    """Find out, before any work, whether a run can be kept in a folder; nothing is written.

    Raises `RunError` (``E_RUN_MISSING``) for a folder that holds something else, `StoreError` (``E_DISK``) where the
    disk would refuse.
    """
    _refuse_foreign(path, create=True)
    check_place(path / "run.json")


def open_run(path: Path, identity: Mapping[str, Json], *, create: bool = True) -> Run:
    """Open a run folder for this process alone, making it first if need be; use it in a ``with`` block.

    ``identity`` are the settings and digests that decide the outcome. What a killed process left half-done is cleared
    away. Raises `RunError`: ``E_RUN_LOCKED`` while another process has it open, ``E_RUN_CHANGED`` when the run was made
    with another identity, ``E_RUN_MISSING`` for a folder that holds something else (nothing is written into it) or,
    with ``create=False``, no run. Raises `StoreError` (``E_DISK``) when the disk refuses.
    """
    _refuse_foreign(path, create=create)
    with disk(path, "making the run folder"):
        make_folder(path)
    descriptor = take_lock(path / "lock")
    try:
        _refuse_foreign(path, create=create)
        finish_replacement(path)
        if (path / "run.json").exists():
            _compare(path, identity_of(path), json.loads(canonical(identity)))
        recover(path)
        if not (path / "run.json").exists():
            content = {"schema": SCHEMA, "identity": json.loads(canonical(identity))}
            save_bytes(path / "run.json", encode(content) + b"\n")
    except BaseException:
        os.close(descriptor)
        raise
    return Run(path, descriptor)


class Run:
    """An open run folder. Made by `open_run`; ends with its ``with`` block, or with its process."""

    __slots__ = ("_descriptor", "path", "rebuilt")

    def __init__(self, path: Path, descriptor: int) -> None:
        """Hold a folder whose lock is ``descriptor``."""
        self.path = path
        self.rebuilt = 0
        """How many damaged entries were moved aside since the run was opened."""
        self._descriptor: int | None = descriptor

    def __enter__(self) -> Self:
        """Return the run itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self.close()

    def close(self) -> None:
        """Release the lock; closing twice is harmless."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def save(self, kind: str, key: str, record: object) -> None:
        """Keep a record under the digest of the work it came from; keeping it again changes nothing."""
        path = self._record(kind, key)
        data = seal_entry(key, encode(record))
        if _read(path) != data:
            save_bytes(path, data)

    def load(self, kind: str, key: str, type_: type[T]) -> T | None:
        """Find a record; ``None`` where there is none.

        Every byte is verified. An entry that is damaged, or written by another version, counts as missing: it is moved
        to ``aside/``, logged (by name, never by content) and counted in ``rebuilt``.
        """
        item = self._load(self._record(kind, key), type_, key)
        return None if item is None else item[1]

    def list(self, kind: str, type_: type[T]) -> builtins.list[tuple[str, T]]:
        """List the records of a kind with their keys, sorted by key; damaged ones are treated as in `find`."""
        folder = self._inside("records", _check_name(kind, _KIND))
        with disk(folder, "listing records"):
            paths = [folder / name for name in entries(folder) if name.endswith(".json")]
        records = [self._load(path, type_) for path in paths]
        return sorted((item for item in records if item is not None), key=lambda item: item[0])

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Lend an empty folder to write into; what was not sealed by the end of the block is removed."""
        parent = self.path / "staging"
        with disk(parent, "making a staging folder"):
            make_folder(parent)
            folder = make_temporary_folder(parent)
        try:
            yield folder
        finally:
            # What cannot be removed now is removed at the next opening.
            with suppress(OSError):
                if folder.exists():
                    remove(folder)

    def commit_artifact(self, kind: str, key: str, folder: Path, *, lasting: bool = True) -> Path:
        """Turn a staging folder into an artifact that is never changed again; give its place.

        Its files and their SHA-256 are forced to the disk before the folder gets its name. If the artifact is there
        already and whole, it stays, and the staging folder is left for its block to remove. What is needed on the way
        alone is not ``lasting``: it is named without waiting for the disk, so that after a power cut (not after a kill)
        it may be damaged, which `artifact` finds by quick digests. Raises `Defect` for links
        and devices in the folder, `StoreError` (``E_DISK``) when the disk refuses.
        """
        target = self._artifact(kind, key)
        if self.artifact(kind, key) is not None:
            return target
        with disk(target, "sealing an artifact"):
            write_seal(folder, kind, key, lasting=lasting)
            make_folder(target.parent)
            if lasting:
                sync_tree(folder)
                move(folder, target)
            else:
                folder.rename(target)
        return target

    def artifact(self, kind: str, key: str) -> Path | None:
        """Find an artifact, every file verified; a damaged one is treated as in `find`."""
        path = self._artifact(kind, key)
        if not os.path.lexists(path):
            return None
        try:
            check_seal(path, kind, key)
        except BundleError:
            self._set_aside(path)
            return None
        return path

    def publish(self, name: str, data: bytes) -> Path:
        """Save a file of the run's own, such as ``verdict.json``, in place of an older one."""
        path = self._published_path(name)
        save_bytes(path, data)
        return path

    def publish_in(self, folder: str, name: str, data: bytes | bytearray) -> Path:
        """Save a file into a folder of the run's own, such as ``clean/00000.jsonl``, in place of an older one."""
        path = self._published_path(folder) / _check_name(name, _NAME)
        save_bytes(path, data)
        return path

    def begin_in(self, folder: str, name: str) -> NewFile:
        """Begin a file as `publish_in` saves it, that is written piece by piece."""
        return NewFile(self._published_path(folder) / _check_name(name, _NAME))

    def discard(self, kind: str) -> None:
        """Remove all artifacts of a kind, which were needed on the way alone."""
        folder = self._inside("artifacts", _check_name(kind, _KIND))
        with disk(folder, "removing what is no longer needed"):
            if folder.exists():
                remove(folder)

    def begin_next(self, identity: Mapping[str, Json]) -> Run:
        """Open the run that is to replace this one; `take_over` does that when it is closed.

        One that was begun with the same identity goes on, another one is given up. Raises as `open_run` does.
        """
        path = self._inside(NEXT)
        try:
            return open_run(path, identity)
        except RunError as error:
            if error.code != "E_RUN_CHANGED":
                raise
        with disk(path, "removing what is not needed any more"):
            remove(path)
        return open_run(path, identity)

    def take_over(self) -> None:
        """Put the run that `begin_next` gave in place of this one. Raises `StoreError` (``E_DISK``)."""
        take_over(self._inside())

    def give_up(self) -> None:
        """Remove all that the run has written, and close it; what the user put into its folder stays."""
        give_up(self._inside())
        self.close()

    def publish_folder(self, name: str, source: Path) -> Path:
        """Copy a folder into the run, such as ``bundle``, in place of an older one.

        The files are copied, not linked: a link would let a user who edits the bundle change the sealed artifact.
        Where the system can exchange two names in one step, the name always shows a whole folder, old or new; elsewhere
        a kill may leave the old folder under ``.swap-NAME``, and the next `open_run` puts it back. An older folder that
        someone has changed is moved to ``aside/``, not removed. A bundle is copied without
        the MANIFEST.json of the artifact it comes from.
        """
        path = self._published_path(name)
        swap = self.path / f"{SWAP}{name}"
        with disk(path, "publishing a folder"):
            fresh = make_temporary_folder(self.path)
            try:
                copy_tree(source, fresh, leave=(SEAL,) if (source / BUNDLE).exists() else ())
                if not os.path.lexists(path):
                    move(fresh, path)
                    return path
                replace_folder(fresh, path, swap)
            except BaseException:
                with suppress(OSError):
                    settle(self.path, swap)
                    if fresh.exists():
                        remove(fresh)
                raise
            settle(self.path, swap)
        return path

    def append(self, name: str, row: Mapping[str, Json]) -> None:
        """Add one row to the journal ``name``.jsonl, and force it to the disk before returning."""
        append_row(self._published_path(f"{name}.jsonl"), canonical(row))

    def rows(self, name: str) -> builtins.list[dict[str, Json]]:
        """Read a journal, in the order of writing; a last row that was cut off by a kill is left out."""
        return read_rows(self._published_path(f"{name}.jsonl"))

    def _inside(self, *parts: str) -> Path:
        if self._descriptor is None:
            raise Defect("E_DEFECT", f"{printable(self.path)} is used after it was closed", fix="please report this")
        return self.path.joinpath(*parts)

    def _record(self, kind: str, key: str) -> Path:
        return self._inside("records", _check_name(kind, _KIND), f"{_check_name(key, _KEY)[:32]}.json")

    def _artifact(self, kind: str, key: str) -> Path:
        return self._inside("artifacts", _check_name(kind, _KIND), _check_name(key, _KEY)[:32])

    def _published_path(self, name: str) -> Path:
        if name in _RESERVED:
            raise Defect("E_DEFECT", f"{name} is a name of the store's own", fix="please report this")
        return self._inside(_check_name(name, _NAME))

    def _load(self, path: Path, type_: type[T], key: str | None = None) -> tuple[str, T] | None:
        data = _read(path)
        if data is None:
            return None
        entry = open_entry(data)
        if entry is not None and (entry[0] == key or (key is None and f"{entry[0][:32]}.json" == path.name)):
            with suppress(RunError):
                return entry[0], decode(entry[1], type_)
        self._set_aside(path)
        return None

    def _set_aside(self, path: Path) -> None:
        self.rebuilt += 1
        _log.warning("%s is damaged or of another version: moved aside, to be made again", printable(path))
        with disk(path, "moving a damaged entry aside"):
            move_aside(self.path, path, f"{path.parent.name}-{path.name}")


def _refuse_foreign(path: Path, *, create: bool) -> None:
    with disk(path, "looking into the run folder"):
        try:
            names = entries(path)
        except NotADirectoryError:
            message = f"{printable(path)} is not a folder"
            raise RunError("E_RUN_MISSING", message, fix="choose another folder with --out") from None
    if "run.json" in names:
        return
    ours = ("lock", "aside", "evidence.json")  # the last one outlives a run that is begun anew
    foreign = [name for name in names if name not in ours and not TEMPORARY.fullmatch(name)]
    if foreign:
        message = (
            f"{printable(path)} holds {len(foreign)} other files or folders and no run; nothing was written into it"
        )
        raise RunError("E_RUN_MISSING", message, fix="choose an empty or new folder with --out")
    if not create:
        message = f"{printable(path)} is not a run: it has no run.json"
        raise RunError("E_RUN_MISSING", message, fix="name the folder of a run, such as runs/NAME")


def _compare(path: Path, old: Mapping[str, Json], new: Mapping[str, Json]) -> None:
    changes = list(differences(old, new, ""))
    if changes:
        message = f"{printable(path)} was made with other settings: {'; '.join(changes)}"
        raise RunError("E_RUN_CHANGED", message, fix="use the same settings to go on, or another folder with --out")


def differences(old: Mapping[str, Json], new: Mapping[str, Json], prefix: str) -> Iterator[str]:
    """Say of each setting that differs what it was and what it is now."""
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, f"{prefix}{key}.")
        elif before != after or (key in old) != (key in new):
            words = [json.dumps(side[key])[:80] if key in side else "not set" for side in (old, new)]
            yield f"{prefix}{key} was {words[0]}, now {words[1]}"


def _read(path: Path) -> bytes | None:
    with disk(path, "reading"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def _check_name(name: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(name):
        raise Defect("E_DEFECT", f"{name[:80]!a} cannot name an entry of the store", fix="please report this")
    return name
