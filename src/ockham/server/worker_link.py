"""A worker process seen from the event loop: it holds a model, or several on one base, and answers frames of JSON.

It is the process that measured the model (`ockham.serving.worker`), started in the same way. It cannot answer while it
loads, and it may die: whoever waits for it then hears so, and nobody waits for ever. A frame is told in the same turn
of the event loop in which it is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import orjson

from ockham import store
from ockham.api.consent import Destination
from ockham.errors import OckhamError
from ockham.serving.process import told_error, worker_command

Listener = Callable[[dict[str, Any] | None], None]
_LINE_LIMIT = 1 << 28
"""Bytes that a frame of a worker may have."""
_PATIENCE_S = 2.0


class WorkerDeathError(Exception):
    """The worker process is gone; what it was asked has no answer."""


class ChangedBundleError(WorkerDeathError):
    """A bundle was replaced since it was read: what the worker holds is not what it would be taken for."""


class _Lines(asyncio.SubprocessProtocol):
    """Hands on each line that a process writes, and its end."""

    def __init__(self, on_line: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_line, self._on_end = on_line, on_end
        self._parts: list[bytes] = []
        self._size = 0
        self.gone = asyncio.get_running_loop().create_future()
        """Done when the process has ended."""

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:  # noqa: ARG002 - asyncio's signature
        first, *others = cast("bytes", data).split(b"\n")
        self._parts.append(first)
        self._size += len(first)
        if self._size > _LINE_LIMIT:
            self._on_end()
        for part in others:
            line, self._parts, self._size = b"".join(self._parts), [part], len(part)
            self._on_line(line)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if fd == 1:
            self._on_end()

    def process_exited(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


class WorkerLink:
    """A running worker; `start` makes one, and `close` ends it."""

    _transport: asyncio.SubprocessTransport
    _lines: _Lines
    _held: contextlib.ExitStack

    def __init__(self) -> None:
        """Begin without a process."""
        self._numbers = itertools.count()
        self._listeners: dict[int, Listener] = {}
        self._loaded: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.is_alive = True
        """Whether the worker can still answer."""
        self.load_seconds = 0.0
        self.places: list[int] = []
        """Texts that each model answers side by side while it is heard; none of one that answers in batches."""
        self.widths: list[int] = []
        """Numbers in a vector that each model makes of a text; none where it makes no vectors."""

    @classmethod
    async def start(cls, bundles: Sequence[tuple[Path, str]], endpoint: Destination | None = None) -> WorkerLink:
        """Start the worker of a bundle, or of several that share a base, and return it when they are loaded.

        ``bundles`` are folders with the digest that each must have, also when it has been loaded.

        Raises the `OckhamError` that loading met, and `WorkerDeathError`.
        """
        with contextlib.ExitStack() as held:
            command = worker_command(
                [folder for folder, _ in bundles], held.enter_context(store.scratch_folder()), endpoint
            )
            link = cls()
            link._transport, link._lines = await asyncio.get_running_loop().subprocess_exec(
                lambda: _Lines(link._hear_line, link._end),
                *command.arguments,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(command.environment),
                pass_fds=command.inherited,
                start_new_session=True,
            )
            link._held = held.pop_all()
        try:
            loaded = await link._loaded
            if loaded["digests"] != [[digest, digest] for _, digest in bundles]:
                raise ChangedBundleError
        except BaseException:
            await link.close()
            raise
        link.load_seconds = float(loaded["loaded"])
        link.places, link.widths = loaded["places"], loaded["widths"]
        return link

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._transport.get_pid()

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its reply. Raises the `OckhamError` of the worker, and `WorkerDeathError`."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.listen(request, lambda frame: _settle(future, frame))
        return await future

    def listen(self, request: dict[str, Any], listener: Listener) -> int:
        """Send a request and return its number; the listener hears each frame, and ``None`` at a death.

        Raises `WorkerDeathError`.
        """
        number = next(self._numbers)
        self._write({"id": number, **request})
        self._listeners[number] = listener
        return number

    def stop(self, number: int) -> None:
        """Let the worker end an answer that nobody waits for; it says so when it has."""
        with contextlib.suppress(WorkerDeathError):
            self._write({"do": "stop", "of": number})

    def _write(self, frame: dict[str, Any]) -> None:
        stream = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))
        if stream is None or not self.is_alive or stream.is_closing():
            raise WorkerDeathError
        stream.write(orjson.dumps(frame) + b"\n")

    def _hear_line(self, line: bytes) -> None:
        """Hand a frame to whoever waits for it; one that cannot be read ends the worker's use."""
        try:
            frame = orjson.loads(line)
        except ValueError:
            self._end()
            return
        number = frame.get("id")
        if number is None:
            self._hear_first(frame)
            return
        listener = self._listeners.get(number)
        if listener is not None:
            if "piece" not in frame:
                del self._listeners[number]
            listener(frame)

    def _hear_first(self, frame: dict[str, Any]) -> None:
        """Hear that the model is loaded, or why it is not."""
        if "error" in frame:
            self._end(frame)
        else:
            _settle(self._loaded, frame)

    def _end(self, last: dict[str, Any] | None = None) -> None:
        """Tell everybody that waits that the worker is gone, in its ``last`` words where it had any."""
        self.is_alive = False
        _settle(self._loaded, last)
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            listener(last)

    async def close(self) -> None:
        """End the process: by closing its input, and by force where it does not end."""
        try:
            stream = self._transport.get_pipe_transport(0)
            if stream is not None:
                stream.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._lines.gone), _PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()
            await self._lines.gone
            self._transport.close()
            self._end()
            self._held.close()


def _settle(future: asyncio.Future[dict[str, Any]], frame: dict[str, Any] | None) -> None:
    """Hand a frame to whoever waits for it: ``None`` is the worker's death."""
    if future.done():
        return
    if frame is None:
        future.set_exception(WorkerDeathError())
    elif "error" in frame:
        future.set_exception(told_error(frame["error"]))
    else:
        future.set_result(frame)


__all__ = ["OckhamError", "WorkerDeathError", "WorkerLink"]
