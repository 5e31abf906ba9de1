"""What a sealed process and the one that speaks for it say to each other: frames of a kind, a length, and its bytes.

A kind allows a length, and its bytes are JSON of known fields or bytes that nobody reads. Nothing is unpickled, and no
frame names a method, a path, a header or a key: the sealed process names an address, and the other one decides.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

_HEAD = struct.Struct("=BI")


class Kind(IntEnum):
    """What a frame holds."""

    REQUEST = 1
    """Whom to ask: the address, the variable of the key, the seconds it may take. A `BODY` follows."""
    BODY = 2
    """What to send, as it stands."""
    HEAD = 3
    """The status of a response, and a few of its headers. `CHUNK` frames follow, then `END`."""
    CHUNK = 4
    END = 5
    FAILED = 6
    """One word that says why there is no response, or no more of it."""
    COUNT = 7
    """Ask how many requests went to each host so far; the answer has the same kind."""


MOST = {
    Kind.REQUEST: 8_192,
    Kind.BODY: 64_000_000,
    Kind.HEAD: 16_384,
    Kind.CHUNK: 1_048_576,
    Kind.END: 0,
    Kind.FAILED: 256,
    Kind.COUNT: 65_536,
}
"""The most bytes that a frame of a kind may hold."""


def write_frame(way: socket.socket, kind: Kind, content: bytes = b"") -> None:
    """Send a frame. Raises `OSError`; `ValueError` for one that is too long."""
    if len(content) > MOST[kind]:
        raise ValueError("a frame is too long")
    way.sendall(_HEAD.pack(kind, len(content)) + content)


def write_values(way: socket.socket, kind: Kind, values: Mapping[str, object]) -> None:
    """Send a frame of named values. Raises as `write_frame`."""
    write_frame(way, kind, json.dumps(values).encode("ascii"))


def read_frame(way: socket.socket) -> tuple[Kind, bytes] | None:
    """Read a frame; ``None`` where the other side has gone. Raises `OSError`; `ValueError` for what is no frame."""
    head = _read(way, _HEAD.size)
    if not head:
        return None
    number, size = _HEAD.unpack(head)
    kind = Kind(number)
    if size > MOST[kind]:
        raise ValueError("a frame is too long")
    content = _read(way, size)
    if content is None:
        raise ConnectionResetError("a frame ended early")
    return kind, content


def values_of(content: bytes, kinds: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Read named values, exactly these and of these types. Raises `ValueError`."""
    values = json.loads(content)
    if not isinstance(values, dict) or values.keys() != kinds.keys():
        raise ValueError("a frame has other fields")
    if not all(isinstance(values[name], kind) for name, kind in kinds.items()):
        raise ValueError("a field of a frame has another type")
    return values


def counts_of(content: bytes) -> dict[str, int]:
    """Read names with a number each. Raises `ValueError`."""
    values = json.loads(content)
    if not isinstance(values, dict) or not all(type(number) is int for number in values.values()):
        raise ValueError("a frame holds no counts")
    return values


def _read(way: socket.socket, size: int) -> bytes | None:
    """Read so many bytes; ``None`` where the other side has gone before the first, or in the middle."""
    parts = bytearray()
    while len(parts) < size:
        part = way.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)
