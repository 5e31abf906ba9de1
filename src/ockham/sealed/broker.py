"""The broker: the process that stays outside, holds nothing of the user's, and watches the one that works.

It forks before anything heavy is imported, hands signals on, reads kernel facts of its child at the start, every ten
seconds and at the end, connects it to sockets of its own, and takes over its exit status. If the broker dies, the
kernel kills the child.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from ockham.errors import SealError
from ockham.printable import printable
from ockham.records import plain
from ockham.sealed import jail, limits, namespaces, self_attack, witness
from ockham.sealed.connector import MOST_BYTES, control, grant
from ockham.sealed.facts import Facts, look
from ockham.sealed.ledger import Row
from ockham.sealed.ledger import follow as follow_rows
from ockham.sealed.policy import Attack, Policy, Walls
from ockham.sealed.syscalls import PR_SET_DUMPABLE, prctl

EVERY_SECONDS = 10.0
MOST_SAMPLES = 1000
MOST_REFUSED, MOST_WORD = 1000, 200
START_SECONDS = 30.0
_GROUP = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
"""Signals that a terminal sends to all processes in front of it: the child's group gets them too."""
_ONE = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
_HEARD = (*_GROUP, *_ONE, signal.SIGTSTP, signal.SIGCONT, signal.SIGCHLD)
_STOP = "--unsealed works without these walls, and the record says so"


@dataclass(slots=True, kw_only=True)
class Watch:
    """What the broker has seen of a child. Only the broker writes here."""

    pid: int
    begun: float
    control: socket.socket
    temporary: Path
    walls: Walls = field(default_factory=Walls)
    attacks: tuple[Attack, ...] = ()
    facts: list[Facts] = field(default_factory=list)
    run: str | None = None
    go: str = ""
    status: int = 0
    mask: Collection[int] = ()
    egress: socket.socket | None = None
    listening: int = 0
    refused: list[Row] = field(default_factory=list)


def enter(
    policy: Policy, egress: socket.socket | None = None, listening: Sequence[int] = ()
) -> tuple[Watch | None, Walls, tuple[Attack, ...]]:
    """Fork: the child comes back behind the walls with ``None`` and what protects it, the parent with its `Watch`.

    ``egress`` leads to the process that asks endpoints for the child, if there is one. ``listening`` are descriptors of
    sockets on which the child waits for clients: they lead in, and nothing can be reached through them. The parent must
    `follow` its child then, and do nothing else. Raises `SealError` (``E_SEALED``) where an attack of the child's upon
    its own walls succeeded, a wall could not be put up, or standard input or output is a connection to somewhere else.
    """
    if control():
        raise SealError("E_SEALED", "this process is sealed already", fix="--unsealed adds no second jail to the first")
    ways = limits.open_ways()
    if ways:
        names = ", ".join(("standard input", "standard output", "standard error")[way] for way in ways)
        raise SealError("E_SEALED", f"{names} leads to another machine or service", fix=f"use a file or pipe; {_STOP}")
    if jail.threads() != 1:
        raise SealError("E_SEALED", "this process has more than one thread, so it cannot be sealed", fix=_STOP)
    # A signal that comes before the child can be told of it waits: for `follow` here, for the end of this call there.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    prepared = False
    try:
        for apart in (True, False):
            watch = _fork(policy, listening, apart=apart)
            if not isinstance(watch, Watch):
                return None, *watch
            watch.mask, watch.egress, watch.listening = before, egress, len(listening)
            if _prepare(watch):
                prepared = True
                return watch, watch.walls, watch.attacks
        raise SealError("E_SEALED", "no process could be started", fix=_STOP)
    finally:
        if not prepared:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _fork(policy: Policy, listening: Sequence[int], *, apart: bool) -> Watch | tuple[Walls, tuple[Attack, ...]]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    temporary = Path(tempfile.mkdtemp(prefix="ockham-"))
    begun, parent = time.monotonic(), os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        there.close()
        return Watch(pid=pid, begun=begun, control=here, temporary=temporary)
    here.close()
    try:
        why = _leave_network(there, apart=apart)
        jail.die_with(parent)
        walls = jail.put_up_walls(policy, temporary, (there.fileno(), *listening), why)
        return walls, _try_walls(there, walls)
    except BaseException as error:
        _give_up(there, error)


