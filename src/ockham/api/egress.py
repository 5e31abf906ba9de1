"""The process that speaks for a sealed one: it holds the keys, and asks the endpoints that were named, and nobody else.

It is forked before the jail closes. It keeps no data: Landlock lets it read Python's own files and those that name
lookups and TLS need, write its ledger alone, and connect to the ports of the endpoints. The sealed process hands it an
address, a body and a time; method, path, headers and key are its own. Redirects and proxies are off, certificates are
checked. Each lookup, connection and request is a row of the ledger, on the disk before it is made; where the row cannot
be written, nothing is sent.
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ockham.api.client import (
    MAX_REPLY_BYTES,
    address,
    common_headers,
    is_key,
    malformed_key,
    secure_client,
    server_base,
)
from ockham.api.consent import Destination, ServerDestination
from ockham.errors import StoreError
from ockham.sealed import frames, jail, landlock, limits
from ockham.sealed.frames import Kind
from ockham.sealed.ledger import REQUEST
from ockham.sealed.syscalls import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, prctl
from ockham.store.ledger_file import LedgerFile

if TYPE_CHECKING:
    import httpx

__all__ = ["Pin", "live", "malformed_key", "pins_of", "start", "wait_for"]

LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
CALLS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "subprocess.Popen", "os.exec", "os.fork")
MOST_CHANNELS = 256
MOST_SECONDS = 3600.0
SERVER_CALLS = (("GET", "models"), ("POST", "decisions"), ("POST", "chat/completions"))
"""What a server that is measured may be asked: method and path below its base."""
HEADERS = ("content-encoding", "content-type", "retry-after", "retry-after-ms", "date")
"""The headers of a response that the sealed process is told."""
_DNS = 53
_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "address": str,
    "key_env": (str, type(None)),
    "seconds": (int, float),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One endpoint that may be asked: its full address, and where that leads."""

    url: str
    key_env: str | None
    host: str
    port: int
    path: str
    method: str = "POST"


def pins_of(named: Destination) -> tuple[Pin, ...]:
    """Return what an endpoint is pinned to. Raises `EndpointError` (``E_ENDPOINT``) for an address that is none."""
    if isinstance(named, ServerDestination):
        base = server_base(named.url)
        return tuple(_pin(f"{base}/{call}", named.key_env, method) for method, call in SERVER_CALLS)
    return (_pin(address(named.url), named.key_env, "POST"),)


def _pin(url: str, key_env: str | None, method: str) -> Pin:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "").lower()
    return Pin(url=url, key_env=key_env or None, host=host, port=port, path=parts.path, method=method)


