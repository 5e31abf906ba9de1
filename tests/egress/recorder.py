"""Inside the namespace: listen to everything, answer lookups, run the program, write down what it sent.

Started by `tests.egress.sinkhole`, with the folder that holds ``spec.json``.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.egress import messages, namespace

SERVED = (53, 80, 443, 3128, 4317, 4318, 5000, 8000, 8080, 8443, 9000)
"""TCP ports whose connections are accepted, to see what is said."""
KEPT = 4096
PATIENCE = 2.0
"""Bytes that are kept of a connection, and seconds in which they must come."""
OWN = {socket.inet_pton(socket.AF_INET, namespace.OWN_IPV4), socket.inet_pton(socket.AF_INET6, namespace.OWN_IPV6)}
TIMED_OUT = 124
_EVERY_PROTOCOL, _OUTGOING = 0x0003, 4
_SOL_PACKET, _STATISTICS, _ATTACH_FILTER, _RECEIVE_BUFFER_FORCE = 263, 6, 26, 33
_SUBREAPER = 36
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50


@dataclass(slots=True)
class Record:
    """What was seen so far."""

    packets: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    opened: dict[tuple[int, str, int], bytes] = field(default_factory=dict)
    """Connections by their port on this side and where they went."""
    datagrams: list[messages.Datagram] = field(default_factory=list)
    accepted: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """What came over accepted connections, by the ports of both sides."""

    def see(self, packet: bytes) -> None:
        """Write a packet down unless it stays on the machine."""
        parsed = messages.packet(packet)
        if parsed is None or parsed.local or parsed.raw_destination in OWN:
            return
        self.packets.append(packet)
        if parsed.opens:
            self.opened.setdefault((parsed.source_port, parsed.destination, parsed.port), b"")
        elif parsed.datagram is not None and parsed.port != 53:
            self.datagrams.append(parsed.datagram)

    def ask(self, query: bytes) -> None:
        """Write down the name that a query asks for."""
        name = messages.asked_name(query)
        if name is not None and name not in self.names:
            self.names.append(name)

    def has_heard(self, host: str | None) -> bool:
        """Return whether a TLS client has asked for a host."""
        return host is not None and any(messages.server_name(data) == host for data in list(self.accepted.values()))

    def plain(self, status: int) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        sent = {key: self.accepted.get((key[0], key[2]), b"") for key in self.opened}
        connections = [
            {"address": key[1], "port": key[2], "sent": data.hex(), "server_name": messages.server_name(data)}
            for key, data in sent.items()
        ]
        datagrams = [{"address": one.address, "port": one.port, "payload": one.payload.hex()} for one in self.datagrams]
        kept = {"names": self.names, "connections": connections, "datagrams": datagrams}
        return {"status": status, "packets": len(self.packets), **kept}


class Listener:
    """Threads that listen until they are stopped: to every packet, to lookups, and to connections."""

    def __init__(self, record: Record) -> None:
        """Open every socket, so that nothing that is sent from now on is missed."""
        self._record = record
        self._end = threading.Event()
        self._capture = _capturing()
        self._sockets = list(_sinks())
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._watch, self._serve)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> int:
        """Stop listening once all that came was read; returns the number of packets that were lost."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        counts = self._capture.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        return int(struct.unpack("II", counts)[1])

    def _watch(self) -> None:
        while select.select([self._capture], [], [], 0.1)[0] or not self._end.is_set():
            with contextlib.suppress(BlockingIOError):
                self._record.see(self._capture.recv(1 << 17))

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in self._sockets:
                selector.register(one, selectors.EVENT_READ)
            while not self._end.is_set():
                for key, _ in selector.select(0.1):
                    ready: Any = key.fileobj
                    if ready.type == socket.SOCK_DGRAM:
                        self._answer(ready)
                    else:
                        connection, peer = ready.accept()
                        threading.Thread(target=self._hear, args=(connection, peer[1]), daemon=True).start()

    def _answer(self, resolver: socket.socket) -> None:
        query, ancillary, _, peer = resolver.recvmsg(4096, 256)
        self._record.ask(query)
        reply = messages.answer(query, namespace.ANSWER)
        if reply is not None:  # from the address that was asked, or the asker would not take it
            with contextlib.suppress(OSError):
                resolver.sendmsg([reply], [_from_there(*one) for one in ancillary], 0, peer)

    def _hear(self, connection: socket.socket, source_port: int) -> None:
        with connection:
            port = connection.getsockname()[1]
            connection.settimeout(PATIENCE)
            heard = b""
            with contextlib.suppress(OSError):
                while len(heard) < KEPT and (part := connection.recv(KEPT - len(heard))):
                    heard += part
                    self._record.accepted[source_port, port] = heard
                    if port == 53:
                        self._record.ask(heard[2:])
                    elif messages.server_name(heard) is not None:
                        break


