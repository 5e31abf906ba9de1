"""The folder of a curation: opened, replaced by one of other data or settings, and what stays in it after a failure.

A run that was stopped, by Ctrl-C, a kill, the disk, the memory or a lost process, keeps what it has examined, and the
same command goes on from there. A run that the same command cannot mend, since the data or this program are at fault,
leaves nothing; what an earlier run has finished stays as it is.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from ockham.errors import DataError, Defect, RunError, StoreError
from ockham.printable import printable
from ockham.records import Json, canonical
from ockham.store import Run, differences, identity_of, open_run

Opening = Callable[[Path, dict[str, Json]], AbstractContextManager[Run]]
_SHOWN = 3
"""Files that are named in a message."""
_log = logging.getLogger(__name__)


@contextmanager
def open_curation(out: Path, identity: dict[str, Json]) -> Iterator[Run]:
    """Open the run of a folder, or begin one.

    Raises `RunError` (``E_RUN_CHANGED``) where the folder holds a curation of other data or settings, and otherwise as
    `open_run` does.
    """
    try:
        run = open_run(out, identity)
    except RunError as error:
        before = _before(out, error)
        consequence = (
            "it keeps what it holds until the new run is done" if _is_finished(out) else "what was done is removed"
        )
        message = (
            f"{printable(out)} holds a curation of other data or settings: {'; '.join(_changes(before, identity))}"
        )
        fix = f"add --restart to curate anew into this folder ({consequence}), or choose another one with -o"
        raise RunError("E_RUN_CHANGED", message, fix=fix) from None
    with run, _left_in_order(run):
        yield run


@contextmanager
def open_replacement(out: Path, identity: dict[str, Json]) -> Iterator[Run]:
    """Open a run that takes the place of what the folder holds once the block has ended well.

    A run of the same data and settings goes on, as with `open_curation`; one that was not finished is given up first.
    """
    try:
        run = open_run(out, identity)
    except RunError as error:
        before = _before(out, error)
    else:
        with run, _left_in_order(run):
            yield run
        return
    if not _is_finished(out):
        open_run(out, before).give_up()
        with open_curation(out, identity) as run:
            yield run
        return
    with open_run(out, before) as older:
        with older.begin_next(identity) as run, _left_in_order(run):
            yield run
        older.take_over()


@contextmanager
def _left_in_order(run: Run) -> Iterator[None]:
    """Say what a run that was stopped has left, and leave nothing of one that cannot go on."""
    try:
        yield
    except BaseException as error:
        if can_go_on(error):
            megabytes = _size(run.path) / 1e6
            _log.warning(
                "%s keeps the finished work (%.0f MB): the same command resumes it; to discard it, remove that folder",
                printable(run.path / "artifacts" if _is_finished(run.path) else run.path),
                megabytes,
            )
        else:
            # What cannot be removed must not hide what went wrong.
            with suppress(StoreError):
                if _is_finished(run.path):
                    run.discard("chunk")
                else:
                    run.give_up()
        raise


def can_go_on(error: BaseException) -> bool:
    """Tell whether the same command, given again, may end well after this error."""
    if isinstance(error, DataError):
        return error.code == "E_IO"
    return not isinstance(error, Exception) or isinstance(error, (StoreError, Defect, OSError, MemoryError))


def _before(out: Path, error: RunError) -> dict[str, Json]:
    """Read what a folder is about that would not open. Raises `RunError` where no curation of other data is why."""
    if error.code != "E_RUN_CHANGED":
        raise error
    before = identity_of(out)
    if before.get("verb") != "curate":
        message = f"{printable(out)} holds a run of another command"
        raise RunError("E_RUN_MISSING", message, fix="choose another folder with -o")
    return before


def _is_finished(path: Path) -> bool:
    return (path / "report.json").exists()


def _changes(before: Mapping[str, Json], now: Mapping[str, Json]) -> list[str]:
    """Say what is different: each file that has changed, and each setting."""
    now = _read_back(now)
    changes: list[str] = []
    for name, what in (("files", "the data"), ("test", "the test rows")):
        if before.get(name) != now.get(name):
            changes += _files_changed(before.get(name), now.get(name)) if name == "files" else [f"{what} changed"]
    old, new = ({key: value for key, value in side.items() if key not in ("files", "test")} for side in (before, now))
    return changes + list(differences(old, new, ""))


def _files_changed(before: Any, now: Any) -> list[str]:  # noqa: ANN401 - read from a file that anyone can change
    try:
        old, new = ([(str(name), str(digest)) for name, digest in side] for side in (before, now))
    except (TypeError, ValueError):
        return ["the data changed"]
    gone, come = (Counter(left_side) - Counter(right_side) for left_side, right_side in ((old, new), (new, old)))
    left, added = {name for name, _ in gone}, {name for name, _ in come}
    messages = [f"{name} changed" for name in sorted(left & added)]
    messages += [f"{name} is gone" for name in sorted(left - added)] + [
        f"{name} is new" for name in sorted(added - left)
    ]
    more = [f"and {len(messages) - _SHOWN} more files"] if len(messages) > _SHOWN else []
    return [*messages[:_SHOWN], *more] or ["the files come in another order"]


def _read_back(identity: Mapping[str, Json]) -> dict[str, Json]:
    """Return an identity as it would be read from its file."""
    import json

    parsed: dict[str, Json] = json.loads(canonical(identity))
    return parsed


def _size(path: Path) -> int:
    """Add up the files below a folder that can be seen."""
    total = 0
    for root, _, files in os.walk(path):
        for name in files:
            with suppress(OSError):
                total += os.lstat(Path(root) / name).st_size
    return total
