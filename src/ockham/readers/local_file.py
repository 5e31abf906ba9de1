"""A regular file on disk: opened without waiting, hashed before and while it is read, and checked again at the end."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from ockham.errors import DataError
from ockham.printable import printable

BLOCK = 1 << 20
HEAD = 1 << 17
"""Bytes kept from the first pass, from which format, encoding and dialect are judged."""


class Digests(NamedTuple):
    """The SHA-256 of a file, and a hash (XXH3 where it is installed) that is quickly found again when it is read."""

    sha256: str
    quick: str


class RegularFile:
    """A regular file, open for reading: its name as it may be shown, hashes, first bytes, and size in bytes."""

    __slots__ = ("_stamp", "digests", "head", "name", "path", "raw", "size")

    def __init__(self, path: Path, raw: FileIO, digests: Digests | None = None) -> None:
        """Take over an open file and read it once for its hashes, unless an earlier look gave ``digests``.

        Raises `DataError`: ``E_NOT_REGULAR``, ``E_IO`` (with the byte offset), ``E_CHANGED``.
        """
        self.path, self.name, self.raw = path, printable(path.name), raw
        self._stamp = _stamp(os.fstat(raw.fileno()))
        self.size = self._stamp[2]
        self.head = b""
        self.digests = digests or Digests("", "")
        seen, quick = hashlib.sha256(), _quick()
        for block in self._read():
            if len(self.head) < HEAD:
                self.head += block[: HEAD - len(self.head)]
            if digests is not None:
                return
            seen.update(block)
            quick.update(block)
        self.digests = Digests(seen.hexdigest(), quick.hexdigest())

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the content, by which it is named."""
        return self.digests.sha256

    def tail(self, length: int) -> bytes:
        """Return the last bytes, as many as ``length``."""
        self.raw.seek(max(self.size - length, 0))
        return self.raw.read(length) or b""

    def blocks(self) -> Iterator[bytes]:
        """Yield the whole file in blocks of 1 MiB, and compare what was read with the first pass.

        Raises `DataError`: ``E_IO`` with the byte offset, ``E_CHANGED``.
        """
        seen = _quick()
        for block in self._read():
            seen.update(block)
            yield block
        if seen.hexdigest() != self.digests.quick:
            raise self._change_error()

    def verify(self, *, content: bool = False) -> None:
        """Compare the open file, and what now stands under its path, with what was opened; ``content``: hash it again.

        Raises `DataError` (``E_CHANGED``).
        """
        if content:
            for _ in self.blocks():
                pass
        try:
            now = _stamp(os.fstat(self.raw.fileno())), _stamp(os.stat(self.path))  # noqa: PTH116 - beside os.fstat
        except OSError as error:
            raise self._change_error() from error
        if now != (self._stamp, self._stamp):
            raise self._change_error()

    def _read(self) -> Iterator[bytes]:
        at = 0
        try:
            self.raw.seek(0)
            while block := self.raw.read(BLOCK):
                at += len(block)
                if at > self.size:
                    break
                yield block
        except OSError as error:
            raise self.unreadable(error, at) from error
        if at > self.size:
            if self.size == 0:
                raise not_regular(self.path, "a virtual file of the kernel")
            raise self._change_error()
        if at < self.size:
            raise self._change_error()

    def unreadable(self, error: OSError, at: int | None = None) -> DataError:
        """Return the error that the system could not read the bytes (``E_IO``), from an offset on where it is known."""
        where = "" if at is None else f" at byte {at}"
        return DataError(
            "E_IO",
            f"{printable(self.path)} could not be read{where}: {error.strerror or type(error).__name__}",
            fix="check the disk or network share, or copy the file to a local disk, then run the command again",
        )

    def _change_error(self) -> DataError:
        return DataError(
            "E_CHANGED",
            f"{printable(self.path)} changed while it was being read",
            fix="wait until the program that writes it is done, or copy the file, then run the command again",
        )


def _quick() -> Any:  # noqa: ANN401 - a hash of either package
    try:
        import xxhash
    except ImportError:
        return hashlib.sha256()
    return xxhash.xxh3_128()


@contextmanager
def open_file(path: Path, digests: Digests | None = None) -> Iterator[RegularFile]:
    """Open a regular file without ever waiting for a pipe, device or socket; close it in the end.

    ``digests`` are its hashes from an earlier look; what `RegularFile.blocks` reads is compared with them.

    Raises `DataError`: ``E_NOT_REGULAR`` for anything but a regular file, ``E_IO`` where the system refuses.
    """
    with open_raw(path) as raw:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raise not_regular(path, "something that took the file's place")
        yield RegularFile(path, raw, digests)


def open_raw(path: Path) -> FileIO:
    """Open the bytes of a path that is a regular file when looked at."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise not_regular(path, _kind(mode))
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
        flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(path, flags), "rb", buffering=0)
    except (OSError, ValueError) as error:
        raise refusal_of(path, error) from error


def refusal_of(path: Path, error: OSError | ValueError) -> DataError:
    """Say why the system would not open a path: ``E_NOT_REGULAR`` for broken links, else ``E_IO``."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.ELOOP:
        return not_regular(path, "a symbolic link that leads back to itself")
    if number == errno.ENOENT and path.is_symlink():
        return not_regular(path, "a symbolic link to nothing")
    why = (error.strerror if isinstance(error, OSError) else None) or "the name is not a path"
    fix = "check the path" if number == errno.ENOENT else "check the path and its permissions"
    return DataError("E_IO", f"{printable(path)} cannot be opened: {why}", fix=fix)


def not_regular(path: Path, kind: str) -> DataError:
    """Say that a path is not a regular file."""
    return DataError(
        "E_NOT_REGULAR",
        f"{printable(path)} is {kind}, not a regular file",
        fix="name a CSV, TSV, JSONL or Parquet file, or a folder of them; write a stream to a file first",
    )


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a folder",
    }
    return kinds.get(stat.S_IFMT(mode), "something else")


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
