"""The wall around system calls: a seccomp filter, assembled by hand, that lets no new way out of the process be made.

What is refused, and why that is all there is:

* ``connect`` always, and every socket but a stream of the family UNIX. Such a socket can only be listened on: it cannot
  connect, and a stream cannot be sent to an address. The engine for language models needs one to start; whoever wants
  to speak to it must be given a connection from outside (`ockham.sealed.connector`).
* A message that opens a connection (``MSG_FASTOPEN``): a socket that listened for clients could be closed and sent one.
* ``socketpair`` but for streams and sequenced packets: a *datagram* pair can send to the path of any other socket, such
  as the system log's or a resolver's, in every network namespace.
* io_uring, which opens sockets without the calls above; what reads or steers other processes; what changes namespaces,
  mounts, the kernel; characters typed into the terminal (``TIOCSTI``).
* Calls of another architecture and x32, which would pass by other numbers, end the process; calls that are newer than
  the table do not exist (``ENOSYS``).

The layout of a program and of ``struct seccomp_data``: Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import struct

from ockham.sealed import syscalls
from ockham.sealed.syscalls import LAST, PR_SET_SECCOMP, numbers, prctl, syscall

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_LOAD, _EQUAL, _AT_LEAST, _AND, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x45, 0x06
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_UNIX, _STREAM, _SEQUENCED, _TYPE = 1, 1, 5, 0xF
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_NEW_TIME = 0x80
_FASTOPEN = 0x20000000

NEVER = (
    "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init",
    "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "ioperm", "iopl", "kcmp",
    "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "modify_ldt", "mount", "mount_setattr", "move_mount",
    "open_by_handle_at", "open_tree", "open_tree_attr", "perf_event_open", "pidfd_getfd", "pivot_root",
    "process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key",
    "setdomainname", "sethostname", "setns", "settimeofday", "swapoff", "swapon", "syslog", "umount2", "userfaultfd",
    "vhangup",
)  # fmt: skip
"""Calls that are refused with EPERM, whatever their arguments."""
ABSENT = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")
"""Calls that are said not to exist: libraries then take the older ones, whose arguments can be looked at."""

Step = tuple[int, int, int, int]


def program(architecture: str) -> bytes:
    """Assemble the filter for ``x86_64`` or ``aarch64``: the bytes of its instructions, 8 each."""
    table = numbers(architecture)
    steps: list[Step] = [_load(_ARCH), (_EQUAL, 1, 0, _AUDIT[architecture]), _end(KILL), _load(_NUMBER)]
    if architecture == "x86_64":
        steps += [(_AT_LEAST, 0, 1, _X32), _end(KILL)]
    steps += [(_AT_LEAST, 0, 1, LAST + 1), _end(ERRNO | errno.ENOSYS)]
    for name in NEVER:
        if name in table:
            steps += _case(table[name], [_end(ERRNO | errno.EPERM)])
    for name in ABSENT:
        steps += _case(table[name], [_end(ERRNO | errno.ENOSYS)])
    steps += _case(table["connect"], [_end(ERRNO | errno.EACCES)])
    steps += _case(table["socket"], _socket((_STREAM,)))
    steps += _case(table["socketpair"], _socket((_STREAM, _SEQUENCED)))
    steps += _case(table["sendto"], [*_low(4, (_EQUAL, 1, 0, 0)), *_high(4, (_EQUAL, 1, 0, 0)), _end(ALLOW)])
    for name, flags in (("sendmsg", 2), ("sendmmsg", 3)):
        steps += _case(table[name], [*_low(flags, (_ANY_BIT, 0, 1, _FASTOPEN)), _end(ALLOW)])
    steps += _case(table["clone"], [*_low(0, (_ANY_BIT, 0, 1, _NAMESPACES)), _end(ALLOW)])
    steps += _case(table["unshare"], [*_low(0, (_ANY_BIT, 0, 1, _NAMESPACES | _NEW_TIME)), _end(ALLOW)])
    typed = [*_low(1, (_EQUAL, 0, 1, _TIOCSTI)), *_low(1, (_EQUAL, 0, 1, _TIOCLINUX)), _end(ALLOW)]
    steps += _case(table["ioctl"], typed)
    steps.append(_end(ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def digest(architecture: str = syscalls.ARCHITECTURE) -> str:
    """Return the SHA-256 of the filter, in hexadecimal; empty for an architecture that has none."""
    return hashlib.sha256(program(architecture)).hexdigest() if numbers(architecture) else ""


def install() -> None:
    """Put the filter on this process and whatever it starts, for good. Needs ``no_new_privs``; raises `OSError`."""
    if not syscalls.NUMBERS:
        raise OSError(errno.ENOSYS, "no filter is written for this architecture")
    code = program(syscalls.ARCHITECTURE)
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: the number of instructions, and where they stand.
    header = ctypes.create_string_buffer(struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
    all_threads = 1
    try:
        syscall("seccomp", 1, all_threads, header)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL):
            raise
        prctl(PR_SET_SECCOMP, 2, header)


def _load(offset: int) -> Step:
    return (_LOAD, 0, 0, offset)


def _end(action: int) -> Step:
    return (_RETURN, 0, 0, action)


def _case(number: int, body: list[Step]) -> list[Step]:
    """Do ``body``, which ends the program, for one call; pass over it for the others."""
    return [(_EQUAL, 0, len(body), number), *body]


def _low(argument: int, test: Step) -> list[Step]:
    """Refuse by a test of the lower 32 bits of an argument (of both architectures the first in memory)."""
    return [_load(_ARGUMENTS + 8 * argument), test, _end(ERRNO | errno.EPERM)]


def _high(argument: int, test: Step) -> list[Step]:
    return [_load(_ARGUMENTS + 8 * argument + 4), test, _end(ERRNO | errno.EPERM)]


def _socket(types: tuple[int, ...]) -> list[Step]:
    """Allow sockets of the family UNIX and of some types (without their flags); refuse all others.

    The kernel reads family and type as 32 bits, so their upper halves need no look.
    """
    refuse = _end(ERRNO | errno.EACCES)
    body = [_load(_ARGUMENTS), (_EQUAL, 1, 0, _UNIX), refuse, _load(_ARGUMENTS + 8), (_AND, 0, 0, _TYPE)]
    for kind in types:
        body += [(_EQUAL, 0, 1, kind), _end(ALLOW)]
    return [*body, refuse]
