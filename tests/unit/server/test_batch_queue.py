"""Batches go out and come back, whatever a worker does with them: nobody waits for an answer that cannot come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from ockham.server.api_error import ApiError
from ockham.server.batch_queue import BatchEntry, BatchQueue
from ockham.server.worker_link import WorkerLink

Frame = dict[str, Any] | None


class Link:
    """A worker that answers each batch in the next turn of the event loop: with the next frame of a list."""

    def __init__(self, *frames: Frame) -> None:
        self.frames = list(frames)
        self.asked: list[list[str]] = []

    def listen(self, request: dict[str, Any], listener: Callable[[Frame], None]) -> int:
        self.asked.append(request["inputs"])
        asyncio.get_running_loop().call_soon(listener, self.frames.pop(0))
        return len(self.asked)


def frame(*answers: str) -> Frame:
    return {"labels": None, "answers": [{"value": answer, "confidence": None} for answer in answers]}


def _outcome(entry: BatchEntry) -> str:
    error = entry.future.exception()
    return str(entry.future.result().answer.value if error is None else cast("ApiError", error).code)


def outcomes(link: Link, *batches: list[str]) -> list[str]:
    """Put texts in, batch by batch; return the answer to each, or the code of its error."""

    async def scenario() -> list[str]:
        async def load() -> WorkerLink:
            raise AssertionError("it runs")

        queue = BatchQueue(0, load, lambda: cast("WorkerLink", link), lambda size, seconds: None)
        entries: list[BatchEntry] = []
        for batch in batches:
            fresh = [BatchEntry("key", text, 1, asyncio.get_running_loop().create_future()) for text in batch]
            entries += fresh
            queue.put(fresh)
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.wait([entry.future for entry in entries]), timeout=5)
        assert len(queue) == 0
        return [_outcome(entry) for entry in entries]

    return asyncio.run(scenario())


def test_what_comes_while_a_batch_is_answered_is_the_next_one() -> None:
    link = Link(frame("A"), frame("B", "C"))
    assert outcomes(link, ["a"], ["b", "c"]) == ["A", "B", "C"]
    assert link.asked == [["a"], ["b", "c"]]


@pytest.mark.parametrize(
    "broken",
    [frame("A"), {"labels": None}, {"labels": ["x", "y"], "answers": [{}], "probabilities": [[1.0]]}],
    ids=["too few", "none", "not as labels"],
)
def test_answers_that_cannot_be_read_end_their_batch_and_not_the_next(broken: Frame) -> None:
    codes = outcomes(Link(broken, frame("C")), ["a", "b"], ["c"])
    assert codes[1:] == ["internal_error", "C"]


def test_what_a_worker_died_of_is_asked_once_more_each_text_alone() -> None:
    link = Link(None, frame("A"), None, frame("C"))
    assert outcomes(link, ["a", "b"], ["c"]) == ["A", "model_died", "C"]
    assert link.asked == [["a", "b"], ["a"], ["b"], ["c"]]
