"""The witness inside: names the Python code that tries to get out of a sealed process. The walls refuse it, not this.

An audit hook sees what goes through Python's own sockets, and which packages stand on the stack; it tells the broker,
which keeps a row for each. Compiled code that asks the system itself is refused without a row.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress

from ockham.sealed.connector import control

_CALLS = ("socket.connect", "socket.sendto", "socket.sendmsg")
_NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_ALLOWED = ((1, socket.SOCK_STREAM), (1, socket.SOCK_SEQPACKET))
_MOST_PACKAGES = 4
_LONGEST = 100


def install() -> None:
    """Begin to watch this process, for good."""
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    """Tell the broker of an attempt; every other event passes at once."""
    if not event.startswith("socket."):
        return
    if event in _CALLS:
        address = arguments[1]
        host, port = (address[0], address[1]) if isinstance(address, tuple) and len(address) > 1 else (address, None)
    elif event in _NAMES:
        host, port = arguments[0], arguments[1] if len(arguments) > 1 else None
    elif event == "socket.__new__" and arguments[1] != -1 and arguments[1:3] not in _ALLOWED:
        host, port = "", None
    else:
        return
    _tell(event, shorten(host), port if isinstance(port, int) else None)


def shorten(host: object) -> str:
    """Return an address as it is, and of a name its last two parts: those before could hold the user's data."""
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
    if text.startswith("/"):
        return "a socket of this machine"
    with suppress(ValueError):
        return str(ipaddress.ip_address(text))
    parts = text[-_LONGEST:].split(".")
    return ".".join(parts[-2:]) if len(parts) > 1 else f"a name of {len(text)} characters" if text else ""


def packages() -> Iterator[str]:
    """List the packages on the stack that are not of the standard library, the innermost first, each once."""
    frame, seen = sys._getframe(1), set(sys.stdlib_module_names) | {"ockham.sealed"}
    while frame.f_back is not None:
        frame = frame.f_back
        module = str(frame.f_globals.get("__name__", ""))
        name = "ockham.sealed" if module.startswith("ockham.sealed.") else module.partition(".")[0]
        if name == "__main__" or (name and name not in seen):
            seen.add(name)
            yield name


def _tell(event: str, host: str, port: int | None) -> None:
    names = list(dict.fromkeys(packages()))[:_MOST_PACKAGES]
    message = {"tell": "refused", "event": event, "host": host, "port": port, "library": " < ".join(names)}
    for number in control():
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as broker:
            broker.send(json.dumps(message).encode())
