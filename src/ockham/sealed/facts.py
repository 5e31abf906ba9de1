"""What the kernel says of a process, read from outside it: namespaces, filters, descriptors, bytes on the network.

The process cannot change any of this. Its children are looked at too, since they are sealed only if they inherit it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ockham.sealed.namespaces import NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was read at one moment, ``seconds`` after the start.

    ``own`` names the namespaces that differ from the broker's; ``filters`` is the smallest number of seccomp filters
    of any process, ``processes`` how many there are, ``unfiltered`` how many of them lack the filter or
    ``no_new_privs``. ``interfaces`` are those of the process's network, ``bytes`` what went through them and
    ``routes`` how many there are; ``None`` where it shares the machine's network. ``descriptors`` counts open ones by
    kind, ``reaching`` the sockets among them that are not of the family UNIX, and so could reach another machine.
    """

    seconds: float
    own: tuple[str, ...]
    no_new_privs: bool
    seccomp: int
    filters: int
    processes: int
    unfiltered: int
    interfaces: tuple[str, ...] | None
    bytes: int | None
    routes: int | None
    descriptors: Mapping[str, int]
    reaching: int


def look(pid: int, begun: float) -> Facts | None:
    """Read the facts of a process and its descendants; ``None`` once it is gone. ``begun`` is of `time.monotonic`."""
    try:
        own = tuple(name for name in NAMES if _link(pid, name) != _link(os.getpid(), name))
        status = _status(pid)
        kinds, sockets = _descriptors(pid)
    except OSError:
        return None
    everyone = [status, *(other for child in descendants(pid) if (other := _readable(child)))]
    apart = "net" in own
    interfaces = _interfaces(pid) if apart else {}
    return Facts(
        seconds=round(time.monotonic() - begun, 3),
        own=own,
        no_new_privs=status.get("NoNewPrivs") == "1",
        seccomp=int(status.get("Seccomp", "0")),
        filters=min(int(process.get("Seccomp_filters", process.get("Seccomp", "0") == "2")) for process in everyone),
        processes=len(everyone),
        unfiltered=sum(process.get("Seccomp") != "2" or process.get("NoNewPrivs") != "1" for process in everyone),
        interfaces=tuple(sorted(interfaces)) if apart else None,
        bytes=sum(interfaces.values()) if apart else None,
        routes=_routes(pid) if apart else None,
        descriptors=kinds,
        # Its first sockets were made before it had a network of its own.
        reaching=len(sockets - _unix_sockets(pid) - _unix_sockets(os.getpid())) if sockets else 0,
    )


def descendants(pid: int) -> Iterator[int]:
    """List the processes that a process has started, and theirs; none where the kernel does not tell."""
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                children = (task / "children").read_text("ascii").split()
                waiting += [int(child) for child in children]
                yield from (int(child) for child in children)


def is_inside(pid: int, root: int) -> bool:
    """Return whether a process is another one, or descends from it."""
    while pid > 1:
        if pid == root:
            return True
        try:
            pid = int(_status(pid).get("PPid", "0"))
        except OSError:
            return False
    return False


def _link(pid: int, name: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{name}").readlink())


def _readable(pid: int) -> dict[str, str] | None:
    """Return the status of a process; ``None`` for one that has just gone, or waits to be buried."""
    with suppress(OSError):
        status = _status(pid)
        return None if status.get("State", "Z").startswith(("Z", "X")) else status
    return None


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _interfaces(pid: int) -> dict[str, int]:
    """Return the bytes received and sent by every interface of a process's network (/proc/PID/net/dev)."""
    totals = {}
    for line in Path(f"/proc/{pid}/net/dev").read_text("ascii", "replace").splitlines()[2:]:
        name, _, counts = line.partition(":")
        numbers = [int(word) for word in counts.split()]
        totals[name.strip()] = numbers[0] + numbers[8]
    return totals


def _routes(pid: int) -> int:
    """Count the routes of a process's network that lead anywhere but to itself."""
    count = 0
    with suppress(OSError):
        count += len(Path(f"/proc/{pid}/net/route").read_text("ascii").splitlines()[1:])
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/net/ipv6_route").read_text("ascii").splitlines()
        count += sum(line.split()[-1] != "lo" for line in lines)
    return count


def _descriptors(pid: int) -> tuple[dict[str, int], set[str]]:
    """Count a process's open descriptors by kind, and name the inodes of its sockets."""
    kinds: dict[str, int] = {}
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            target = str(link.readlink())
            kind = "file" if target.startswith("/") else target.partition(":")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind == "socket":
                sockets.add(target.partition("[")[2].rstrip("]"))
    return dict(sorted(kinds.items())), sockets


def _unix_sockets(pid: int) -> set[str]:
    """List the inodes of the UNIX sockets in a process's network (/proc/PID/net/unix)."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/net/unix").read_text("utf-8", "replace").splitlines()[1:]
        return {line.split()[6] for line in lines}
    return set()
