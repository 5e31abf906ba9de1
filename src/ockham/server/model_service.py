"""One model as the server sees it: its queue, its worker, and the batches between them.

While the worker is busy requests gather; as soon as it is free it gets all that fit, so a batch costs nobody a wait. A
worker that dies is started again; what it had in hand is asked once more, since an answer changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ockham.api.consent import Destination
from ockham.errors import OckhamError
from ockham.records import Answer
from ockham.server.admission import estimate_tokens
from ockham.server.api_error import ApiError
from ockham.server.decision_answers import Decided
from ockham.server.fair_queue import Entry, FairQueue
from ockham.server.open_reply import Deadlines, Ended, OpenReply, turn_missed
from ockham.server.reply_queue import ReplyQueue
from ockham.server.served_bundle import ServedBundle
from ockham.server.worker_link import WorkerDeathError, WorkerLink

_log = logging.getLogger(__name__)
BATCH, BATCH_TOKENS = 64, 16_384
TRIES = 2
BACKOFF_S, LONGEST_BACKOFF_S = 0.25, 30.0
_STEADY_S = 30.0
"""A worker that has lived so long is no part of a series of deaths any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """How a model is served: by whom it may ask, how long a text may wait for its turn, and whom its speed is told.

    ``before_load`` makes room for a model, or refuses it (`ApiError`).
    """

    endpoint: Destination | None = None
    before_load: Callable[[ModelService], Awaitable[None]] | None = None
    on_batch: Callable[[int, float], None] = lambda _answers, _seconds: None
    deadlines: Deadlines = field(default_factory=Deadlines)