def _leave_network(way: socket.socket, *, apart: bool) -> dict[str, str]:
    """Go into namespaces, in the child; where that is not possible, return why."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # the bar may still be drawn from behind
    why = "it was refused to this user" if not apart else jail.leave_network(lambda: _ask(way, {"left": True}))
    return {"namespaces": why} if why else {}


def _try_walls(way: socket.socket, walls: Walls) -> tuple[Attack, ...]:
    """Try the walls from behind, in the child; the broker has the last word."""
    tried = self_attack.attack(apart=walls.namespaces)
    if not _ask(way, {"walls": plain(walls), "attacks": plain(tried)}):
        os._exit(1)
    os.set_inheritable(way.fileno(), False)
    way.detach()
    witness.install()
    return tried


def _give_up(control: socket.socket, error: BaseException) -> NoReturn:
    """Tell the broker why this child cannot be sealed, and end; it has not seen any data."""
    with suppress(OSError):
        control.send(json.dumps({"failed": f"{type(error).__name__} {getattr(error, 'strerror', '')}"}).encode())
    os._exit(1)


def _ask(control: socket.socket, message: Mapping[str, object]) -> bool:
    control.send(json.dumps(message).encode())
    return control.recv(MOST_BYTES) == b"yes"


def _prepare(watch: Watch) -> bool:
    """Help a child behind its walls; false where it must be tried again without namespaces. Raises `SealError`."""
    watch.control.settimeout(START_SECONDS)
    message = _receive(watch)
    if "left" in message:
        try:
            namespaces.map_users(watch.pid)
        except OSError:
            _bury(watch)
            return False
        watch.control.send(b"yes")
        message = _receive(watch)
    if "walls" not in message:
        _bury(watch)
        why = message.get("failed", "the process ended")
        raise SealError("E_SEALED", f"a wall could not be put up: {why}", fix=_STOP)
    walls = message["walls"]
    watch.walls = Walls(**{**walls, "forgotten": tuple(walls["forgotten"])})
    watch.attacks = tuple(Attack(**attack) for attack in message["attacks"])
    sample = look(watch.pid, watch.begun)
    problems = [self_attack.describe_missing(name) for name in self_attack.missing(watch.attacks)]
    problems += ["the kernel says nothing of it"] if sample is None else faults(sample, watch.walls, watch.listening)
    if problems or sample is None:
        _bury(watch)
        raise SealError("E_SEALED", f"sealed mode does not hold here: {'; '.join(problems)}", fix=_STOP)
    watch.facts.append(sample)
    prctl(PR_SET_DUMPABLE, 0)  # no process of the user's may read the environment of this one, where keys are
    watch.control.send(b"yes")
    watch.control.setblocking(False)
    return True


def faults(sample: Facts, walls: Walls, listening: int = 0) -> list[str]:
    """List where the kernel's facts contradict what a process says of its walls; it may have ``listening`` sockets."""
    wrong = []
    if walls.namespaces:
        wrong += [f"it shares the machine's {name} namespace" for name in namespaces.NAMES if name not in sample.own]
        wrong += ["its network is not empty"] if sample.interfaces != ("lo",) or sample.bytes or sample.routes else []
    if walls.seccomp:
        wrong += ["it has no filter"] if sample.seccomp != 2 or sample.filters < 1 else []
        wrong += ["it may gain privileges"] if not sample.no_new_privs else []
        wrong += ["a process of it is not filtered"] if sample.unfiltered else []
    wrong += ["it holds an open connection"] if sample.reaching > listening else []
    return wrong


def _ignore_run() -> None:
    """Hear nothing."""


def follow(watch: Watch, on_run: Callable[[], None] = _ignore_run) -> int:
    """Wait for the child, and return what `os.waitpid` says of its end; signals go on to it meanwhile.

    ``on_run`` is called when the child first says in which folder its run is (`Watch.run`), before anything that it
    asks for after that is done.
    """
    signals, wake = os.pipe()
    os.set_blocking(wake, False)
    due = time.monotonic() + EVERY_SECONDS
    try:
        with _signals_to(wake, watch.mask), select.epoll() as events:
            events.register(signals, select.EPOLLIN)
            events.register(watch.control, select.EPOLLIN)
            while True:
                for descriptor, _ in events.poll(max(0.0, due - time.monotonic())):
                    if descriptor == signals:
                        _hand_on(watch, os.read(signals, 64))
                    elif not _hear(watch, on_run):
                        events.unregister(watch.control)
                ended, watch.status = os.waitpid(watch.pid, os.WNOHANG)
                if ended:
                    return watch.status
                if time.monotonic() >= due:
                    _sample(watch)
                    due = time.monotonic() + EVERY_SECONDS
    finally:
        os.close(signals)
        os.close(wake)
        watch.control.close()
        shutil.rmtree(watch.temporary, ignore_errors=True)


