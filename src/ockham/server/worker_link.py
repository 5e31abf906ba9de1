"""A worker process seen from the event loop: it holds one model, and answers frames of JSON, a line each.

It is the process that measured the model (`ockham.serving.worker`), started in the same way. It cannot answer while it
loads, and it may die: whoever waits for it then hears so, and nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


class WorkerLink:
    """A running worker; `start` makes one, and `close` ends it."""

    def __init__(self, process: asyncio.subprocess.Process, held: contextlib.ExitStack) -> None:
        """Take a process that has just been started, and what is to be removed with it."""
        self._process = process
        self._held = held
        self._numbers = itertools.count()
        self._waiting: dict[int | None, asyncio.Future[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read_frames())
        self._listeners: dict[int, Listener] = {}
        self.load_seconds = 0.0
        self.places = 0
        """Texts that the model answers side by side while it is heard; none of a model that answers in batches."""
        self.width = 0
        """Numbers in a vector that the model makes of a text; none where it makes no vectors."""

    @classmethod
    async def start(cls, bundle: Path, endpoint: Destination | None = None) -> WorkerLink:
        """Start the worker of a bundle, and return it when the model is loaded.

        Raises the `OckhamError` that loading met, and `WorkerDeathError`.
        """
        with contextlib.ExitStack() as held:
            scratch = held.enter_context(store.scratch_folder())
            command = worker_command(bundle, scratch, endpoint)
            process = await asyncio.create_subprocess_exec(
                *command.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(command.environment),
                pass_fds=command.inherited,
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
            link = cls(process, held.pop_all())
        try:
            loaded = await link._expect(None)
        except BaseException:
            await link.close()
            raise
        link.load_seconds = float(loaded["loaded"])
        link.places, link.width = int(loaded["places"]), int(loaded["width"])
        return link

    @property
    def is_alive(self) -> bool:
        """Whether the worker can still answer."""
        return not self._reader.done()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its reply. Raises the `OckhamError` of the worker, and `WorkerDeathError`."""
        number = next(self._numbers)
        reply = self._expect(number)
        stream = self._process.stdin
        if stream is None or not self.is_alive:
            reply.close()
            raise WorkerDeathError
        try:
            stream.write(orjson.dumps({"id": number, **request}) + b"\n")
            await stream.drain()
        except OSError:
            reply.close()
            raise WorkerDeathError from None
        return await reply

    def listen(self, request: dict[str, Any], listener: Listener) -> int:
        """Send a request that is answered in several frames, and return its number; ``None`` is heard at a death.

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
        stream = self._process.stdin
        if stream is None or not self.is_alive or stream.is_closing():
            raise WorkerDeathError
        stream.write(orjson.dumps(frame) + b"\n")

    async def _expect(self, number: int | None) -> dict[str, Any]:
        if not self.is_alive:
            raise WorkerDeathError
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            return await future
        finally:
            self._waiting.pop(number, None)

    async def _read_frames(self) -> None:
        """Hand every frame to whoever waits for it, until the process ends."""
        stream = self._process.stdout
        error: Exception = WorkerDeathError()
        try:
            while stream is not None and (line := await stream.readline()):
                frame = orjson.loads(line)
                if "error" in frame and frame.get("id") is None:
                    error = told_error(frame["error"])
                    break
                self._settle(frame)
                await asyncio.sleep(0)  # lines that have come already would be read without a turn for others
        except (OSError, ValueError):
            pass  # a frame that cannot be read: the worker is of no more use
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)
            for listener in list(self._listeners.values()):
                listener(None)
            self._listeners.clear()

    def _settle(self, frame: dict[str, Any]) -> None:
        number = frame.get("id")
        listener = self._listeners.get(number) if isinstance(number, int) else None
        if isinstance(number, int) and listener is not None:
            if "piece" not in frame:
                del self._listeners[number]
            listener(frame)
            return
        future = self._waiting.get(number)
        if future is None or future.done():
            return
        if "error" in frame:
            future.set_exception(told_error(frame["error"]))
        else:
            future.set_result(frame)

    async def close(self) -> None:
        """End the process: by closing its input, and by force where it does not end."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._process.wait(), _PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
            self._held.close()


__all__ = ["OckhamError", "WorkerDeathError", "WorkerLink"]
