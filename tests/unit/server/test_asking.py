"""How long a request waits: one whose time is up, or whose client has left, is passed over, and no model is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from starlette.requests import Request

from ockham.server.api_error import ApiError
from ockham.server.asking import while_connected
from ockham.server.bounded_protocol import CONNECTION
from ockham.server.fair_queue import Entry, FairQueue


def wait_in_queue(seconds: float, *, leaves: bool) -> tuple[ApiError, Sequence[str]]:
    """Wait for an answer that nobody gives, and return the error, with the texts that a model would be asked then."""

    async def scenario() -> tuple[ApiError, Sequence[str]]:
        queue: FairQueue[Entry[str]] = FairQueue()

        async def work(text: str) -> str:
            entry: Entry[str] = Entry("key", text, 1, asyncio.get_running_loop().create_future())
            queue.put(entry)
            try:
                return await entry.future
            finally:
                entry.future.cancel()

        connection = SimpleNamespace(on_loss=set(), is_lost=False)
        request = Request({"type": "http", "headers": [], "state": {CONNECTION: connection}})
        if leaves:
            asyncio.get_running_loop().call_later(0.05, lambda: [hear() for hear in tuple(connection.on_loss)])
        with pytest.raises(ApiError) as caught:
            await while_connected(request, work("too late"), seconds)
        return caught.value, [entry.text for entry in queue.drain()]

    return asyncio.run(scenario())


def test_o03_a_request_whose_time_is_up_in_the_queue_is_told_so_and_never_asked() -> None:
    error, asked = wait_in_queue(0.05, leaves=False)
    assert (error.status, error.code) == (504, "deadline_exceeded")
    assert asked == []


def test_a_request_whose_client_has_left_is_never_asked() -> None:
    error, asked = wait_in_queue(30, leaves=True)
    assert error.status == 499
    assert asked == []
