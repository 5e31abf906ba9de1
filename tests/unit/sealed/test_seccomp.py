"""The filter, by an interpreter of its instructions: what each call and argument comes to, on both architectures."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from ockham.sealed import seccomp, syscalls
from ockham.sealed.seccomp import ABSENT, ALLOW, ERRNO, KILL, NEVER

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386, ARM = 0x40000003, 0x40000028
REFUSED, NO_CALL, NOT_PERMITTED = ERRNO | errno.EACCES, ERRNO | errno.ENOSYS, ERRNO | errno.EPERM


def outcome(code: bytes, number: int, arch: int, arguments: tuple[int, ...] = ()) -> int:
    """Interpret a classic BPF program over one ``struct seccomp_data`` (Documentation/networking/filter.rst)."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *(*arguments, *[0] * (6 - len(arguments))))
    place = accumulator = 0
    while True:
        operation, yes, no, value = struct.unpack_from("=HBBI", code, 8 * place)
        place += 1
        if operation == 0x20:
            assert value % 4 == 0
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif operation == 0x54:
            accumulator &= value
        elif operation in (0x15, 0x35, 0x45):
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}
            place += yes if holds[operation] else no
        elif operation == 0x06:
            return int(value)
        else:
            raise AssertionError(f"an unknown instruction {operation:#x}")


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(machine: str, name: str, *arguments: int) -> int:
    return outcome(seccomp.program(machine), syscalls.numbers(machine)[name], AUDIT[machine], arguments)


def test_the_program_is_one_the_kernel_takes(machine: str) -> None:
    code = seccomp.program(machine)
    assert len(code) % 8 == 0
    assert len(code) // 8 < 4096  # BPF_MAXINSNS


def test_other_architectures_and_x32_are_killed(machine: str) -> None:
    code = seccomp.program(machine)
    for arch in (I386, ARM, *(audit for name, audit in AUDIT.items() if name != machine)):
        assert outcome(code, 1, arch) == KILL
    if machine == "x86_64":
        assert outcome(code, 0x40000000 | 41, AUDIT[machine]) == KILL


def test_calls_newer_than_the_table_do_not_exist(machine: str) -> None:
    code = seccomp.program(machine)
    assert outcome(code, syscalls.LAST, AUDIT[machine]) == ALLOW
    for number in (syscalls.LAST + 1, 1000, 0x3FFFFFFF):
        assert outcome(code, number, AUDIT[machine]) == NO_CALL


@pytest.mark.parametrize("flags", [0, socket.SOCK_CLOEXEC, socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK])
def test_n01_every_socket_but_a_unix_stream_is_refused(machine: str, flags: int) -> None:
    for family in range(64):
        for kind in (1, 2, 3, 4, 5, 6, 10):
            allowed = family == socket.AF_UNIX and kind == 1
            assert ask(machine, "socket", family, kind | flags, 0) == (ALLOW if allowed else REFUSED)
            allowed = family == socket.AF_UNIX and kind in (1, 5)
            assert ask(machine, "socketpair", family, kind | flags, 0) == (ALLOW if allowed else REFUSED)


def test_nothing_may_connect_or_name_an_address(machine: str) -> None:
    assert ask(machine, "connect", 3, 0x7FFF0000, 110) == REFUSED
    assert ask(machine, "sendto", 3, 0x7FFF0000, 1, 0, 0, 0) == ALLOW
    assert ask(machine, "sendto", 3, 0x7FFF0000, 1, 0, 0x7FFF0000, 16) == NOT_PERMITTED
    assert ask(machine, "sendto", 3, 0x7FFF0000, 1, 0, 0x7FFF_0000_0000, 16) == NOT_PERMITTED
    for name, before in (("sendmsg", (3, 0x7FFF0000)), ("sendmmsg", (3, 0x7FFF0000, 1))):
        assert ask(machine, name, *before, socket.MSG_NOSIGNAL) == ALLOW
        assert ask(machine, name, *before, socket.MSG_NOSIGNAL | socket.MSG_FASTOPEN) == NOT_PERMITTED
    for name in ("bind", "listen", "accept", "accept4", "getpid"):
        assert ask(machine, name, 3) == ALLOW


def test_namespaces_and_typed_characters_are_refused(machine: str) -> None:
    assert ask(machine, "clone", 0x3D0F00) == ALLOW  # a thread of glibc
    assert ask(machine, "clone", 17) == ALLOW  # a fork: its exit signal alone
    assert ask(machine, "unshare", 0x400) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask(machine, "clone", flag | 17) == NOT_PERMITTED
        assert ask(machine, "unshare", flag) == NOT_PERMITTED
    assert ask(machine, "unshare", 0x80) == NOT_PERMITTED
    assert ask(machine, "ioctl", 0, 0x5412) == NOT_PERMITTED
    assert ask(machine, "ioctl", 0, 0x541C) == NOT_PERMITTED
    assert ask(machine, "ioctl", 0, (1 << 32) | 0x5412) == NOT_PERMITTED
    assert ask(machine, "ioctl", 0, 0x5413) == ALLOW  # the size of the window


def test_what_is_never_needed_is_refused(machine: str) -> None:
    table = syscalls.numbers(machine)
    assert {name for name in (*NEVER, *ABSENT) if name not in table} <= {"ioperm", "iopl", "modify_ldt"}
    for name in NEVER:
        if name in table:
            assert ask(machine, name) == NOT_PERMITTED, name
    for name in ABSENT:
        assert ask(machine, name) == NO_CALL, name


def test_the_digest_names_the_filter(machine: str) -> None:
    assert len(seccomp.digest(machine)) == 64
    assert seccomp.digest("riscv64") == ""
