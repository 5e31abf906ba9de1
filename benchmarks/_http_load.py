"""A small load generator for one prepared request: so many connections, each asks again as soon as it is answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

_SECONDS = 120.0


@dataclass(slots=True)
class Load:
    """What came of a load: seconds of each answer, how often each status came, and how long all of it took."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    wall: float = 0.0


class _Caller(asyncio.Protocol):
    """One connection, which sends requests until they are used up."""

    def __init__(self, requests: list[bytes], load: Load, done: asyncio.Future[None]) -> None:
        self._requests, self._load, self._done = requests, load, done
        self._answer, self._began = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if not self._requests:
            self._transport.close()
            return
        self._answer, self._began = b"", time.perf_counter()
        self._transport.write(self._requests.pop())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        if len(body) >= length:
            self._load.seconds.append(time.perf_counter() - self._began)
            self._load.statuses[int(head[9:12])] += 1
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._load.statuses[0] += 1
        if not self._done.done():
            self._done.set_result(None)


def run(port: int, requests: Sequence[bytes], clients: int) -> Load:
    """Send all requests from so many connections that are open at once."""
    load = Load()

    async def everything() -> None:
        loop, left = asyncio.get_running_loop(), list(requests)
        done = [loop.create_future() for _ in range(clients)]
        began = time.perf_counter()
        opening = (
            loop.create_connection(lambda one=one: _Caller(left, load, one), "127.0.0.1", port)  # type: ignore[misc]
            for one in done
        )
        await asyncio.gather(*opening)
        await asyncio.wait_for(asyncio.gather(*done), _SECONDS)
        load.wall = time.perf_counter() - began

    asyncio.run(everything())
    return load
