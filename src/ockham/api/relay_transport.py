"""How a sealed process's HTTP client hands its requests to the process that speaks for it, and reads the replies."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from threading import Lock

import httpx

from ockham.api.relay_refusal import RefusedError
from ockham.sealed import connector, frames
from ockham.sealed.frames import Kind

_HEAD_FIELDS: Mapping[str, type | tuple[type, ...]] = {"status": int, "headers": dict}
_MORE_SECONDS = 2.0
"""How much longer a reply is waited for than the other side may take for it."""


def relay_client(url: str, key_env: str | None) -> httpx.Client:
    """Return a client whose every request is handed over, for one address."""
    return httpx.Client(transport=RelayTransport(url, key_env), trust_env=False, follow_redirects=False)


class RelayTransport(httpx.BaseTransport):
    """Hands requests over, for one address; several threads may use it."""

    def __init__(self, url: str, key_env: str | None) -> None:
        """Take the full address and the variable of the key; nothing is opened yet."""
        self._url = url
        self._key_env = key_env
        self._channels = _Channels()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the body of a request, and return the response as it comes. Raises httpx's errors, `RefusedError`."""
        seconds = float(request.extensions["timeout"]["read"])
        channel = self._channels.take(seconds)
        try:
            channel.settimeout(seconds + _MORE_SECONDS)
            values = {"address": self._url, "key_env": self._key_env, "seconds": seconds}
            frames.write_values(channel, Kind.REQUEST, values)
            frames.write_frame(channel, Kind.BODY, request.read())
            kind, content = _receive(channel)
            if kind is not Kind.HEAD:
                raise _error(content)
            head = frames.values_of(content, _HEAD_FIELDS)
        except (OSError, ValueError):
            channel.close()
            raise httpx.ReadError("the process that asks the endpoint is gone") from None
        except BaseException:
            channel.close()
            raise
        return httpx.Response(head["status"], headers=head["headers"], stream=_Stream(channel, self._channels))

    def close(self) -> None:
        """Close the channels that are free."""
        self._channels.close()


class _Channels:
    """Channels to the process that speaks, each used by one thread at a time."""

    def __init__(self) -> None:
        self._idle: list[socket.socket] = []
        self._lock = Lock()

    def take(self, seconds: float) -> socket.socket:
        """Return a channel that is free, or a new one. Raises httpx's `ConnectError` where there is none."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        try:
            return connector.open_channel(seconds)
        except OSError:
            raise httpx.ConnectError("there is no process that asks an endpoint") from None

    def give_back(self, channel: socket.socket) -> None:
        with self._lock:
            self._idle.append(channel)

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()


class _Stream(httpx.SyncByteStream):
    """The body of a response; a channel whose response was read to its end is used again."""

    def __init__(self, channel: socket.socket, channels: _Channels) -> None:
        self._channel = channel
        self._channels = channels
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            kind, content = _receive(self._channel)
            if kind is Kind.END:
                self._ended = True
                return
            if kind is not Kind.CHUNK:
                raise _error(content)
            yield content

    def close(self) -> None:
        if self._ended:
            self._channels.give_back(self._channel)
        else:
            self._channel.close()


def _receive(channel: socket.socket) -> tuple[Kind, bytes]:
    """Read a frame of a response. Raises the error of httpx that says what a missing one means."""
    try:
        frame = frames.read_frame(channel)
    except TimeoutError:
        raise httpx.ReadTimeout("no answer in time") from None
    except (OSError, ValueError):
        frame = None
    if frame is None:
        raise httpx.ReadError("the process that asks the endpoint is gone")
    return frame


def _error(reason: bytes) -> Exception:
    """Return the error that a word of the other process stands for."""
    kinds: dict[bytes, Exception] = {
        b"connect": httpx.ConnectError("no connection"),
        b"timeout": httpx.ReadTimeout("no answer in time"),
        b"connection": httpx.ReadError("the connection was lost"),
    }
    return kinds.get(reason) or RefusedError(reason)
