"""A guard inside the process, for systems without walls (macOS, Windows): it stops Python code, and proves nothing.

A compiled library that asks the system itself is not heard, nor is a program that is no Python or does not import
ockham. So the label is "switches only", never "sealed".
"""

from __future__ import annotations

import os
import sys

VARIABLE = "OCKHAM_GUARD"
"""Set in the environment of a guarded process: those that it starts guard themselves when they import ockham."""

_OUTWARD = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"}
_NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
_HERE = {"localhost", "127.0.0.1", "::1", "", None}


def install() -> None:
    """Refuse connections and names beyond this machine in this process and those it starts, for good."""
    os.environ[VARIABLE] = "1"
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Raise `PermissionError` for what leads out; every other event passes at once."""
    if not event.startswith("socket."):
        return
    if event in _OUTWARD and len(arguments) > 1 and isinstance(arguments[1], tuple):
        where: object = arguments[1][0] if arguments[1] else None
    elif event in _NAMES:
        where = arguments[0]
        if isinstance(where, tuple):
            where = where[0]
    else:
        return
    if isinstance(where, bytes):
        where = where.decode("ascii", "replace")
    if where not in _HERE:
        raise PermissionError("ockham lets nothing leave this machine (--unsealed lets it)")
