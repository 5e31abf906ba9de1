"""One process to a run folder: an exclusive lock that the kernel releases, however its holder dies."""

from __future__ import annotations

import errno
import json
import os
import socket
from pathlib import Path

from ockham.errors import RunError, StoreError
from ockham.printable import printable
from ockham.store.atomic import disk, write_all


def take_lock(path: Path) -> int:
    """Take the lock file of a run, or fail at once; closing the descriptor that is returned releases it.

    The file says who holds the lock (pid and host), for people only: what counts is ``flock``, which ends with its
    holder, so a stale file never blocks. Child processes that inherit the descriptor would hold the lock too; it is
    closed on exec. Raises `RunError` (``E_RUN_LOCKED``) and `StoreError` (``E_DISK``).
    """
    import fcntl

    with disk(path, "taking the lock"):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _stands(path, descriptor):
                    # A run that was given up has removed its lock, which nobody else could see as held then.
                    raise _held_error(path, descriptor)
            except BlockingIOError:
                raise _held_error(path, descriptor) from None
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
                message = f"{printable(path)}: this file system cannot lock files"
                raise StoreError("E_DISK", message, fix="choose a folder on a local disk with --out") from error
            os.ftruncate(descriptor, 0)
            write_all(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def _stands(path: Path, descriptor: int) -> bool:
    """Tell whether the file that is locked is the one that the name still stands for."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _held_error(path: Path, descriptor: int) -> RunError:
    holder = "another process"
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        holder = f"process {int(owner['pid'])} on {str(owner['host'])[:255]!a}"
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the holder has taken the lock and not yet written its name
    message = f"{printable(path.parent)} is in use by {holder}"
    return RunError("E_RUN_LOCKED", message, fix="wait until it ends, or choose another folder with --out")