def _from_there(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Turn where a query came in into where its reply goes out (ip(7): the local address comes second)."""
    if kind == _IP_PKTINFO:
        return level, kind, struct.pack("I4s4s", 0, data[8:12], bytes(4))
    return level, _IPV6_PKTINFO, data[:16] + bytes(4)


def _capturing() -> socket.socket:
    """Open a socket that gets every outgoing packet but those for 127.0.0.0/8, from the IP header on."""
    program = [  # classic BPF: (operation, jump if true, jump if false, operand)
        (0x28, 0, 0, 0xFFFFF004),  # load the packet's direction
        (0x15, 0, 6, _OUTGOING),  # not outgoing: drop
        (0x30, 0, 0, 0),  # load the version
        (0x54, 0, 0, 0xF0),
        (0x15, 0, 2, 0x40),  # not IPv4: take
        (0x30, 0, 0, 16),  # load the first byte of the destination
        (0x15, 1, 0, 127),  # loopback: drop
        (0x06, 0, 0, 0x40000),  # take
        (0x06, 0, 0, 0),  # drop
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    every = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
    every.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))
    with contextlib.suppress(OSError):  # a larger buffer needs rights outside the namespace; losses are counted
        every.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, 1 << 26)
    every.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
    every.setblocking(False)
    return every


def _sinks() -> Iterator[socket.socket]:
    families = [(socket.AF_INET, "0.0.0.0")]
    families += [(socket.AF_INET6, "::")] if namespace.HAS_IPV6 else []
    for family, everywhere in families:
        for kind, port in [(socket.SOCK_DGRAM, 53), *((socket.SOCK_STREAM, port) for port in SERVED)]:
            sink = socket.socket(family, kind)
            sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sink.bind((everywhere, port))
            if kind == socket.SOCK_STREAM:
                sink.listen(64)
            elif family == socket.AF_INET:
                sink.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            else:
                sink.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
            yield sink


def _run(spec: dict[str, Any], folder: Path, record: Record) -> int:
    """Run the program to its end, and end what it leaves behind; returns its exit status."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as errors:
        program = subprocess.Popen(
            spec["command"], cwd=spec["cwd"], env=spec["environment"], stdin=subprocess.DEVNULL, stdout=out,
            stderr=errors, start_new_session=True,
        )  # fmt: skip
        end, status = time.monotonic() + spec["timeout"], None
        while status is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = program.wait(0.05)
            if record.has_heard(spec["until"]):
                program.kill()
            elif status is None and time.monotonic() > end:
                status = TIMED_OUT
        time.sleep(spec["linger"])
        deadline = time.monotonic() + 10
        while (left := _children()) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.05)
    return status


def _children() -> list[int]:
    """Return the processes below this one that still run, the orphans that it has inherited too."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(stat.parent.name)] = int(parent)
    below, size = {os.getpid()}, 0
    while len(below) != size:
        size = len(below)
        below |= {pid for pid, parent in parents.items() if parent in below}
    return sorted(below - {os.getpid()})


def main(folder: Path) -> int:
    """Do what the folder's ``spec.json`` asks for, and write ``traffic.json``, ``capture``, ``stdout``, ``stderr``."""
    spec = json.loads((folder / "spec.json").read_text())
    namespace.build(folder)
    record = Record()
    listener = Listener(record)
    status = _run(spec, folder, record)
    lost = listener.stop()
    if lost:
        raise SystemExit(f"{lost} packets were lost, so nothing can be said of this run")
    (folder / "capture").write_bytes(b"".join(record.packets))
    (folder / "traffic.json").write_text(json.dumps(record.plain(status)))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
