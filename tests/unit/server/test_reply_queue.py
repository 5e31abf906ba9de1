"""Answers that are heard while they are written: what waits for a place, for its first token, and for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from ockham.server.api_error import ApiError
from ockham.server.open_reply import Deadlines, OpenReply
from ockham.server.reply_queue import ReplyQueue
from ockham.server.worker_link import Listener, WorkerLink

ANSWER = {"answer": {"value": "done", "confidence": 0.5}, "ended": True}


class FakeWorker:
    """A worker with one place that says what it is told to, and needs a moment to stop."""

    def __init__(self) -> None:
        self.places = [1]
        self.texts: list[str] = []
        self.stopped: list[int] = []
        self._listeners: list[Listener] = []

    def listen(self, request: dict[str, Any], listener: Listener) -> int:
        self.texts.append(request["text"])
        self._listeners.append(listener)
        return len(self._listeners) - 1

    async def asked(self, count: int) -> None:
        """Wait until so many texts were asked."""
        while len(self.texts) < count:
            await asyncio.sleep(0.001)

    def say(self, number: int, frame: dict[str, Any]) -> None:
        self._listeners[number](frame)

    def stop(self, number: int) -> None:
        self.stopped.append(number)
        asyncio.get_running_loop().call_later(0.05, self.say, number, {"stopped": True})


def converse(scenario: Callable[[FakeWorker, ReplyQueue], Awaitable[None]], **limits: float) -> None:
    """Run a scenario with a queue that has these deadlines, in seconds."""

    async def run() -> None:
        worker = FakeWorker()

        async def load() -> WorkerLink:
            return cast("WorkerLink", worker)

        await scenario(worker, ReplyQueue(0, load, Deadlines(**limits), lambda _answers, _seconds: None))

    asyncio.run(run())


async def error_of(reply: OpenReply) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await reply.end
    return caught.value


def test_an_answer_that_does_not_begin_in_time_is_ended_and_its_place_goes_to_the_next() -> None:
    async def scenario(worker: FakeWorker, queue: ReplyQueue) -> None:
        slow, other = queue.open("slow", "key", {}), queue.open("next", "key", {})
        error = await error_of(slow)
        assert (error.status, error.code) == (504, "deadline_exceeded")
        assert "Nothing was said within 0.1 seconds" in error.message
        assert worker.texts == ["slow"], "its place is free when the worker says that it has stopped"
        await worker.asked(2)
        assert worker.stopped == [0]
        worker.say(1, ANSWER)
        assert (await other.end).decided.answer.value == "done"

    converse(scenario, first=0.1)


def test_an_answer_that_has_begun_has_all_the_time_of_the_whole() -> None:
    async def scenario(worker: FakeWorker, queue: ReplyQueue) -> None:
        reply = queue.open("text", "key", {})
        await worker.asked(1)
        worker.say(0, {"piece": "o", "tokens": []})
        await asyncio.sleep(0.15)
        worker.say(0, ANSWER)
        assert (await reply.end).finish == "stop"

    converse(scenario, first=0.1)


def test_an_answer_that_does_not_end_in_time_is_ended() -> None:
    async def scenario(worker: FakeWorker, queue: ReplyQueue) -> None:
        reply = queue.open("text", "key", {})
        await worker.asked(1)
        for _ in range(20):
            worker.say(0, {"piece": "o", "tokens": []})
            await asyncio.sleep(0.01)
        error = await error_of(reply)
        assert (error.status, error.code) == (504, "deadline_exceeded")
        assert "no answer within 0.1 seconds" in error.message
        assert worker.stopped == [0]
        await asyncio.sleep(0.1)
        assert len(queue) == 0

    converse(scenario, total=0.1)


def test_the_time_of_the_whole_runs_in_the_queue_too() -> None:
    async def scenario(worker: FakeWorker, queue: ReplyQueue) -> None:
        first, waiting = queue.open("first", "key", {}), queue.open("waiting", "key", {})
        await worker.asked(1)
        worker.say(0, {"piece": "o", "tokens": []})
        assert (await error_of(waiting)).code == "deadline_exceeded"
        await error_of(first)
        await asyncio.sleep(0.1)
        assert worker.texts == ["first"], "the model is not asked for it"

    converse(scenario, total=0.1)
