"""Linux system calls that Python has no function for, called by number through the C library.

Numbers are those of the kernel's tables (``syscall_64.tbl`` for x86_64, ``asm-generic/unistd.h`` for aarch64). On any
other machine `NUMBERS` is empty, and nothing here may be called.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from functools import cache
from typing import Any

ARCHITECTURE = platform.machine() if sys.platform == "linux" and sys.maxsize > 2**32 else ""

# name: (x86_64, aarch64); None where an architecture has no such call. From 424 on both number alike.
_TABLE: dict[str, tuple[int | None, int | None]] = {
    "accept": (43, 202), "accept4": (288, 242), "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171),
    "bind": (49, 200), "bpf": (321, 280), "capset": (126, 91), "chroot": (161, 51), "clock_adjtime": (305, 266),
    "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435), "connect": (42, 203),
    "delete_module": (176, 106), "fanotify_init": (300, 262), "finit_module": (313, 273), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433), "getpid": (39, 172), "init_module": (175, 105),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "io_uring_setup": (425, 425), "ioctl": (16, 29),
    "ioperm": (173, None), "iopl": (172, None), "kcmp": (312, 272), "kexec_file_load": (320, 294),
    "kexec_load": (246, 104), "keyctl": (250, 219), "landlock_add_rule": (445, 445),
    "landlock_create_ruleset": (444, 444), "landlock_restrict_self": (446, 446), "listen": (50, 201),
    "lookup_dcookie": (212, 18), "modify_ldt": (154, None), "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "open_by_handle_at": (304, 265), "open_tree": (428, 428), "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241), "pidfd_getfd": (438, 438), "pivot_root": (155, 41), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "reboot": (169, 142), "request_key": (249, 218), "seccomp": (317, 277), "sendmmsg": (307, 269), 
    "sendmsg": (46, 211), "sendto": (44, 206),
    "setdomainname": (171, 162), "sethostname": (170, 161), "setns": (308, 268), "settimeofday": (164, 170),
    "socket": (41, 198), "socketpair": (53, 199), "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116),
    "umount2": (166, 39), "unshare": (272, 97), "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip
LAST = 470
"""The newest call of the table's kernel (6.18); what a later kernel adds is not known here."""


def numbers(architecture: str) -> dict[str, int]:
    """Return the call numbers of an architecture by name; none for one that is not known."""
    if architecture not in ("x86_64", "aarch64"):
        return {}
    column = 0 if architecture == "x86_64" else 1
    return {name: number for name, row in _TABLE.items() if (number := row[column]) is not None}


NUMBERS = numbers(ARCHITECTURE)

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 1, 4, 24, 38, 22
CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000


def syscall(name: str, *arguments: Any) -> int:  # noqa: ANN401 - numbers, bytes, pointers
    """Make a system call and return its result. Raises `OSError`; ``ENOSYS`` on an unknown architecture."""
    if name not in NUMBERS:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    values = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _result(_library().syscall(ctypes.c_long(NUMBERS[name]), *values), name)


def prctl(option: int, *arguments: Any) -> int:  # noqa: ANN401
    """Call ``prctl(2)``. Raises `OSError`."""
    values = [ctypes.c_ulong(value) if isinstance(value, int) else value for value in arguments]
    values += [ctypes.c_ulong(0)] * (4 - len(values))
    return _result(_library().prctl(ctypes.c_int(option), *values), "prctl")


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _result(value: int, name: str) -> int:
    if value < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return value
