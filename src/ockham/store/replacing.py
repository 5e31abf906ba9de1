"""A finished run replaced by another one in its folder: whole, and once the other one is done; or a run given up.

The other run works in ``.next`` inside the folder. When it is done, ``.next`` is called ``.done``: from then on whoever
opens the folder finishes the replacement, wherever it stopped. What the older run left goes to ``.old``, then ``.done``
is called ``.ready`` and its content moves up, ``run.json`` last, and ``.old`` is removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ockham.store.atomic import disk, entries, make_folder, move, remove
from ockham.store.recovery import SHARDS, move_aside

NEXT = ".next"
_DONE, _OLD, _READY = ".done", ".old", ".ready"
_OWN = ("records", "artifacts", "staging", *SHARDS, "report.json", "report.html")
_SHARD = re.compile(r"\d{5,}\.[a-z.]+|\.tmp-\d+")


def take_over(path: Path) -> None:
    """Put the run in ``.next`` in place of the one in the folder; what the user put beside that stays.

    Raises `StoreError` (``E_DISK``) when the disk refuses; the next opening goes on.
    """
    with disk(path, "replacing an older run"):
        move(path / NEXT, path / _DONE)
    finish_replacement(path)


def finish_replacement(path: Path) -> None:
    """Finish a replacement wherever it stopped. Doing so twice, or being killed here, is harmless."""
    with disk(path, "replacing an older run"):
        if os.path.lexists(path / _DONE):
            make_folder(path / _OLD)
            for name in _OWN:
                if os.path.lexists(path / name):
                    move(path / name, path / _OLD / name)
            move(path / _DONE, path / _READY)
        if os.path.lexists(path / _READY):
            for name in entries(path / _READY):
                if name not in ("lock", "run.json"):
                    move(path / _READY / name, path / name)
            if os.path.lexists(path / _READY / "run.json"):
                move(path / _READY / "run.json", path / "run.json")
            remove(path / _READY)
        if os.path.lexists(path / _OLD):
            for name in list(_strays(path / _OLD)):
                move_aside(path, path / _OLD / name, name.replace("/", "-"))
            remove(path / _OLD)


def give_up(path: Path) -> None:
    """Remove all that a run has written; what the user put into its folder stays, and so does the folder with it.

    The folder's lock is held by the caller. Raises `StoreError` (``E_DISK``) when the disk refuses.
    """
    with disk(path, "removing what is not needed any more"):
        for name in (*_OWN, "run.json"):  # the last one says that the rest is ours
            target = path / name
            if name in SHARDS and target.is_dir():
                for shard in filter(_SHARD.fullmatch, entries(target)):
                    remove(target / shard)
                with suppress(OSError):  # it holds something of the user's
                    target.rmdir()
            elif os.path.lexists(target):
                remove(target)
        remove(path / "lock")
        with suppress(OSError):
            path.rmdir()


def _strays(old: Path) -> Iterator[str]:
    """Name what stands among the shards and is none."""
    for folder in SHARDS:
        if (old / folder).is_dir():
            yield from (f"{folder}/{name}" for name in entries(old / folder) if not _SHARD.fullmatch(name))
