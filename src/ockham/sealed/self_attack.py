"""The self-attack: a sealed process tries to get out in every way we know, and must fail in each before it works.

Addresses are those that are reserved for documentation (192.0.2.0/24, 2001:db8::/32, RFC 5737 and 3849). Where the
process has no network namespace of its own, an attempt ends when it holds a socket: that is counted as success, and
nothing is sent.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing

from ockham.sealed.policy import Attack
from ockham.sealed.syscalls import syscall

HOST, HOST6, PORT = "192.0.2.1", "2001:db8::1", 9
NAME = "self-test.ockham.invalid"
SERVICES = ("/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/run/dbus/system_bus_socket", "/dev/log")
"""Sockets of services that resolve names or send on; most machines have one of them."""
_PROGRAM = "subprocess"
_SECONDS = 15.0
# What a sealed process starts is sealed too: a Python without its libraries, and without what takes long to import,
# asks for a socket.
_CHILD = "import _socket\ntry: _socket.socket(2,2,0);print(0)\nexcept OSError as e: print(e.errno)"


def attack(*, apart: bool) -> tuple[Attack, ...]:
    """Try every way out and return what stopped each; ``apart`` where the network is a namespace of the process's own.

    The ways that could really send come last, and are left out once an earlier one has succeeded.
    """
    child = _child()
    tried = [_try_attack(name, attempt, apart=apart) for name, attempt in ATTEMPTS.items()]
    tried.append(Attack(name=_PROGRAM, stopped=_outcome(child)))
    held = all(attack.stopped for attack in tried)
    if apart or held:
        tried.append(_resolve(held=held))
    return tuple(tried)


def _tcp(*, apart: bool) -> None:
    _internet(socket.AF_INET, socket.SOCK_STREAM, HOST, apart=apart)


def _udp(*, apart: bool) -> None:
    _internet(socket.AF_INET, socket.SOCK_DGRAM, HOST, apart=apart)


def _ipv6(*, apart: bool) -> None:
    _internet(socket.AF_INET6, socket.SOCK_DGRAM, HOST6, apart=apart)


def _internet(family: int, kind: int, host: str, *, apart: bool) -> None:
    with socket.socket(family, kind) as way:
        if apart:
            way.settimeout(0.2)
            way.connect((host, PORT))
            way.send(b"x")


def _raw(*, apart: bool) -> None:  # noqa: ARG001 - a socket is enough
    """Ask the C library for a socket, as a compiled library does: no audit hook hears of it."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.socket(2, 2, 0)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "socket")
    os.close(descriptor)


def _families(*, apart: bool) -> None:  # noqa: ARG001
    """Try the families beside the internet's that leave a process: netlink, packets, virtual machines, the kernel."""
    refusals = [_family(family) for family in (16, 17, 40, 38, 44)]  # AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG, AF_XDP
    if all(refusals) and refusals[0]:
        raise refusals[0]


def _family(number: int) -> OSError | None:
    try:
        os.close(syscall("socket", number, 3, 0))
    except OSError as error:
        return error
    return None


def _io_uring(*, apart: bool) -> None:  # noqa: ARG001
    parameters = ctypes.create_string_buffer(120)
    os.close(syscall("io_uring_setup", 1, parameters))


def _service(*, apart: bool) -> None:  # noqa: ARG001
    """Connect to a service of the machine by the path of its socket, which lies in no network namespace."""
    refused: OSError | None = None
    for path in SERVICES:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as way:
            try:
                way.connect(path)
            except OSError as error:
                refused = error
                if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.EPROTOTYPE):
                    return  # the kernel looked for it: a service that was there would have been reached
    if refused:
        raise refused


def _datagram(*, apart: bool) -> None:  # noqa: ARG001
    """Ask for a pair of datagram sockets, which could send to the path of any other."""
    for way in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM):
        way.close()


def _resolve(*, held: bool) -> Attack:
    """Ask for the address of a name that nobody has. "No such name" is an answer, unless nobody can have given it."""
    try:
        socket.getaddrinfo(NAME, PORT)
    except socket.gaierror as error:
        if held or error.errno != socket.EAI_NONAME:
            return Attack(name="dns", stopped=f"EAI {error.errno}")
    except OSError as error:
        return Attack(name="dns", stopped=errno.errorcode.get(error.errno or 0, type(error).__name__))
    return Attack(name="dns", stopped=None)


ATTEMPTS: dict[str, Callable[..., None]] = {
    "tcp": _tcp,
    "udp": _udp,
    "ipv6": _ipv6,
    "raw libc": _raw,
    "other families": _families,
    "io_uring": _io_uring,
    "unix service": _service,
    "unix datagram": _datagram,
}


def _try_attack(name: str, attempt: Callable[..., None], *, apart: bool) -> Attack:
    try:
        attempt(apart=apart)
    except OSError as error:
        return Attack(name=name, stopped=errno.errorcode.get(error.errno or 0, type(error).__name__))
    return Attack(name=name, stopped=None)


def _child() -> subprocess.Popen[bytes]:
    """Begin a program that tries; it runs while the other attempts are made."""
    command = [sys.executable, "-I", "-S", "-c", _CHILD]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _outcome(child: subprocess.Popen[bytes]) -> str | None:
    """Return what stopped the program. One that could not run has proved nothing, and counts as one that got out."""
    try:
        out, _ = child.communicate(timeout=_SECONDS)
        number = int(out)
    except (ValueError, subprocess.TimeoutExpired):
        child.kill()
        child.wait()
        return None
    return errno.errorcode.get(number) if number else None


def describe_missing(name: str) -> str:
    """Say of an attack that nothing stopped, or that did not end, what is known of it."""
    late = f" or did not finish within {_SECONDS:.0f} s" if name == _PROGRAM else ""
    return f"the self-attack by {name} got out{late}"


def missing(tried: tuple[Attack, ...]) -> list[str]:
    """List the attacks that nothing stopped."""
    return [attack.name for attack in tried if attack.stopped is None]
