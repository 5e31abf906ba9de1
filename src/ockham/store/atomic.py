"""Write whole files and whole folders, or nothing: the only calls that change the disk.

A file is written under a temporary name beside its place, forced to the disk, renamed, and the folder is forced to the
disk: whoever looks sees the old content or the new one. Everything goes through functions of `os`, called by that name,
so that the fault sweep (``tests/e2e/test_store_sweep.py``) can interrupt each of them.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from ockham.errors import StoreError
from ockham.printable import printable

TEMPORARY = re.compile(r"\.tmp-[0-9]+")
_CHUNK = 1 << 20
_FIXES = {
    errno.ENOSPC: "free some space on that disk and run the same command again",
    errno.EDQUOT: "free some of your quota on that disk and run the same command again",
    errno.EIO: "the disk reports a fault: check it, then run the same command again, or write to another disk",
    errno.EROFS: "that disk is read-only: write to another folder",
    errno.ENOTDIR: "choose another name: a part of the path is a file, not a folder",
    errno.EACCES: "make the folder writable for you, or write to another folder",
    errno.EPERM: "make the folder writable for you, or write to another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n) and run the same command again",
}


@contextmanager
def disk(path: Path, doing: str) -> Iterator[None]:
    """Turn what the disk refuses inside the block into a `StoreError` (``E_DISK``) with the place and the reason."""
    try:
        yield
    except OSError as error:
        raise refusal(error, f"{printable(path)}: {doing}") from error


def refusal(error: OSError, doing: str) -> StoreError:
    """Return as an error of ours (``E_DISK``) what the system refused, and what to do about it."""
    name = errno.errorcode.get(error.errno or 0, "unknown error")
    why = os.strerror(error.errno) if error.errno else "no reason given"
    fix = _FIXES.get(error.errno or 0, "check the path and the disk, then run the same command again")
    return StoreError("E_DISK", f"{doing} failed: {name} ({why})", fix=fix)


def is_refusal(error: OSError) -> bool:
    """Tell whether it is the disk or the system that refused, whatever was asked of it."""
    return error.errno in _FIXES


def check_place(path: Path) -> None:
    """Find out, before any work, whether a file can be saved; nothing is written.

    Raises `StoreError` (``E_DISK``) where `save_bytes` would: the path names something that is no plain file, or its
    folder cannot be made or written to. A disk that is full is found when it is written to.
    """
    with disk(path, "writing to that place"):
        _refuse_strange(path)
        folder = path.parent
        while not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def save_bytes(path: Path, data: bytes | bytearray) -> None:
    """Save a file whole: after a kill or a full disk its old content stands, or the new one, never a part.

    Missing folders are made (0700); the file is readable by its owner alone (0600). Raises `StoreError` (``E_DISK``)
    when the disk refuses, or when the path names something that is not a plain file, such as a link or a device.
    """
    with disk(path, f"saving {len(data)} bytes"):
        _refuse_strange(path)
        make_folder(path.parent)
        descriptor, temporary = _open_temporary(path.parent)
        try:
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


class NewFile:
    """A file that is written piece by piece, and gets its name when it is whole; otherwise as `save_bytes`."""

    __slots__ = ("_descriptor", "_path", "_temporary")

    def __init__(self, path: Path) -> None:
        """Begin a file. Raises `StoreError` as `save_bytes` does."""
        with disk(path, "beginning a file"):
            _refuse_strange(path)
            make_folder(path.parent)
            self._path = path
            self._descriptor, self._temporary = _open_temporary(path.parent)

    def write(self, data: bytes | bytearray) -> None:
        """Add bytes. Raises `StoreError` (``E_DISK``) when the disk refuses."""
        with disk(self._path, f"writing {len(data)} bytes"):
            write_all(self._descriptor, data)

    def finish(self) -> None:
        """Force what was written to the disk and give it its name. Raises `StoreError` (``E_DISK``)."""
        with disk(self._path, "saving a file"):
            os.fsync(self._descriptor)
            os.rename(self._temporary, self._path)
            sync_folder(self._path.parent)
        os.close(self._descriptor)
        self._descriptor = -1

    def drop(self) -> None:
        """Return up what was not finished; nothing is left of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            with suppress(OSError):
                os.unlink(self._temporary)


def save_text(path: Path, text: str) -> None:
    """Save text as UTF-8, line ends as given; otherwise as `save_bytes`."""
    save_bytes(path, text.encode())


def write_all(descriptor: int, data: bytes | bytearray) -> None:
    """Write every byte; a disk may take fewer than it was offered."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone (0700), and those above it; each name is forced to the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
        sync_folder(path.parent)


def entries(folder: Path) -> list[str]:
    """List the names in a folder, sorted; a folder that is not there has none. Raises `OSError`."""
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def make_temporary_folder(parent: Path) -> Path:
    """Make an empty folder under a temporary name that no one else holds."""
    return _first_free(parent, lambda path: os.mkdir(path, 0o700))


def sync_folder(path: Path) -> None:
    """Force the names in a folder to the disk. A file system that cannot do this for folders is taken as it is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def walk(folder: Path, *, topdown: bool = True) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walk a folder as `os.walk`, but raise `OSError` for what cannot be listed, where that would pass over it."""

    def refuse(error: OSError) -> NoReturn:
        raise error

    for root, folders, files in os.walk(folder, topdown=topdown, onerror=refuse):
        yield Path(root), folders, files


def sync_tree(folder: Path) -> None:
    """Force a folder, all files in it and all their names to the disk, innermost first."""
    for root, _, files in walk(folder, topdown=False):
        for name in files:
            descriptor = os.open(root / name, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(root)


def copy_tree(source: Path, target: Path, *, leave: tuple[str, ...] = ()) -> None:
    """Copy the files below a folder into an empty one and force them to the disk; ``leave`` names files at its top."""
    for root, folders, files in walk(source):
        folder = target / root.relative_to(source)
        for name in sorted(folders):
            os.mkdir(folder / name, 0o700)
        for name in sorted(files):
            if name not in leave or root != source:
                _copy_file(root / name, folder / name)
    for root, _, _ in walk(target, topdown=False):
        sync_folder(root)


def _copy_file(source: Path, target: Path) -> None:
    with source.open("rb") as reader:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            while chunk := reader.read(_CHUNK):
                write_all(descriptor, chunk)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Rename within one disk and force both folders to it."""
    os.rename(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all it holds; links are removed, not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        os.unlink(path)


def exchange(first: Path, second: Path) -> bool:
    """Let two names change places in one step, and tell whether that was possible.

    Linux alone offers this (``renameat2`` with ``RENAME_EXCHANGE``), and not on every file system; where it does not,
    nothing is changed and the answer is False. Raises `OSError` when the disk refuses for another reason.
    """
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if call(here, os.fsencode(first), here, os.fsencode(second), swap) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), os.fspath(first))


def _refuse_strange(path: Path) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise StoreError("E_DISK", f"{printable(path)} is not a plain file", fix="name a file to write to")


def _open_temporary(folder: Path) -> tuple[int, Path]:
    opened: list[int] = []
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    path = _first_free(folder, lambda path: opened.append(os.open(path, flags, 0o600)))
    return opened[0], path


def _first_free(folder: Path, take: Callable[[Path], None]) -> Path:
    """Try .tmp-0, .tmp-1, … until ``take`` gets one; it must refuse a name that exists. No clock, no chance."""
    number = 0
    while True:
        path = folder / f".tmp-{number}"
        try:
            take(path)
        except FileExistsError:
            number += 1
        else:
            return path
