"""K17, by rule: nothing gets its name before its content is on the disk, and no step returns before its name is.

A power loss may undo whatever was not forced to the disk, and in any order. It is not simulated here; what is checked,
on the calls of a whole save, are the three rules from which it follows that no order of undoing leaves a torn file: a
name is given only to what was forced to the disk, down to its last file and folder; when a step returns, every folder
that got a new name was forced to the disk; and nothing is written in place but the journals and the lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import store_child as child

from ockham.store import open_run, recovery


class Disk:
    """Follow which paths hold what is not yet forced to the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open_files: dict[int, str] = {}
        self.dirty: set[str] = set()
        self.in_place: set[str] = set()
        self.names_given = 0
        self.real = {name: getattr(os, name) for name in ("open", "write", "fsync", "rename", "mkdir", "ftruncate")}
        for name in self.real:
            monkeypatch.setattr(os, name, getattr(self, name))
        exchange = recovery.exchange  # type: ignore[attr-defined]  # not exported, and not meant to be

        def exchanged(first: Path, second: Path) -> bool:
            self.must_be_whole(first)
            done: bool = exchange(first, second)
            if done:
                self.dirty |= {str(first.parent), str(second.parent)}
            return done

        monkeypatch.setattr(recovery, "exchange", exchanged)

    def open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if "dir_fd" in named:  # shutil.rmtree, walking what it removes
            return int(self.real["open"](path, flags, *rest, **named))
        new = not Path(path).exists()
        descriptor = int(self.real["open"](path, flags, *rest, **named))
        self.open_files[descriptor] = str(path)
        if flags & os.O_CREAT and new:
            self.dirty |= {str(path), str(Path(path).parent)}
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        path = self.open_files[descriptor]
        self.dirty.add(path)
        if not any(part.startswith(".tmp-") for part in Path(path).parts):
            self.in_place.add(Path(path).name)
        return int(self.real["write"](descriptor, data))

    def ftruncate(self, descriptor: int, size: int) -> None:
        self.dirty.add(self.open_files[descriptor])
        self.real["ftruncate"](descriptor, size)

    def fsync(self, descriptor: int) -> None:
        self.real["fsync"](descriptor)
        self.dirty.discard(self.open_files[descriptor])

    def mkdir(self, path: Any, *rest: Any, **named: Any) -> None:
        self.real["mkdir"](path, *rest, **named)
        self.dirty.add(str(Path(path).parent))

    def rename(self, source: Path, target: Path) -> None:
        self.must_be_whole(source)
        self.real["rename"](source, target)
        self.dirty |= {str(source.parent), str(target.parent)}

    def must_be_whole(self, path: Path) -> None:
        self.names_given += 1
        torn = {name for name in self.dirty if name == str(path) or name.startswith(f"{path}/")}
        assert not torn, f"{path} gets its name before this is on the disk: {sorted(torn)}"

    def must_be_named(self) -> None:
        # What was removed needs no name, temporary names may be lost, and so may the name of the lock's holder.
        lost = {p for p in self.dirty if Path(p).exists() and ".tmp-" not in p and Path(p).name not in FREE}
        assert not lost, f"a step returned before this was on the disk: {sorted(lost)}"


FREE = {"lock", "staging"}


@pytest.mark.parametrize("prepare", [[], ["old"]], ids=["into a new folder", "over an older climb"])
@pytest.mark.parametrize("can_exchange", [True, False])
def test_k17_content_before_name_and_name_before_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepare: list[str], can_exchange: bool
) -> None:
    path = tmp_path / "deep" / "run"
    nothing: Callable[[], object] = lambda: None  # noqa: E731 - named for its type
    for version in prepare:
        child.save(path, version, nothing)
    if not can_exchange:
        monkeypatch.setattr(recovery, "exchange", lambda first, second: False)
    disk = Disk(monkeypatch)
    child.save(path, "new", disk.must_be_named)
    assert disk.in_place == {"lock", "openings.jsonl"}
    assert disk.names_given >= 8


def test_k17_what_a_verb_wrote_without_care_is_forced_to_the_disk_by_sealing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_run(tmp_path / "run", {}) as run:
        disk = Disk(monkeypatch)
        with run.staging() as folder:
            os.mkdir(folder / "model")  # noqa: PTH102 - called by the name that is followed
            descriptor = os.open(folder / "model" / "a.bin", os.O_WRONLY | os.O_CREAT)
            os.write(descriptor, b"weights")
            os.close(descriptor)
            assert str(folder / "model" / "a.bin") in disk.dirty
            run.commit_artifact("model", "a", folder)
        disk.must_be_named()
    assert disk.names_given == 2


def test_the_rules_catch_a_name_given_too_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    with pytest.raises(AssertionError, match="gets its name before"):
        child.save(tmp_path / "run", "new", disk.must_be_named)
