"""Models that were fetched, in the user's cache: each in a folder of its own, put there whole or not at all.

What is fetched waits in ``.pulling/NAME`` beside them, so that a fetch that was cut off goes on there. A lock, which
ends with its holder, keeps two processes from fetching one model at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ockham.errors import ModelError, RunError
from ockham.store.atomic import disk, make_folder, move, remove, save_bytes, sync_tree
from ockham.store.codec import decode, encode
from ockham.store.lock import take_lock

RECORD = "pulled.json"
_PULLING = ".pulling"


@dataclass(frozen=True, slots=True, kw_only=True)
class PulledModel:
    """What was fetched, from where and when: stored beside it. ``file`` has the SHA-256; ``date`` is an ISO date."""

    name: str
    source: str
    file: str
    sha256: str
    nbytes: int
    licence: str
    date: str


def models_folder(cache: Path) -> Path:
    """Return where the models stand in the user's cache."""
    return cache / "models"


def pulled_folder(cache: Path, name: str) -> Path | None:
    """Return the folder of a model that was fetched; ``None`` where there is none of that name."""
    if name != Path(name).name or name.startswith("."):
        return None
    folder = models_folder(cache) / name
    return folder if (folder / RECORD).is_file() else None


def read_pulled(folder: Path) -> PulledModel | None:
    """Return what a model's folder says of itself; ``None`` where it says nothing that can be read."""
    try:
        return decode((folder / RECORD).read_bytes(), PulledModel)
    except (OSError, RunError):
        return None


class Pull:
    """A fetch under way: ``folder`` is where it may write, and what is there from one that was cut off."""

    def __init__(self, cache: Path, name: str, folder: Path) -> None:
        """Take the place of the model and that of the fetch."""
        self.folder = folder
        self._final = models_folder(cache) / name

    def publish(self, staging: Path, record: PulledModel) -> Path:
        """Put a folder in the model's place and forget the fetch. Raises `StoreError` (``E_DISK``)."""
        with disk(self._final, "keeping a model"):
            save_bytes(staging / RECORD, encode(record) + b"\n")
            sync_tree(staging)
            if os.path.lexists(self._final):  # something that no fetch has finished
                remove(self._final)
            move(staging, self._final)
        self.forget()
        return self._final

    def forget(self) -> None:
        """Remove what was fetched so far."""
        with disk(self.folder, "removing what was fetched"):
            if os.path.lexists(self.folder):
                remove(self.folder)


@contextmanager
def pull_model(cache: Path, name: str) -> Iterator[Pull]:
    """Fetch one model alone, in a folder that is there already where an earlier fetch was cut off.

    Raises `ModelError` (``E_MODEL_BUSY``) where another process fetches it, `StoreError` (``E_DISK``).
    """
    descriptor = _lock(cache, name)
    try:
        folder = models_folder(cache) / _PULLING / name
        with disk(folder, "making a folder"):
            make_folder(folder)
        yield Pull(cache, name, folder)
    finally:
        os.close(descriptor)


def remove_model(cache: Path, name: str) -> int:
    """Remove a model that was fetched, and return the bytes that this frees. Raises as `pull_model`.

    It is taken out of its place first, so that whoever looks sees all of it or nothing.
    """
    descriptor = _lock(cache, name)
    try:
        folder, away = models_folder(cache) / name, models_folder(cache) / _PULLING / f"{name}.removed"
        freed = disk_bytes(folder)
        with disk(folder, "removing a model"):
            if os.path.lexists(away):
                remove(away)
            move(folder, away)
            remove(away)
        return freed
    finally:
        os.close(descriptor)


def disk_bytes(folder: Path) -> int:
    """Count the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_pieces(path: Path, pieces: Iterator[bytes], on_written: Callable[[int], None]) -> None:
    """Write bytes to a file in a folder of the fetch. Raises `StoreError` (``E_DISK``) when the disk refuses."""
    written = 0
    with disk(path, "writing a model"), path.open("wb") as writer:
        for piece in pieces:
            writer.write(piece)
            written += len(piece)
            on_written(written)


def _lock(cache: Path, name: str) -> int:
    path = models_folder(cache) / _PULLING / f"{name}.lock"
    with disk(path, "making a folder"):
        make_folder(path.parent)
    try:
        return take_lock(path)
    except RunError as error:
        message = f"{name} is being fetched or removed by another process ({error.message})"
        raise ModelError("E_MODEL_BUSY", message, fix="wait until it is done; `ockham models` shows it then") from None
