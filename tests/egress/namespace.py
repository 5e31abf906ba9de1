"""Give a fresh network namespace a world that is all its own: run inside of it, with the rights of its root."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
from pathlib import Path

OWN_IPV4, OWN_IPV6 = "192.0.2.254", "2001:db8::fe"
"""What stands for the address of the machine's network card."""
RESOLVER, ANSWER = "192.0.2.53", "192.0.2.1"
HAS_IPV6 = Path("/proc/net/if_inet6").exists()

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_NEWADDR, _NEWROUTE = 20, 24
_REQUEST_ACK_CREATE = 0x1 | 0x4 | 0x400
_LOCAL_TABLE, _LOCAL, _HOST, _PROTO_STATIC, _NODAD = 255, 2, 254, 4, 2
_DESTINATION, _INTERFACE, _PREFERRED_SOURCE = 1, 4, 7


def build(folder: Path) -> None:
    """Make every address of the world local to this namespace, and its resolver the recorder's.

    Raises OSError where the rights are missing.
    """
    _up("lo")
    _address(socket.AF_INET, OWN_IPV4, 32)
    _everything_is_local(socket.AF_INET, OWN_IPV4)
    if HAS_IPV6:
        _address(socket.AF_INET6, OWN_IPV6, 128)
        _everything_is_local(socket.AF_INET6, OWN_IPV6)
    _files(folder)


def _up(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", interface.encode(), 0)
        flags = struct.unpack("16xH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[0]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", interface.encode(), flags | _IFF_UP))


def _address(family: int, address: str, prefix: int) -> None:
    raw = socket.inet_pton(family, address)
    body = struct.pack("BBBBI", family, prefix, _NODAD, 0, socket.if_nametoindex("lo"))
    _tell(_NEWADDR, body + _attribute(1, raw) + _attribute(2, raw))


def _everything_is_local(family: int, source: str) -> None:
    """Add the route `local default dev lo`: whoever is called, the call arrives here."""
    body = struct.pack("BBBBBBBBI", family, 0, 0, 0, _LOCAL_TABLE, _PROTO_STATIC, _HOST, _LOCAL, 0)
    body += _attribute(_INTERFACE, struct.pack("I", socket.if_nametoindex("lo")))
    _tell(_NEWROUTE, body + _attribute(_PREFERRED_SOURCE, socket.inet_pton(family, source)))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _tell(kind: int, body: bytes) -> None:
    """Send one request to the kernel's routing (rtnetlink) and wait until it is done."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.bind((0, 0))
        kernel.send(struct.pack("IHHII", 16 + len(body), kind, _REQUEST_ACK_CREATE, 1, 0) + body)
        error = struct.unpack_from("i", kernel.recv(4096), 16)[0]
    if error:
        raise OSError(-error, f"the kernel refused an address or route ({os.strerror(-error)})")


def _files(folder: Path) -> None:
    """Put the recorder's resolver into /etc, and nothing into /run, for this namespace alone."""
    run = Path("/run")
    resolver = Path("/etc/resolv.conf").resolve()
    _mount("-t", "tmpfs", "none", run)
    if resolver.is_relative_to(run):
        resolver.parent.mkdir(parents=True)
        resolver.touch()
    contents = {
        resolver: f"nameserver {RESOLVER}\noptions timeout:2 attempts:1\n",
        Path("/etc/hosts"): f"127.0.0.1 localhost {socket.gethostname()}\n::1 localhost\n",
        Path("/etc/nsswitch.conf"): "passwd: files\ngroup: files\nhosts: files dns\n",
    }
    for path, text in contents.items():
        if path.exists():
            ours = folder / path.name
            ours.write_text(text)
            _mount("--bind", ours, path)


def _mount(*words: str | Path) -> None:
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, check=False, text=True)
    if done.returncode:
        raise OSError(done.returncode, done.stderr.strip())
