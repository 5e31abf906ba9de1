"""The queue takes turns between keys, keeps within its bounds, and forgets whoever waits no more."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from ockham.server.admission import Admission, AdmissionSpec
from ockham.server.api_error import ApiError
from ockham.server.fair_queue import Entry, FairQueue


def entry(key: str, text: str, tokens: int = 1) -> Entry[str]:
    return Entry(key, text, tokens, asyncio.get_running_loop().create_future())


def test_o02_a_key_with_few_requests_does_not_wait_for_one_with_many() -> None:
    async def scenario() -> list[str]:
        queue: FairQueue[Entry[str]] = FairQueue()
        for number in range(100):
            queue.put(entry("greedy", f"g{number}", tokens=1000))
        for number in range(3):
            queue.put(entry("modest", f"m{number}"))
        return [one.text for _ in range(3) for one in queue.take(2, 4096)]

    assert asyncio.run(scenario()) == ["g0", "m0", "g1", "m1", "g2", "m2"]


def test_a_batch_has_no_more_tokens_than_fit_and_one_long_text_goes_alone() -> None:
    async def scenario() -> list[list[str]]:
        queue: FairQueue[Entry[str]] = FairQueue()
        for text, tokens in (("a", 60), ("b", 50), ("long", 500), ("c", 1)):
            queue.put(entry("key", text, tokens))
        return [[one.text for one in queue.take(64, 100)] for _ in range(4)]

    assert asyncio.run(scenario()) == [["a"], ["b"], ["long"], ["c"]]


def test_x03_who_is_cancelled_is_passed_over_and_the_others_stay() -> None:
    async def scenario() -> list[str]:
        queue: FairQueue[Entry[str]] = FairQueue()
        entries = [entry("key", str(number)) for number in range(6)]
        for one in entries:
            queue.put(one)
        for one in entries[::2]:
            one.future.cancel()
        return [one.text for one in queue.take(64, 100)]

    assert asyncio.run(scenario()) == ["1", "3", "5"]


@pytest.mark.parametrize("seed", range(5))
def test_every_entry_is_taken_once_in_the_order_of_its_key(seed: int) -> None:
    pick = random.Random(seed)

    async def scenario() -> list[Entry[str]]:
        queue: FairQueue[Entry[str]] = FairQueue()
        taken: list[Entry[str]] = []
        waiting = 0
        for number in range(200):
            queue.put(entry(pick.choice("abc"), f"{number:03}", pick.randint(1, 50)))
            waiting += 1
            if pick.random() < 0.3:
                batch = queue.take(pick.randint(1, 8), 60)
                taken += batch
                waiting -= len(batch)
        while len(queue):
            taken += queue.take(8, 60)
        return taken

    taken = asyncio.run(scenario())
    assert sorted(one.text for one in taken) == [f"{number:03}" for number in range(200)]
    for key in "abc":
        own = [one.text for one in taken if one.key == key]
        assert own == sorted(own)


def test_o07_who_comes_too_much_is_told_when_to_come_again_and_not_all_at_one_time() -> None:
    admission = Admission(AdmissionSpec(requests=2, tokens=100))
    waits = set()
    with admission.admit(10), admission.admit(10):
        for _ in range(50):
            with pytest.raises(ApiError) as caught, admission.admit(1):
                pass
            assert caught.value.status == 429
            assert int(caught.value.headers["retry-after"]) >= 1
            waits.add(caught.value.headers["retry-after-ms"])
    assert len(waits) > 10
    assert (admission.requests, admission.tokens) == (0, 0)


def test_tokens_bound_what_is_let_in_but_one_long_request_alone_is() -> None:
    admission = Admission(AdmissionSpec(requests=10, tokens=100))
    with admission.admit(5000), pytest.raises(ApiError, match="busy"), admission.admit(1):
        pass
    with admission.admit(60), pytest.raises(ApiError, match="busy"), admission.admit(41):
        pass
    admission.is_closed = True
    with pytest.raises(ApiError) as caught, admission.admit(1):
        pass
    assert caught.value.status == 503


def test_no_key_takes_the_places_of_the_others() -> None:
    admission = Admission(AdmissionSpec(requests=8), keys=("ann", "ben"))
    with contextlib.ExitStack() as held:
        for _ in range(6):
            held.enter_context(admission.admit(1, "ann"))
        with pytest.raises(ApiError):
            admission.admit(1, "ann").__enter__()
        for _ in range(2):
            held.enter_context(admission.admit(1, "ben"))
        with pytest.raises(ApiError):
            admission.admit(1, "ben").__enter__()
    assert admission.requests == 0


def test_a_single_key_may_take_all_places() -> None:
    admission = Admission(AdmissionSpec(requests=3), keys=("main",))
    with contextlib.ExitStack() as held:
        for _ in range(3):
            held.enter_context(admission.admit(1, "main"))
