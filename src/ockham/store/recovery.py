"""Replace a folder so that a kill never loses both, and put a run in order after one."""

from __future__ import annotations

import os
from pathlib import Path

from ockham.errors import BundleError
from ockham.store.atomic import (
    TEMPORARY,
    disk,
    entries,
    exchange,
    make_folder,
    make_temporary_folder,
    move,
    remove,
    sync_folder,
)
from ockham.store.bundle import verify_folder
from ockham.store.journal import repair

SWAP = ".swap-"
SHARDS = ("clean", "quarantine")
"""Folders of files that are published one by one (`Run.publish_in`)."""


def recover(path: Path) -> None:
    """Clear away what a killed process left half-done. Doing so twice, or being killed here, is harmless."""
    with disk(path, "clearing leftovers of an earlier run"):
        for name in entries(path):
            if name.startswith(SWAP):
                settle(path, path / name)
            elif name.endswith(".jsonl"):
                repair(path / name)
        folders = [path, *sorted(path.glob("records/*")), *sorted(path.glob("artifacts/*"))]
        folders += [path / name for name in SHARDS if (path / name).is_dir()]
        for folder in folders:
            for name in entries(folder):
                if TEMPORARY.fullmatch(name):
                    remove(folder / name)
        for name in entries(path / "staging"):
            remove(path / "staging" / name)


def replace_folder(fresh: Path, path: Path, swap: Path) -> None:
    """Put ``fresh`` under the name ``path``; the older folder then stands under ``swap``."""
    move(fresh, swap)
    if exchange(swap, path):
        sync_folder(path.parent)
        return
    # Without an exchange in one step, three renames: at every moment a whole folder stands under one of the names.
    move(swap, fresh)
    move(path, swap)
    move(fresh, path)


def settle(run: Path, swap: Path) -> None:
    """Finish a replacement wherever it stopped: a folder under the name itself wins, else the one in ``swap``."""
    path = run / swap.name.removeprefix(SWAP)
    if not os.path.lexists(swap):
        return
    if not os.path.lexists(path):
        move(swap, path)
        return
    try:
        verify_folder(swap)
    except BundleError:
        move_aside(run, swap, path.name)
        return
    # Its new name says that it may go: a kill in the middle of the removal leaves nothing that looks like an edit.
    doomed = make_temporary_folder(run)
    move(swap, doomed)
    remove(doomed)


def move_aside(run: Path, path: Path, label: str) -> None:
    """Move an entry to the run's ``aside`` folder, under a free name that begins with ``label``. Raises `OSError`."""
    aside = run / "aside"
    make_folder(aside)
    number = 0
    while os.path.lexists(target := aside / f"{label}.{number}"):
        number += 1
    move(path, target)
