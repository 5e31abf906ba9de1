"""Texts that a worker answers in batches: what comes while it is busy is its next batch.

A batch is sent at once by what brings a text, or by the answer to the batch before it: no task waits in between. What a
worker had in hand when it died is asked once more, each text alone, so that one spoils no other.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ockham.errors import OckhamError
from ockham.records import Answer
from ockham.server.api_error import ApiError
from ockham.server.decision_answers import Decided
from ockham.server.fair_queue import Entry, FairQueue, fail_entries
from ockham.server.worker_link import WorkerDeathError, WorkerLink
from ockham.serving.process import told_error

_log = logging.getLogger(__name__)
BATCH, BATCH_TOKENS = 64, 16_384
TRIES = 2


@dataclass(slots=True)
class BatchEntry(Entry[Decided]):
    """A text that waits for its answer, and in how many batches a worker has died with it."""

    tries: int = 0


class BatchQueue:
    """What is asked of one model's worker, and the batch that it has in hand."""

    def __init__(
        self,
        seat: int,
        load: Callable[[], Awaitable[WorkerLink]],
        running: Callable[[], WorkerLink | None],
        on_batch: Callable[[int, float], None],
    ) -> None:
        """Begin with nothing: ``running`` is the worker that can be asked at once, ``load`` brings one.

        ``seat`` is the model's place among those of the worker.
        """
        self._seat = seat
        self._load, self._running, self._on_batch = load, running, on_batch
        self._queue: FairQueue[BatchEntry] = FairQueue()
        self._again: deque[BatchEntry] = deque()
        self._in_hand: list[BatchEntry] = []
        self._loading: asyncio.Task[None] | None = None
        self.last_answer = 0.0

    def __len__(self) -> int:
        """Return how many wait or are in hand."""
        return len(self._queue) + len(self._again) + len(self._in_hand)

    def put(self, entries: Sequence[BatchEntry]) -> None:
        """Take texts in; where the worker is free they are sent with what else comes in this turn of the event loop."""
        for entry in entries:
            self._queue.put(entry)
        if not self._in_hand:
            asyncio.get_running_loop().call_soon(self._hand_out)

    def drain(self) -> list[BatchEntry]:
        """Take all that waits."""
        waiting = [*self._again, *self._queue.drain()]
        self._again.clear()
        return waiting

    def _hand_out(self) -> None:
        """Send the worker its next batch, unless it has one; where there is no worker, have one loaded first."""
        while not self._in_hand and self._loading is None:
            link = self._running()
            if link is None:
                if len(self):
                    self._loading = asyncio.create_task(self._load_worker())
                return
            batch = self._next_batch()
            if not batch:
                return
            self._send(link, batch)

    def _next_batch(self) -> list[BatchEntry]:
        while self._again:
            entry = self._again.popleft()
            if not entry.future.done():
                return [entry]
        return self._queue.take(BATCH, BATCH_TOKENS)

    def _send(self, link: WorkerLink, batch: list[BatchEntry]) -> None:
        self._in_hand = batch
        hear = partial(self._hear, batch, time.monotonic())
        try:
            link.listen({"do": "decide", "seat": self._seat, "inputs": [entry.text for entry in batch]}, hear)
        except WorkerDeathError:
            self._in_hand = []
            self._ask_again(batch)

    def _hear(self, batch: list[BatchEntry], began: float, frame: dict[str, Any] | None) -> None:
        """Settle a batch, and send the next one."""
        self._in_hand = []
        if frame is None:
            self._ask_again(batch)
        elif "error" in frame:
            fail_entries(batch, outage_error(told_error(frame["error"])))
        else:
            self.last_answer = time.monotonic()
            self._on_batch(len(batch), self.last_answer - began)
            try:
                _answer(batch, frame)
            except (KeyError, TypeError, ValueError) as error:
                _log.error("a model's answers cannot be read: %s", type(error).__name__)
            # Whoever has no answer by now must not wait for one.
            fail_entries(batch, ApiError(500, "The server failed to answer", code="internal_error"))
        self._hand_out()

    def _ask_again(self, batch: list[BatchEntry]) -> None:
        """Ask what a dead worker had in hand once more."""
        for entry in batch:
            entry.tries += 1
            if entry.tries < TRIES:
                self._again.append(entry)
            else:
                fail_entries([entry], death_error())

    async def _load_worker(self) -> None:
        """Load the model for what waits; where that is not possible, its next batch is told so."""
        try:
            await self._load()
        except WorkerDeathError:
            self._ask_again(self._next_batch())
        except ApiError as error:
            fail_entries(self._next_batch(), error)
        except OckhamError as error:
            fail_entries(self._next_batch(), outage_error(error))
        except Exception as error:  # whatever it is, whoever waits must hear of it
            _log.error("loading for a batch failed: %s", type(error).__name__)
            fail_entries(self._next_batch(), ApiError(500, "The server failed to answer", code="internal_error"))
        finally:
            self._loading = None
        self._hand_out()

    async def close(self, error: ApiError) -> None:
        """End everything with an error."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        fail_entries([*self.drain(), *self._in_hand], error)


def death_error() -> ApiError:
    """Return what is told where a model's process ended more than once while it answered."""
    return ApiError(503, "The model's process ended while it answered", code="model_died")


def outage_error(error: OckhamError) -> ApiError:
    """Return what is told where a model cannot answer: the code of the error; its words are for the log."""
    _log.error("a model cannot answer: %s: %s", error.code, error.message)
    return ApiError(503, f"The model cannot answer: {error.code}", code="model_unavailable")


def _answer(batch: Sequence[BatchEntry], frame: dict[str, Any]) -> None:
    """Settle each text of a batch with its answer, and the probability of every label where the model knows them.

    A worker of a plug that gives too few leaves the others without one.
    """
    labels = frame["labels"]
    rows = frame["probabilities"] if labels is not None else [None] * len(batch)
    for entry, answer, row in zip(batch, frame["answers"], rows, strict=False):
        if not entry.future.done():
            shares = None if row is None else dict(zip(labels, row, strict=True))
            entry.future.set_result(Decided(answer=Answer(**answer), probabilities=shares))