class ModelService:
    """A bundle that is being served; `close` it when done."""

    def __init__(self, bundle: ServedBundle, options: ServiceOptions) -> None:
        """Begin without a worker: it is started for the first request, or by `load`."""
        self.bundle = bundle
        self.deaths = 0
        self._last_answer = 0.0
        self.last_use = time.monotonic()
        self._options = options
        self._queue: FairQueue[Entry[Decided]] = FairQueue()
        self._link: WorkerLink | None = None
        self._starting = asyncio.Lock()
        self._series = 0
        self._in_hand = 0
        self._replies = ReplyQueue(self.load, options.deadlines, options.on_batch)
        self._loop = asyncio.create_task(self._answer_batches())

    async def load(self) -> WorkerLink:
        """Return the running worker; start one where there is none.

        Raises `OckhamError`, `WorkerDeathError`, and `ApiError` where there is no room for it.
        """
        async with self._starting:
            if self._link is None or not self._link.is_alive:
                if self._link is not None:
                    await self._bury(self._link)
                if self._options.before_load is not None:
                    await self._options.before_load(self)
                began = time.monotonic()
                self._link = await WorkerLink.start(self.bundle.folder, self._options.endpoint)
                _log.info("loaded %s in %.2f s", self.bundle.name, time.monotonic() - began)
            return self._link

    async def _bury(self, link: WorkerLink) -> None:
        """Put a dead worker away, and wait the longer the more have died in a row."""
        self.deaths += 1
        self._series += 1
        self._link = None
        await link.close()
        _log.warning("the worker of %s ended; it is started again", self.bundle.name)
        await asyncio.sleep(min(LONGEST_BACKOFF_S, BACKOFF_S * 2 ** (self._series - 1)) if self._series > 1 else 0)

    @property
    def is_loaded(self) -> bool:
        """Whether a worker runs."""
        return self._link is not None and self._link.is_alive

    @property
    def worker_pid(self) -> int | None:
        """The number of the worker process; ``None`` where there is none."""
        return self._link.pid if self._link is not None and self._link.is_alive else None

    @property
    def last_answer(self) -> float:
        """When it last answered, by the clock that never goes back."""
        return max(self._last_answer, self._replies.last_answer)

    @property
    def waiting(self) -> int:
        """How many texts wait or are in hand."""
        return len(self._queue) + self._in_hand + len(self._replies)

    async def is_heard(self) -> bool:
        """Whether the model is heard while it answers; it is loaded for that. Raises `ApiError` (503)."""
        return (await self._living_link()).places > 0

    async def embedding_width(self) -> int:
        """Return how many numbers a text's vector has, 0 where the model makes none. Raises `ApiError` (503)."""
        return (await self._living_link()).width

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], list[int]]:
        """Return the vector of each text, and how many tokens were read of it. Raises `ApiError` (503)."""
        self.touch()
        vectors, tokens = list[list[float]](), list[int]()
        for start in range(0, len(texts), BATCH):
            link = await self._living_link()
            try:
                reply = await link.ask({"do": "embed", "inputs": list(texts[start : start + BATCH])})
            except (WorkerDeathError, OckhamError):
                raise ApiError(503, "The model's process ended while it answered", code="model_died") from None
            vectors += reply["vectors"]
            tokens += reply["tokens"]
        self.touch()
        return vectors, tokens

    def touch(self) -> None:
        """Note that the model is used now."""
        self.last_use = time.monotonic()

    async def _living_link(self) -> WorkerLink:
        """Return the running worker, loaded where need be. Raises `ApiError` (503)."""
        for _ in range(TRIES):
            if self._link is None or not self._link.is_alive:
                await self._try_to_load()
        if self._link is not None and self._link.is_alive:
            return self._link
        raise ApiError(503, "The model's process ended while it loaded", code="model_died")

    async def _try_to_load(self) -> None:
        """Load the model, also for all others that wait for it: to leave does not end that. Raises `ApiError`."""
        loading = asyncio.ensure_future(self.load())
        loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.shield(loading)
        except WorkerDeathError:
            pass  # it is tried again
        except OckhamError as error:
            _log.error("%s cannot answer: %s: %s", self.bundle.name, error.code, error.message)
            raise ApiError(503, f"The model cannot answer: {error.code}", code="model_unavailable") from None

    async def open_reply(self, text: str, key: str, wish: Mapping[str, Any]) -> OpenReply:
        """Begin to answer a text, heard where the model can be: ``wish`` is what `ReplyWish` holds.

        Whoever has the reply reads it to its end, or leaves it. Raises `ApiError` (503) where the model cannot be
        loaded.
        """
        self.touch()
        if await self.is_heard():
            return self._replies.open(text, key, wish)
        reply = OpenReply()
        task = asyncio.create_task(self._reply_whole(reply, text, key))
        reply.end.add_done_callback(lambda _end: task.cancel())
        return reply

    async def _reply_whole(self, reply: OpenReply, text: str, key: str) -> None:
        try:
            reply.finish(Ended(decided=(await self.ask([text], key))[0]))
        except ApiError as error:
            reply.fail(error)

    async def ask(self, texts: Sequence[str], key: str) -> list[Decided]:
        """Return the answer to each text, in order; ``key`` is whose turn it takes. Whoever cancels frees the place.

        Raises `ApiError`: 429 where the text waited too long, 503 where the model cannot be loaded, or died of it.
        """
        self.touch()
        if await self.is_heard():
            return await self._ask_heard(texts, key)
        loop = asyncio.get_running_loop()
        entries = [Entry(key, text, estimate_tokens(text), loop.create_future()) for text in texts]
        for entry in entries:
            self._queue.put(entry)
        timer = loop.call_later(self._options.deadlines.queue, self._give_up, entries)
        try:
            return [await entry.future for entry in entries]
        finally:
            timer.cancel()
            for entry in entries:
                if not entry.future.cancel() and not entry.future.cancelled():
                    entry.future.exception()  # heard, so that nothing is said of it
            self.touch()

    async def _ask_heard(self, texts: Sequence[str], key: str) -> list[Decided]:
        replies = [self._replies.open(text, key, {}) for text in texts]
        try:
            return [(await reply.end).decided for reply in replies]
        finally:
            for reply in replies:
                reply.leave()
            self.touch()

    def fail_all(self, error: ApiError) -> None:
        """End whatever waits, or is being written, with an error."""
        self._replies.fail_all(error)
        _fail(self._queue.drain(), error)

    def _give_up(self, entries: Sequence[Entry[Decided]]) -> None:
        """Tell whoever waited too long in the queue; what the worker has in hand is answered."""
        error = turn_missed(self._options.deadlines.queue)
        _fail([entry for entry in entries if not entry.is_taken], error)

    async def _answer_batches(self) -> None:
        while True:
            batch = await self._queue.take(BATCH, BATCH_TOKENS)
            self._in_hand = len(batch)
            try:
                await self._answer(batch)
            except asyncio.CancelledError:
                _fail(batch, ApiError(503, "The server is shutting down", code="shutting_down"))
                raise
            except Exception as error:  # whatever it is, the others must be answered
                _log.error("a batch for %s failed: %s", self.bundle.name, type(error).__name__)
                _fail(batch, ApiError(500, "The server failed to answer", code="internal_error"))
            finally:
                self._in_hand = 0

    async def _answer(self, batch: list[Entry[Decided]]) -> None:
        """Answer a batch; where the worker dies of it, each of its texts alone, so that one spoils no other."""
        for attempt in range(TRIES):
            alive = [entry for entry in batch if not entry.future.done()]
            parts = [alive] if attempt == 0 else [[entry] for entry in alive]
            for part in parts:
                await self._answer_part(part, is_last=attempt == TRIES - 1)
            if all(entry.future.done() for entry in batch):
                return

    async def _answer_part(self, part: list[Entry[Decided]], *, is_last: bool) -> None:
        if not part:
            return
        began = time.monotonic()
        try:
            link = await self.load()
            reply = await link.ask({"do": "decide", "inputs": [entry.text for entry in part]})
        except WorkerDeathError:
            if is_last:
                _fail(part, ApiError(503, "The model's process ended while it answered", code="model_died"))
            return
        except ApiError as error:
            _fail(part, error)
            return
        except OckhamError as error:
            _log.error("%s cannot answer: %s: %s", self.bundle.name, error.code, error.message)
            _fail(part, ApiError(503, f"The model cannot answer: {error.code}", code="model_unavailable"))
            return
        now = time.monotonic()
        self._series = 0 if now - began < _STEADY_S else self._series
        self._last_answer = now
        self._options.on_batch(len(part), now - began)
        labels = reply["labels"]
        rows = reply["probabilities"] if labels is not None else [None] * len(part)
        for entry, answer, row in zip(part, reply["answers"], rows, strict=True):
            if not entry.future.done():
                shares = None if row is None else dict(zip(labels, row, strict=True))
                entry.future.set_result(Decided(answer=Answer(**answer), probabilities=shares))

    async def unload(self) -> None:
        """End the worker; the next request starts another."""
        async with self._starting:
            link, self._link = self._link, None
            if link is not None:
                await link.close()

    async def close(self) -> None:
        """End everything; what still waits is told so."""
        self._loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._loop
        shutting = ApiError(503, "The server is shutting down", code="shutting_down")
        _fail(self._queue.drain(), shutting)
        await self._replies.close(shutting)
        await self.unload()


def _fail(entries: Sequence[Entry[Decided]], error: ApiError) -> None:
    for entry in entries:
        if not entry.future.done():
            entry.future.set_exception(error)
