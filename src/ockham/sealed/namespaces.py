"""Namespaces: a network of its own in which nothing is, and a user namespace that makes one possible without root."""

from __future__ import annotations

import os
from pathlib import Path

from ockham.sealed.syscalls import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUSER, syscall

NAMES = ("user", "net", "ipc")


def leave() -> None:
    """Move this process into user, network and IPC namespaces of its own; it must have one thread. Raises `OSError`.

    Another process must then say who is who there (`map_users`), before anything else is done.
    """
    syscall("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC)


def map_users(pid: int) -> None:
    """Let everybody in the user namespace of a child be who they are outside. Called by its parent; raises `OSError`.

    Root maps all users that it knows itself, so that it may still write into folders that belong to others, as in a
    container; anyone else may map none but themselves.
    """
    folder = Path(f"/proc/{pid}")
    if os.geteuid() == 0:
        for name in ("uid_map", "gid_map"):
            lines = [line.split() for line in Path(f"/proc/self/{name}").read_text("ascii").splitlines()]
            _write(folder / name, "".join(f"{inside} {inside} {count}\n" for inside, _, count in lines))
        return
    _write(folder / "setgroups", "deny")
    _write(folder / "uid_map", f"{os.geteuid()} {os.geteuid()} 1\n")
    _write(folder / "gid_map", f"{os.getegid()} {os.getegid()} 1\n")


def _write(path: Path, text: str) -> None:
    # These files take one write of the whole, and nothing of them is on a disk.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)
