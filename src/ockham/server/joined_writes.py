"""A transport whose writes of one moment leave together: the head of a response and its body are one packet."""

from __future__ import annotations

import asyncio
from typing import Any

_MOST_BYTES = 16 << 10


class JoinedWrites:
    """Stands before a connection's transport; all but writing and closing is the transport's own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Take the transport."""
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        """Return what the transport has under this name."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send bytes once whatever runs now has written all of its own; what is much is not gathered."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        if waiting and not self._transport.is_closing():
            self._transport.write(waiting[0] if len(waiting) == 1 else b"".join(waiting))

    def close(self) -> None:
        """Send what waits, and close."""
        self.flush()
        self._transport.close()