def leave_as(status: int) -> int:
    """Return the exit status of a child that has ended; where a signal ended it, this process ends by the same."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
        time.sleep(0.1)
        return 128 - code
    return code


@contextmanager
def _signals_to(wake: int, mask: Collection[int]) -> Iterator[None]:
    """Write the number of every signal that comes into a pipe, and do nothing else about it."""
    before = {number: signal.signal(number, _ignore_signal) for number in _HEARD}
    old = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        yield
    finally:
        signal.set_wakeup_fd(old)
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signal(number: int, frame: object) -> None:
    """Do nothing: the number stands in the pipe."""


def _hand_on(watch: Watch, numbers: bytes) -> None:
    for number in numbers:
        with suppress(ProcessLookupError):
            if number in _GROUP or number == signal.SIGCONT:
                os.killpg(watch.pid, number)
            elif number in _ONE:
                os.kill(watch.pid, number)
            elif number == signal.SIGTSTP:
                os.killpg(watch.pid, signal.SIGTSTP)
                os.kill(os.getpid(), signal.SIGSTOP)


def _hear(watch: Watch, on_run: Callable[[], None]) -> bool:
    """Answer what a process of the jail asks; false once nobody is left to ask."""
    try:
        data, descriptors, _, _ = socket.recv_fds(watch.control, MOST_BYTES, 1)
    except BlockingIOError:
        return True
    except OSError:
        return False
    message = _parse_message(data)
    if message.get("ask") == "connect" and len(descriptors) == 1:
        grant(str(message.get("path")), watch.temporary, watch.pid, descriptors.pop())
    elif message.get("ask") == "endpoint" and watch.egress is not None:
        with suppress(OSError):  # it has ended: the stream that it does not get ends too
            socket.send_fds(watch.egress, [b"serve"], descriptors)
    elif message.get("tell") == "run" and isinstance(message.get("path"), str):
        first, watch.run = watch.run is None, message["path"]
        _sample(watch)
        if first:
            on_run()
    elif message.get("tell") == "refused" and len(watch.refused) < MOST_REFUSED:
        watch.refused.append(_refusal(message, watch.refused))
    for descriptor in descriptors:
        os.close(descriptor)
    return bool(data)


def _refusal(message: Mapping[str, Any], rows: list[Row]) -> Row:
    """Return the row of an attempt that the walls refused, as the witness inside tells of it."""
    port = message.get("port")
    words = {name: printable(str(message.get(name, "")))[:MOST_WORD] for name in ("event", "host", "library")}
    return Row(
        number=len(rows),
        time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        process="sealed",
        port=port if isinstance(port, int) else None,
        allowed=False,
        before=follow_rows(rows),
        event=words["event"],
        host=words["host"],
        library=words["library"],
    )


def _sample(watch: Watch) -> None:
    """Read the facts again. Of very long runs the first and the last thousand samples are kept."""
    sample = look(watch.pid, watch.begun)
    if sample is not None:
        watch.facts.append(sample)
        if len(watch.facts) > MOST_SAMPLES:
            del watch.facts[MOST_SAMPLES // 2]


def _receive(watch: Watch) -> dict[str, Any]:
    try:
        return _parse_message(watch.control.recv(MOST_BYTES))
    except OSError:
        return {"failed": "the process did not answer"}


def _parse_message(data: bytes) -> dict[str, Any]:
    """Read a message; what is none counts as an empty one."""
    try:
        message = json.loads(data)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _bury(watch: Watch) -> None:
    """End a child that could not be sealed, before it has done anything."""
    watch.control.close()
    with suppress(ProcessLookupError):
        os.kill(watch.pid, signal.SIGKILL)
    os.waitpid(watch.pid, 0)
    shutil.rmtree(watch.temporary, ignore_errors=True)
