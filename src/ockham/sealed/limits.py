"""What a sealed process gives up besides the network: privileges, inherited ways out, secrets, memory without bound."""

from __future__ import annotations

import ctypes
import os
import re
import socket
import stat
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from ockham.sealed.syscalls import PR_CAPBSET_DROP, prctl, syscall

MOST_FILES = 65_536
TIMES_MEMORY = 2
"""Private memory that may be written, in times of the machine's: more could only be swapped, or is a mistake."""

SECRET = re.compile(
    r"(?i)([a-z]+_proxy|.*(^|_)(api_?key|key|token|secret|password|passwd|passphrase|credentials?|pat)(_.*)?"
    r"|aws_.*|azure_.*|google_.*|gcp_.*|ssh_.*|gpg_.*|docker_host|dbus_session_bus_address|hf_endpoint|.*_dsn"
    r"|database_url|kubeconfig|netrc|pip_(extra_)?index_url|uv_.*index.*|twine_.*)"
)
"""Names of environment variables that lead out of the machine or hold what opens something."""
_NO_SECRET = re.compile(r"OCKHAM_.*|TOKENIZERS_.*|HF_HUB_DISABLE_IMPLICIT_TOKEN")
# A root that may not be root any more keeps the right to read and write what belongs to others: CHOWN, DAC_OVERRIDE,
# DAC_READ_SEARCH, FOWNER.
_FILE_CAPABILITIES = 0b1111
_LAST_CAPABILITY = 40


def secret_names(environment: Collection[str]) -> list[str]:
    """List the variables of an environment that a sealed process must not have."""
    return sorted(name for name in environment if SECRET.fullmatch(name) and not _NO_SECRET.fullmatch(name))


def forget_secrets(more: Collection[str] = ()) -> list[str]:
    """Remove secrets and proxies, and the variables named, from this process's environment; return their names."""
    names = sorted({*secret_names(os.environ), *(name for name in more if name in os.environ)})
    forget(names)
    return names


def forget(names: Collection[str]) -> None:
    """Remove variables from this process's environment.

    Their values are also overwritten where the kernel has put them, so that /proc/self/environ does not tell them, and
    where Python keeps them.
    """
    with suppress(OSError, ValueError, IndexError):
        _blot(names)
    for name in names:
        _wipe(name)
        del os.environ[name]


def _wipe(name: str) -> None:
    """Overwrite the bytes that `os.environ` holds of a value. Other copies that were made of it stay."""
    held: dict[bytes, bytes] = getattr(os.environ, "_data", {})
    value = held.get(os.fsencode(name), b"")
    if len(value) > 1:  # shorter ones are shared by the whole interpreter
        ctypes.memset(id(value) + bytes.__basicsize__ - 1, ord("x"), len(value))


def _blot(names: Collection[str]) -> None:
    """Overwrite values between the addresses that /proc/self/stat calls env_start and env_end (proc_pid_stat(5)).

    They are searched where they stand: a copy of one, once freed, would stay in memory.
    """
    fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
    begin, end = int(fields[47]), int(fields[48])
    block = memoryview((ctypes.c_char * (end - begin)).from_address(begin)).cast("B")
    for name in names:
        for entry in re.finditer(rb"(?:\A|\0)" + re.escape(os.fsencode(name)) + rb"=[^\0]*", block):
            first = entry.start() + (block[entry.start()] == 0) + len(os.fsencode(name)) + 1
            ctypes.memset(begin + first, ord("x"), entry.end() - first)


def drop_privileges(*, root: bool) -> None:
    """Return up every capability; root keeps those over files alone. Raises `OSError`."""
    keep = _FILE_CAPABILITIES if root else 0
    for number in range(_LAST_CAPABILITY + 1):
        if not keep >> number & 1:
            with suppress(OSError):  # without CAP_SETPCAP the bound stays, and nothing can be gained within it
                prctl(PR_CAPBSET_DROP, number)
    # struct __user_cap_header_struct of version 3, and two of __user_cap_data_struct (capset(2)).
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(keep, keep, 0, 0, 0, 0)
    syscall("capset", header, data)


def bound(memory: int) -> dict[str, int]:
    """Bound core dumps, open files and memory (bytes that the machine has); return the limits that hold now.

    A core dump holds the user's data. Its limit is 1 byte, not 0: a kernel that pipes dumps to a program looks at the
    limit for this value alone (fs/coredump.c).
    """
    import resource  # not on Windows, where this module is imported too

    bounds = {
        "core": (resource.RLIMIT_CORE, 1),
        "files": (resource.RLIMIT_NOFILE, MOST_FILES),
        "data": (resource.RLIMIT_DATA, TIMES_MEMORY * memory),
    }
    limits = {}
    for name, (number, most) in bounds.items():
        soft, hard = resource.getrlimit(number)
        fresh = [most if limit == resource.RLIM_INFINITY else min(limit, most) for limit in (soft, hard)]
        fresh[0] = fresh[1] if name == "core" else fresh[0]
        resource.setrlimit(number, (fresh[0], fresh[1]))
        limits[name] = fresh[1]
    return limits


def close_sockets(keep: Collection[int]) -> int:
    """Close inherited sockets, and what has no file behind it (an io_uring), from descriptor 3 on; return how many."""
    closed = 0
    for descriptor in sorted(int(link.name) for link in Path("/proc/self/fd").iterdir()):
        with suppress(OSError):
            mode = os.fstat(descriptor).st_mode
            if descriptor > 2 and descriptor not in keep and (stat.S_ISSOCK(mode) or stat.S_IFMT(mode) == 0):
                os.close(descriptor)
                closed += 1
    return closed


def open_ways() -> list[int]:
    """List which of standard input, output and error are sockets that could reach another machine or service."""
    ways = []
    for descriptor in (0, 1, 2):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                with socket.socket(fileno=os.dup(descriptor)) as inherited:
                    connected = inherited.type in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
                    if inherited.family != socket.AF_UNIX or not connected:
                        ways.append(descriptor)
    return ways


def total_memory(meminfo: Mapping[str, int] | None = None) -> int:
    """Return the bytes of memory that the machine has."""
    if meminfo is not None and "MemTotal" in meminfo:
        return meminfo["MemTotal"]
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
