"""Connections to a socket inside the jail, which the jail itself may not make: it asks the broker outside for one.

A filter cannot look at the path that a process wants to connect to, so it refuses all of them; otherwise the sockets of
the machine's services (a resolver, a container engine, the system log) would be ways out. The broker connects only to a
socket below the jail's own folder for temporary files, on which a process of the jail itself listens, and hands the
connection over. Each request brings a socket of its own for the answer, so that many processes may ask through one.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ockham.sealed.facts import is_inside

CONTROL = "OCKHAM_JAIL"
"""The environment variable with the number of the descriptor on which the broker listens."""
HELD = "OCKHAM_HELD_KEYS"
"""The environment variable that says, between commas, of which variables another process holds the keys."""
MOST_BYTES = 65_536
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")


def control() -> tuple[int, ...]:
    """Return the descriptor that a process started by this one must inherit so that it can ask too; none outside."""
    number = os.environ.get(CONTROL, "")
    return (int(number),) if number.isdecimal() else ()


def connect(path: Path, seconds: float) -> socket.socket:
    """Return a stream to a UNIX socket; inside a jail it is asked for. Raises `OSError`."""
    numbers = control()
    if not numbers:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stream.settimeout(seconds)
            stream.connect(str(path))
        except BaseException:
            stream.close()
            raise
        return stream
    with _ask({"ask": "connect", "path": str(path)}) as here:
        here.settimeout(seconds)
        answer, descriptors, _, _ = socket.recv_fds(here, MOST_BYTES, 1)
    if not descriptors:
        raise ConnectionRefusedError(f"the broker gave no connection ({answer.decode('ascii', 'replace') or 'gone'})")
    stream = socket.socket(fileno=descriptors[0])
    stream.settimeout(seconds)
    return stream


def open_channel(seconds: float) -> socket.socket:
    """Return a stream to the process that asks endpoints for this jail; the broker hands its other end on.

    Where there is no such process the stream ends at once. Raises `OSError`.
    """
    channel = _ask({"ask": "endpoint"})
    channel.settimeout(seconds)
    return channel


def _ask(message: Mapping[str, object]) -> socket.socket:
    """Send a request to the broker with one end of a pair of streams, and return the other. Raises `OSError`."""
    numbers = control()
    if not numbers:
        raise ConnectionRefusedError("this process is not sealed")
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with there, socket.socket(fileno=os.dup(numbers[0])) as broker:
            socket.send_fds(broker, [json.dumps(message).encode()], [there.fileno()])
    except BaseException:
        here.close()
        raise
    return here


def tell_run(path: str) -> None:
    """Tell the broker in which folder the run is; outside of a jail nothing is done."""
    for number in control():
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as broker:
            broker.send(json.dumps({"tell": "run", "path": path}).encode())


def grant(path: str, folder: Path, root: int, reply: int) -> None:
    """Answer a request, in the broker: connect to a socket below ``folder`` on which the jail ``root`` listens.

    ``reply`` is the descriptor of the socket for the answer: a connection, or one word that says why there is none.
    """
    with socket.socket(fileno=reply) as answer:
        answer.setblocking(False)
        with suppress(OSError):
            try:
                with _open_stream(path, folder, root) as stream:
                    socket.send_fds(answer, [b"connected"], [stream.fileno()])
            except (OSError, ValueError) as error:
                answer.send(type(error).__name__.encode("ascii"))


def _open_stream(path: str, folder: Path, root: int) -> socket.socket:
    """Connect, link by link below the folder, so that no link and no rename on the way leads elsewhere."""
    parts = Path(path).relative_to(folder).parts
    if not parts or not all(_NAME.fullmatch(part) and part != ".." for part in parts):
        raise ValueError("no path below the folder")
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            lower = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = lower
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise ValueError("no socket")
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            stream.settimeout(1.0)  # one that listens and does not accept must not hold the broker up
            stream.connect(f"/proc/self/fd/{descriptor}")
            stream.setblocking(True)
            # struct ucred of whoever listens: pid, uid, gid.
            peer = struct.unpack("=iII", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
            if not is_inside(peer, root):
                raise ValueError("a stranger listens there")
        except BaseException:
            stream.close()
            raise
        return stream
    finally:
        os.close(descriptor)