def live(pins: Sequence[Pin], control: socket.socket, ledger: Path, parent: int) -> None:
    """Become the process that speaks, and end when the other side of ``control`` does. Called after a fork."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)  # the one that it speaks for decides when all is over
    os.setpgid(0, 0)
    keys = {pin.key_env: os.environ.get(pin.key_env, "").strip() for pin in pins if pin.key_env}
    here = str(Path.cwd())
    limits.forget(list(os.environ))
    mouth = _Mouth(pins, {name: key for name, key in keys.items() if is_key(key)}, LedgerFile(ledger, "endpoint"))
    _let_go(control.fileno())
    version = _wall_in(pins, ledger.parent, here)
    jail.die_with(parent)
    sys.addaudithook(mouth.hear)
    bad = sorted(name for name, key in keys.items() if name and key and not is_key(key))
    ready = {"ready": True, "keys": sorted(map(str, mouth.keys)), "bad": bad, "landlock": version}
    control.send(json.dumps(ready).encode())
    _listen(control, mouth)


def _listen(control: socket.socket, mouth: _Mouth) -> None:
    """Serve a channel for each descriptor that comes; when no more can come, say what the ledger holds, and end."""
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 64, 4)
        for descriptor in descriptors:
            channel = _channel_of(descriptor)
            if channel is not None and threading.active_count() <= MOST_CHANNELS:
                threading.Thread(target=_serve, args=(channel, mouth), daemon=True).start()
            elif channel is not None:
                channel.close()
        if not data:
            summary = {"rows": mouth.ledger.rows, "last": mouth.ledger.last}
            control.send(json.dumps(summary).encode())
            return


def _channel_of(descriptor: int) -> socket.socket | None:
    """Return the stream behind a descriptor; ``None``, and it is closed, where it is nothing of the kind."""
    try:
        channel = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    if channel.family == socket.AF_UNIX and channel.type == socket.SOCK_STREAM:
        return channel
    channel.close()
    return None


def _serve(channel: socket.socket, mouth: _Mouth) -> None:
    """Answer what comes over a channel, one request after the other, until it is closed or speaks out of turn."""
    with channel, suppress(OSError, ValueError):
        while (frame := frames.read_frame(channel)) is not None:
            kind, content = frame
            if kind is Kind.COUNT:
                frames.write_values(channel, Kind.COUNT, mouth.ledger.requests)
                continue
            if kind is not Kind.REQUEST:
                return
            values = frames.values_of(content, _FIELDS)
            body = frames.read_frame(channel)
            if body is None or body[0] is not Kind.BODY:
                return
            seconds = min(MOST_SECONDS, max(0.001, float(values["seconds"])))
            mouth.ask(channel, Destination(url=values["address"], key_env=values["key_env"]), body[1], seconds)


class _Mouth:
    """Who may be asked and with which key, the connections, and the ledger."""

    def __init__(self, pins: Sequence[Pin], keys: Mapping[str | None, str], ledger: LedgerFile) -> None:
        self.keys = keys
        self.ledger = ledger
        self._pins = {Destination(url=pin.url, key_env=pin.key_env): pin for pin in pins}
        self._hosts = {pin.host for pin in pins}
        self._ports = {pin.port for pin in pins}
        self._clients = {pin.url: secure_client(pin.url) for pin in pins}
        self._headers = {key: common_headers(self.keys.get(pin.key_env)) for key, pin in self._pins.items()}

    def ask(self, channel: socket.socket, named: Destination, body: bytes, seconds: float) -> None:
        """Write the row, send the body, and pass on what comes back, as it comes. Raises `OSError`."""
        pin = self._pins.get(named)
        try:
            if pin is None or (pin.key_env and pin.key_env not in self.keys):
                self.ledger.add(REQUEST, _shorten(urlsplit(named.url).hostname), None, allowed=False, bytes=len(body))
                frames.write_frame(channel, Kind.FAILED, b"refused")
                return
            sha256 = hashlib.sha256(body).hexdigest()
            request = {"method": pin.method, "path": pin.path, "bytes": len(body), "sha256": sha256}
            self.ledger.add(REQUEST, pin.host, pin.port, **request)
            self._send(channel, pin, body, seconds)
        except StoreError:
            frames.write_frame(channel, Kind.FAILED, b"ledger")

    def _send(self, channel: socket.socket, pin: Pin, body: bytes, seconds: float) -> None:
        import httpx

        until = time.monotonic() + seconds
        headers = self._headers[Destination(url=pin.url, key_env=pin.key_env)]
        try:
            request = self._clients[pin.url].stream(pin.method, pin.url, content=body, headers=headers, timeout=seconds)
            with request as response:
                self._pass_on(channel, response, until)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            frames.write_frame(channel, Kind.FAILED, b"connect")
        except httpx.TimeoutException:
            frames.write_frame(channel, Kind.FAILED, b"timeout")
        except (httpx.HTTPError, httpx.StreamError):
            frames.write_frame(channel, Kind.FAILED, b"connection")

    def _pass_on(self, channel: socket.socket, response: httpx.Response, until: float) -> None:
        told = {name: response.headers[name][:256] for name in HEADERS if name in response.headers}
        frames.write_values(channel, Kind.HEAD, {"status": response.status_code, "headers": told})
        size = 0
        for chunk in response.iter_raw(65_536):
            size += len(chunk)
            frames.write_frame(channel, Kind.CHUNK, chunk)
            # One who counts on more than he may have is told no more; the reader sees that it is too much, or too late.
            if size > MAX_REPLY_BYTES or time.monotonic() > until:
                break
        frames.write_frame(channel, Kind.END)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Let no lookup and no connection be made but those of an endpoint, and none before its row is written."""
        if event in LOOKUPS:
            host = arguments[0].decode("ascii", "replace") if isinstance(arguments[0], bytes) else str(arguments[0])
            port = arguments[1] if len(arguments) > 1 and isinstance(arguments[1], int) else None
            self._let(event, host, port, allowed=host.lower() in self._hosts)
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            host, port = str(arguments[1][0]), int(arguments[1][1])
            self._let(event, host, port, allowed=port in self._ports)
        elif event in CALLS:
            self._let(event, "", None, allowed=False)

    def _let(self, event: str, host: str, port: int | None, *, allowed: bool) -> None:
        self.ledger.add(event, _shorten(host), port, allowed=allowed)
        if not allowed:
            raise PermissionError("this process asks the endpoints that were named, and nobody else")


def _shorten(host: str | None) -> str:
    return (host or "")[:100]


def _let_go(control: int) -> None:
    """Close every descriptor but the one that is needed, and go to no folder of the user's."""
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    for descriptor in sorted(int(link.name) for link in Path("/proc/self/fd").iterdir()):
        if descriptor > 2 and descriptor != control:
            with suppress(OSError):
                os.close(descriptor)


def _wall_in(pins: Sequence[Pin], write: Path, here: str) -> int:
    """Let this process read what Python and lookups need, write the ledger and connect to ports; returns the ABI.

    Nobody else may read its memory, where the keys are.
    """
    limits.drop_privileges(root=os.geteuid() == 0)
    limits.bound(limits.total_memory())
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    version = landlock.abi()
    if version:
        ports = sorted({_DNS, *(pin.port for pin in pins)})
        landlock.restrict(_needed_paths(here), [str(write)], version, offline=False, ports=ports)
    prctl(PR_SET_DUMPABLE, 0)
    return version


def _needed_paths(here: str) -> list[str]:
    """List what must be read to import, to look a name up and to check a certificate: nothing of the user's."""
    from ockham import version

    package = Path(version.__file__).parent
    paths = [path for path in sys.path if path and os.path.realpath(path) != here and Path(path).is_dir()]
    system = ["/etc", "/usr", "/lib", "/lib64", "/lib32", "/nix/store", "/gnu/store", "/opt/homebrew"]
    resolver = str(Path(os.path.realpath("/etc/resolv.conf")).parent)
    return [*system, resolver, sys.prefix, sys.base_prefix, sys.exec_prefix, *paths, str(package)]


def wait_for(control: socket.socket, seconds: float) -> dict[str, Any]:
    """Return the next message of the process, or nothing where none comes in time."""
    if not select.select([control], [], [], seconds)[0]:
        return {}
    try:
        message = json.loads(control.recv(65_536))
    except (OSError, ValueError):
        return {}
    return message if isinstance(message, dict) else {}


def start(pins: Sequence[Pin], ledger: Path, *, run: Callable[..., None] = live) -> tuple[int, socket.socket]:
    """Fork the process; returns its number and the socket by which it is given channels, and told to end."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    pid = os.fork()
    if pid:
        there.close()
        return pid, here
    status = 1
    try:
        here.close()
        run(pins, there, ledger, parent)
        status = 0
    finally:
        os._exit(status)
