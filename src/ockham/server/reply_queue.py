"""Answers that are heard while they are written: as many side by side as the model has places, the others in turn.

A place is free again when the worker says that it has stopped, not when a client leaves. An answer of which nothing has
been said yet is asked once more where the worker dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ockham.errors import OckhamError
from ockham.records import Answer
from ockham.server.admission import estimate_tokens
from ockham.server.api_error import ApiError
from ockham.server.batch_queue import death_error, outage_error
from ockham.server.decision_answers import Decided
from ockham.server.fair_queue import Entry, FairQueue
from ockham.server.open_reply import Deadlines, Ended, OpenReply, Said, turn_missed
from ockham.server.worker_link import WorkerDeathError, WorkerLink
from ockham.serving.process import told_error

TRIES = 2
_ANY = 1 << 60
Load = Callable[[], Awaitable[WorkerLink]]


@dataclass(slots=True)
class Wanted(Entry[Ended]):
    """A text that waits for an answer, and what is wished of it (`ockham.models.replies.ReplyWish`)."""

    reply: OpenReply = field(kw_only=True)
    wish: Mapping[str, Any] = field(kw_only=True)


class ReplyQueue:
    """What is asked of one model's worker."""

    def __init__(self, seat: int, load: Load, deadlines: Deadlines, on_batch: Callable[[int, float], None]) -> None:
        """Begin with one place; how many there are the worker says once it is loaded.

        ``seat`` is the model's place among those of the worker.
        """
        self._seat = seat
        self._load = load
        self._deadlines = deadlines
        self._on_batch = on_batch
        self._queue: FairQueue[Wanted] = FairQueue()
        self._places = 1
        self._tasks: dict[asyncio.Task[None], Wanted] = {}
        self.last_answer = 0.0

    def __len__(self) -> int:
        """Return how many wait or are in hand."""
        return len(self._queue) + len(self._tasks)

    def open(self, text: str, key: str, wish: Mapping[str, Any]) -> OpenReply:
        """Put a text into the queue; whoever has the reply reads it, or leaves it."""
        reply = OpenReply()
        wanted = Wanted(key, text, estimate_tokens(text), reply.end, reply=reply, wish=wish)
        limits = self._deadlines
        reply.expire(limits.queue, turn_missed(limits.queue), lambda: wanted.is_taken)
        late = f"There was no answer within {limits.total:g} seconds"
        reply.expire(limits.total, ApiError(504, late, code="deadline_exceeded"))
        self._queue.put(wanted)
        self._hand_out()
        return reply

    def _hand_out(self) -> None:
        """Begin with what waits while there are places."""
        while len(self._tasks) < self._places and (batch := self._queue.take(1, _ANY)):
            task = asyncio.create_task(self._answer(batch[0]))
            self._tasks[task] = batch[0]
            task.add_done_callback(self._free)

    def _free(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        self._hand_out()

    async def _answer(self, wanted: Wanted) -> None:
        """Have a text answered, and see to it that its reply ends."""
        reply, began = wanted.reply, time.monotonic()
        late = f"Nothing was said within {self._deadlines.first:g} seconds"
        slow = ApiError(504, late, code="deadline_exceeded")
        reply.expire(self._deadlines.first, slow, lambda: reply.is_begun)
        try:
            for _ in range(TRIES):
                with contextlib.suppress(WorkerDeathError):
                    link = await self._load()
                    self._places = max(1, link.places[self._seat])
                    self._hand_out()
                    await self._converse(link, wanted)
                if reply.end.done() or reply.is_begun:
                    break
        except OckhamError as error:
            reply.fail(outage_error(error))
        reply.fail(death_error())
        self.last_answer = time.monotonic()
        self._on_batch(1, self.last_answer - began)

    async def _converse(self, link: WorkerLink, wanted: Wanted) -> None:
        """Hear the worker until it has ended an answer, or was stopped. Raises `WorkerDeathError` and `OckhamError`."""
        last: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def hear(frame: dict[str, Any] | None) -> None:
            if last.done():
                return
            if frame is None:
                last.set_exception(WorkerDeathError())
            elif "piece" in frame:
                wanted.reply.say(Said(text=frame["piece"], tokens=frame["tokens"]))
            elif "error" in frame:
                last.set_exception(told_error(frame["error"]))
            else:
                _end(wanted.reply, frame)
                last.set_result(None)

        if wanted.reply.end.done():
            return
        number = link.listen({"do": "reply", "seat": self._seat, "text": wanted.text, "wish": dict(wanted.wish)}, hear)

        def stop(_end: asyncio.Future[Ended]) -> None:
            if not last.done():
                link.stop(number)

        wanted.reply.end.add_done_callback(stop)
        await last

    def fail_all(self, error: ApiError) -> None:
        """End whatever waits or is in hand with an error."""
        for wanted in (*self._queue.drain(), *self._tasks.values()):
            wanted.reply.fail(error)

    async def close(self, error: ApiError) -> None:
        """End everything."""
        self.fail_all(error)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _end(reply: OpenReply, frame: dict[str, Any]) -> None:
    """End a reply as the worker's last frame has it."""
    if "too_long" in frame:
        asked, room = frame["too_long"]
        message = f"The model reads {room} tokens at most, and the request has about {asked}"
        reply.fail(ApiError(400, message, code="context_length_exceeded", param="messages"))
    elif "answer" in frame:
        answer = Answer(**frame["answer"])
        reply.finish(Ended(decided=Decided(answer=answer), finish="stop" if frame["ended"] else "length"))
