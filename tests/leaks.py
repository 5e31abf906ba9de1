"""Planted leaks: programs that send a word out of the machine, one per way, to addresses reserved for documentation.

    python leaks.py WAY WORD

They are run inside a network namespace where those addresses are local (`tests/sinkhole.py`), never elsewhere.
"""

from __future__ import annotations

import asyncio
import ctypes
import mmap
import os
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Callable

HOST, HOST6, PORT, PROXY = "192.0.2.1", "2001:db8::1", 8080, 3128
SERVICE, LOG = "service.sock", "log.sock"
"""The sockets of services of the machine, in the folder that the environment variable SINKHOLE names."""


def tcp(word: bytes) -> None:
    with socket.create_connection((HOST, PORT), timeout=2) as way:
        way.sendall(word)


def udp(word: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.sendto(word, (HOST, PORT))


def ipv6(word: bytes) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as way:
        way.sendto(word, (HOST6, PORT))


def dns(word: bytes) -> None:
    socket.getaddrinfo(f"{word.decode()}.example.com", 80)


def libc_udp(word: bytes) -> None:
    library, way = _libc(socket.SOCK_DGRAM)
    if library.sendto(way, word, len(word), 0, _address(), 16) < 0:
        raise OSError(ctypes.get_errno(), "sendto")


def libc_tcp(word: bytes) -> None:
    library, way = _libc(socket.SOCK_STREAM)
    if library.connect(way, _address(), 16) < 0 or library.send(way, word, len(word), 0) < 0:
        raise OSError(ctypes.get_errno(), "connect")


def _libc(kind: int) -> tuple[ctypes.CDLL, int]:
    library = ctypes.CDLL(None, use_errno=True)
    way = library.socket(socket.AF_INET, kind, 0)
    if way < 0:
        raise OSError(ctypes.get_errno(), "socket")
    return library, way


def _address() -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", PORT) + socket.inet_aton(HOST) + bytes(8)


def child(word: bytes) -> None:
    subprocess.run([sys.executable, __file__, "tcp", word.decode()], check=True, timeout=10)


def asynchronous(word: bytes) -> None:
    async def send() -> None:
        _, writer = await asyncio.wait_for(asyncio.open_connection(HOST, PORT), 2)
        writer.write(word)
        await writer.drain()
        writer.close()

    asyncio.run(send())


def io_uring(word: bytes) -> None:
    """Open a socket and send through a ring shared with the kernel: no call of ours is named socket or sendto."""
    library = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(120)
    ring = library.syscall(425, 4, parameters)
    if ring < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    entries, completions = struct.unpack_from("=II", parameters.raw)
    # struct io_sqring_offsets at 40: head, tail, ring_mask, ring_entries, flags, dropped, array.
    _, tail, mask, _, _, _, array = struct.unpack_from("=7I", parameters.raw, 40)
    # struct io_cqring_offsets at 80: head, tail, ring_mask, ring_entries, overflow, cqes.
    _, _, _, _, _, results = struct.unpack_from("=6I", parameters.raw, 80)
    submit = mmap.mmap(ring, array + 4 * entries, offset=0)
    queue = mmap.mmap(ring, 64 * entries, offset=0x10000000)
    complete = mmap.mmap(ring, results + 16 * completions, offset=0x8000000)
    address = ctypes.create_string_buffer(_address(), 16)
    text = ctypes.create_string_buffer(word, len(word))
    number = 0

    def do(operation: int, descriptor: int, offset: int, place: int, length: int) -> int:
        nonlocal number
        entry = struct.pack("=BBHiQQI", operation, 0, 0, descriptor, offset, place, length).ljust(64, b"\0")
        queue[0:64] = entry
        index = number & struct.unpack_from("=I", submit, mask)[0]
        struct.pack_into("=I", submit, array + 4 * index, 0)
        struct.pack_into("=I", submit, tail, number + 1)
        if library.syscall(426, ring, 1, 1, 1, None, 0) < 0:
            raise OSError(ctypes.get_errno(), "io_uring_enter")
        outcome: int = struct.unpack_from("=Qi", complete, results + 16 * number)[1]
        number += 1
        if outcome < 0:
            raise OSError(-outcome, "io_uring")
        return outcome

    way = do(45, socket.AF_INET, socket.SOCK_DGRAM, 0, 0)  # IORING_OP_SOCKET
    do(16, way, 16, ctypes.addressof(address), 0)  # IORING_OP_CONNECT
    do(26, way, 0, ctypes.addressof(text), len(word))  # IORING_OP_SEND


def unix_service(word: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.connect(f"{os.environ['SINKHOLE']}/{SERVICE}")
        way.sendall(word)


def unix_datagram(word: bytes) -> None:
    """Send to a service's socket from one end of a pair, which needs no call of socket or connect."""
    for way in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM):
        with way:
            way.sendto(word, f"{os.environ['SINKHOLE']}/{LOG}")


def packet(word: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as way:
        way.bind(("lo", 0))
        way.send(bytes(12) + b"\x88\xb5" + word)


def proxy(word: bytes) -> None:
    """Ask for a page as any HTTP client does, which takes its proxy from the environment."""
    with urllib.request.urlopen(f"http://example.com/{word.decode()}", timeout=2) as answer:
        answer.read()


def unix_sendmsg(word: bytes) -> None:
    """Send with ``sendmsg``, whose address no filter can look at, from a socket of the family UNIX."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.sendmsg([word], [], 0, f"{os.environ['SINKHOLE']}/{LOG}")


WAYS: dict[str, Callable[[bytes], None]] = {
    "tcp": tcp,
    "udp": udp,
    "ipv6": ipv6,
    "dns": dns,
    "libc_udp": libc_udp,
    "libc_tcp": libc_tcp,
    "child": child,
    "asynchronous": asynchronous,
    "io_uring": io_uring,
    "unix_service": unix_service,
    "unix_datagram": unix_datagram,
    "unix_sendmsg": unix_sendmsg,
    "packet": packet,
    "proxy": proxy,
}


if __name__ == "__main__":
    WAYS[sys.argv[1]](sys.argv[2].encode())
