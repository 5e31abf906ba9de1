"""Temporary folders outside a run: removed when their block ends, or by the next call where its process was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "ockham-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Lend an empty folder in the system's temporary folder, for its owner alone (0700).

    Its holder has locked it, and the kernel releases the lock however the holder dies: folders of this user that
    nobody holds any more are removed first. Raises `OSError` where the temporary folder cannot be written.
    """
    parent = Path(tempfile.gettempdir())
    _sweep(parent)
    folder, descriptor = _lock_new(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _lock_new(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        _lock(descriptor, wait=True)
        # Another process that swept before the lock was taken has removed it.
        if folder.exists():
            return folder, descriptor
        os.close(descriptor)


def _sweep(parent: Path) -> None:
    """Remove the folders whose holders are gone; what cannot be looked at or removed is left."""
    with suppress(OSError):
        for folder in sorted(parent.glob(f"{PREFIX}*")):
            with suppress(OSError):
                _remove_unheld(folder)


def _remove_unheld(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid == os.getuid() and _lock(descriptor, wait=False):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Say whether the lock was taken; file systems that have none are used without."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
