"""One model as the server sees it: its worker, which is started again where it dies, and what is asked of it.

Texts are answered in batches (`batch_queue`), or heard while they are written (`reply_queue`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ockham.api.consent import Destination
from ockham.errors import OckhamError
from ockham.server.admission import estimate_tokens
from ockham.server.api_error import ApiError
from ockham.server.batch_queue import BATCH, BatchEntry, BatchQueue, death_error, outage_error
from ockham.server.decision_answers import Decided
from ockham.server.fair_queue import fail_entries
from ockham.server.open_reply import Deadlines, Ended, OpenReply, turn_missed
from ockham.server.reply_queue import ReplyQueue
from ockham.server.served_bundle import ServedBundle
from ockham.server.worker_host import WorkerHost
from ockham.server.worker_link import WorkerDeathError, WorkerLink

_log = logging.getLogger(__name__)
TRIES = 2


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

    def __init__(self, host: WorkerHost, seat: int, options: ServiceOptions) -> None:
        """Serve the bundle that has this seat; the host's worker is started for the first request, or by `load`."""
        self.bundle = host.bundles[seat]
        self.host = host
        self._seat = seat
        self._options = options
        self._batches = BatchQueue(seat, self.load, lambda: host.running, options.on_batch)
        self._replies = ReplyQueue(seat, self.load, options.deadlines, options.on_batch)
        host.join(seat, lambda: self.waiting)

    async def load(self) -> WorkerLink:
        """Return the running worker; start one where there is none.

        Raises `OckhamError`, `WorkerDeathError`, and `ApiError` where there is no room for it.
        """
        return await self.host.load(self._make_room)

    async def _make_room(self) -> None:
        if self._options.before_load is not None:
            await self._options.before_load(self)

    @property
    def is_loaded(self) -> bool:
        """Whether a worker runs."""
        return self.host.running is not None

    @property
    def worker_pid(self) -> int | None:
        """The number of the worker process; ``None`` where there is none."""
        link = self.host.running
        return None if link is None else link.pid

    @property
    def last_answer(self) -> float:
        """When it last answered, by the clock that never goes back."""
        return max(self._batches.last_answer, self._replies.last_answer)

    @property
    def waiting(self) -> int:
        """How many texts wait or are in hand."""
        return len(self._batches) + len(self._replies)

    @property
    def deaths(self) -> int:
        """How often its worker has died."""
        return self.host.deaths

    @property
    def last_use(self) -> float:
        """When its worker was last used."""
        return self.host.last_use

    @property
    def is_busy(self) -> bool:
        """Whether its worker has something to answer, for this model or for one that shares it."""
        return self.host.waiting > 0

    async def is_heard(self) -> bool:
        """Whether the model is heard while it answers; it is loaded for that. Raises `ApiError` (503)."""
        return (await self._living_link()).places[self._seat] > 0

    async def embedding_width(self) -> int:
        """Return how many numbers a text's vector has, 0 where the model makes none. Raises `ApiError` (503)."""
        return (await self._living_link()).widths[self._seat]

    async def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], list[int]]:
        """Return the vector of each text, and how many tokens were read of it. Raises `ApiError` (503)."""
        self.touch()
        vectors, tokens = list[list[float]](), list[int]()
        for start in range(0, len(texts), BATCH):
            link = await self._living_link()
            try:
                reply = await link.ask(
                    {"do": "embed", "seat": self._seat, "inputs": list(texts[start : start + BATCH])}
                )
            except (WorkerDeathError, OckhamError):
                raise death_error() from None
            vectors += reply["vectors"]
            tokens += reply["tokens"]
        self.touch()
        return vectors, tokens

    def touch(self) -> None:
        """Note that the model is used now."""
        self.host.last_use = time.monotonic()

    async def _living_link(self) -> WorkerLink:
        """Return the running worker, loaded where need be. Raises `ApiError` (503)."""
        for _ in range(TRIES):
            if self.host.running is None:
                await self._try_to_load()
        if self.host.running is not None:
            return self.host.running
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
            raise outage_error(error) from None

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
        entries = [BatchEntry(key, text, estimate_tokens(text), loop.create_future()) for text in texts]
        self._batches.put(entries)
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
        fail_entries(self._batches.drain(), error)

    def _give_up(self, entries: Sequence[BatchEntry]) -> None:
        """Tell whoever waited too long in the queue; what the worker has in hand is answered."""
        error = turn_missed(self._options.deadlines.queue)
        fail_entries([entry for entry in entries if not entry.is_taken], error)

    async def close(self) -> None:
        """End everything; what still waits is told so."""
        shutting = ApiError(503, "The server is shutting down", code="shutting_down")
        await self._batches.close(shutting)
        await self._replies.close(shutting)
        await self.host.leave(self._seat)


def serve_together(bundles: Sequence[ServedBundle], options: ServiceOptions) -> dict[str, ModelService]:
    """Return the models of bundles by name: those that share a base have one worker together."""
    groups: dict[str, list[ServedBundle]] = {}
    for bundle in bundles:
        groups.setdefault(bundle.base or bundle.name, []).append(bundle)
    services = dict[str, ModelService]()
    for group in groups.values():
        host = WorkerHost(group, options.endpoint)
        services |= {bundle.name: ModelService(host, seat, options) for seat, bundle in enumerate(group)}
    return {bundle.name: services[bundle.name] for bundle in bundles}
