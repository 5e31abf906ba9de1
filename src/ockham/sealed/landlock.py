"""Landlock: which files a process may read and write, for good, without being root.

A rule allows what is below a folder; there is no rule that forbids. So that most of the disk can be read but not the
places where keys are kept, `readable` names everything *beside* those places. The network rights of ABI 4 and the
scopes of ABI 6 are a second lock behind the filter. Before ABI 2 a file could not be moved from folder to folder, which
every run does, so ABI 1 counts as none. Source: Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ockham.sealed.syscalls import syscall

LEAST_ABI = 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_CHAR, _MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_BLOCK, _MAKE_SYM = (1 << bit for bit in range(6, 13))
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_CHANGE = _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SOCK | _MAKE_FIFO | _MAKE_SYM
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP, _SCOPES = 0b11, 0b11
_CONNECT_TCP = 0b10
_BENEATH, _PORT = 1, 2
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "shm", "dri", "kfd", "accel", "dxg", "nvidia*")
"""What of /dev may be written to: nothing of it is a way out, and graphics processors need it."""

HIDDEN = (
    "~/.ssh", "~/.gnupg", "~/.aws", "~/.azure", "~/.oci", "~/.kube", "~/.docker", "~/.netrc", "~/.git-credentials",
    "~/.pypirc", "~/.npmrc", "~/.pgpass", "~/.my.cnf", "~/.vault-token", "~/.password-store", "~/.mozilla",
    "~/.thunderbird", "~/.bash_history", "~/.zsh_history", "~/.python_history", "~/.config/gcloud", "~/.config/gh",
    "~/.config/op", "~/.config/google-chrome", "~/.config/chromium", "~/.cache/huggingface/token",
    "~/.cache/huggingface/stored_tokens", "~/.local/share/keyrings", "/etc/shadow", "/etc/gshadow", "/etc/ssh",
    "/etc/ssl/private", "/run", "/var/run",
)  # fmt: skip
"""Where keys, passwords and the sockets of services are kept: not to be read, unless the user names what is there."""


def abi() -> int:
    """Return the version of Landlock that the kernel offers; 0 where there is none, or one too old to be used."""
    try:
        version = syscall("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0
    return version if version >= LEAST_ABI else 0


def rights(version: int) -> tuple[int, int, int]:
    """Return what is governed in a version: rights on files, on TCP ports, and the scopes."""
    files = (1 << 13) - 1 | _REFER
    files |= _TRUNCATE if version >= 3 else 0
    files |= _IOCTL_DEV if version >= 5 else 0
    return files, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0


def restrict(
    read: Iterable[str],
    write: Iterable[str],
    version: int,
    *,
    offline: bool = True,
    ports: Sequence[int] = (),
) -> None:
    """Let this process, and all it starts, read and write below these paths alone. Raises `OSError`.

    ``write`` includes reading. A path that is not there gets no rule. ``offline`` refuses TCP, abstract UNIX sockets
    and signals to others too, where the version knows them; ``ports`` are those that TCP may connect to all the same,
    and without ``offline`` nothing but TCP to other ports is refused. Needs ``no_new_privs``.
    """
    files, tcp, scopes = rights(version)
    tcp, scopes = (tcp, scopes) if offline else (tcp if ports else 0, 0)
    sizes = {2: 8, 3: 8, 4: 16, 5: 16}
    attributes = struct.pack("=QQQ", files, tcp, scopes)[: sizes.get(version, 24)]
    ruleset = syscall("landlock_create_ruleset", attributes, len(attributes), 0)
    try:
        for path in dict.fromkeys(read):
            _allow(ruleset, path, _READ & files)
        for path in dict.fromkeys(write):
            _allow(ruleset, path, (_READ | _CHANGE | _REFER | _TRUNCATE) & files)
        for path in devices():
            _allow(ruleset, path, (_READ | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV | _MAKE_REG | _REMOVE_FILE) & files)
        for port in ports if tcp else ():
            # struct landlock_net_port_attr: the rights, and the port.
            rule = struct.pack("=QQ", _CONNECT_TCP, port)
            syscall("landlock_add_rule", ruleset, _PORT, ctypes.create_string_buffer(rule, len(rule)), 0)
        syscall("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def devices() -> list[str]:
    """List what of /dev may be written to on this machine."""
    return [str(path) for pattern in DEVICES for path in sorted(Path("/dev").glob(pattern))]


def list_hidden(home: Path, named: Sequence[str] = HIDDEN) -> list[str]:
    """List the places where keys are kept that are there, links resolved."""
    paths = [Path(str(home) + name[1:] if name.startswith("~") else name) for name in named]
    return sorted({os.path.realpath(path) for path in paths if os.path.lexists(path)})


def readable(secrets: Sequence[str], foreign: Sequence[str] = ("/home", "/Users")) -> list[str]:
    """List the paths below which everything may be read: all that lies beside the secret places and their parents.

    Of ``foreign`` folders, where other users live, only the branch that leads to a secret place is gone into: to look
    at all of them could wait for many file servers.
    """
    parents = {parent for secret in secrets for parent in _above(secret)} | {"/"}
    return [path for parent in sorted(parents) for path in _beside(parent, parents, set(secrets), set(foreign))]


def _above(path: str) -> list[str]:
    return [str(parent) for parent in Path(path).parents]


def _beside(parent: str, parents: set[str], secrets: set[str], foreign: set[str]) -> Iterator[str]:
    if parent in foreign:
        return
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            # A link gives no right by itself: what it points to is governed where it lies.
            if entry.path not in parents and entry.path not in secrets and not entry.is_symlink():
                yield entry.path


def _allow(ruleset: int, path: str, access: int) -> None:
    """Add a rule for a path; one that cannot be opened, or not be ruled (a pipe in /dev/fd), gets none."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        # struct landlock_path_beneath_attr is packed: 8 bytes of rights, 4 of the descriptor.
        rule = struct.pack("=Qi", access if is_folder else access & _ON_FILES, descriptor)
        with suppress(OSError):
            syscall("landlock_add_rule", ruleset, _BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
    finally:
        os.close(descriptor)
