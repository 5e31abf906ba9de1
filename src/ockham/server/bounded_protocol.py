"""uvicorn's protocol with the bounds that it lacks: of headers in bytes, number and time, and of readers that stall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ockham.server.joined_writes import JoinedWrites

HEADER_SECONDS = 5.0
WRITE_SECONDS = 30.0
MOST_HEADER_BYTES = 64 << 10
MOST_HEADERS = 200
CONNECTION = "connection"
"""Under which name a request's ``scope["state"]`` holds its connection."""
_REFUSAL = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a client; it is closed where the client takes too long, or sends too much, before its body."""

    is_lost = False
    """Whether the client has left."""
    _in_headers = True
    _header_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to count the time of the first headers."""
        self.on_loss: set[Callable[[], None]] = set()
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget all clocks, and tell whoever works for this client that it has left."""
        self._stop(self._deadline)
        self._stop(self._stall)
        super().connection_lost(exc)
        self.is_lost = True
        for hear in tuple(self.on_loss):
            hear()

    def data_received(self, data: bytes) -> None:
        """Count what comes before a body; of a response that is being written nothing is counted."""
        if self._in_headers:
            self._header_bytes += len(data)
            if self._deadline is None:
                self._expect_headers()
        super().data_received(data)
        is_over = self._header_bytes > MOST_HEADER_BYTES or len(self.headers or ()) > MOST_HEADERS
        if self._in_headers and is_over and not self.transport.is_closing():
            self._refuse(431, b"Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        """Stop the clock of the headers, and refuse those that are too many or too large before anything is run."""
        self._stop(self._deadline)
        self._deadline = None
        self._in_headers = False
        sizes = sum(len(name) + len(value) for name, value in self.headers) + len(self.url)
        if sizes > MOST_HEADER_BYTES or len(self.headers) > MOST_HEADERS:
            self._in_headers = True
            self._refuse(431, b"Request Header Fields Too Large")
            return
        self.scope["state"][CONNECTION] = self
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body, unless its headers were refused."""
        if not self._in_headers:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the headers of another request, with no clock before its first byte."""
        if self._in_headers:
            return
        super().on_message_complete()
        self._in_headers, self._header_bytes = True, 0

    def flush(self) -> None:
        """Send what was written of a response now: it is all of it."""
        cast("JoinedWrites", self.transport).flush()

    def pause_writing(self) -> None:
        """Start the clock of a client that does not read."""
        super().pause_writing()
        self._stall = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads: all is well."""
        self._stop(self._stall)
        super().resume_writing()

    def _expect_headers(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self._in_headers and not self.transport.is_closing():
            self._refuse(408, b"Request Timeout")

    def _refuse(self, status: int, reason: bytes) -> None:
        body = b'{"error":{"message":"%s","type":"invalid_request_error","param":null,"code":null}}' % reason
        self.transport.write(_REFUSAL % (status, reason, len(body), body))
        self.transport.close()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
