"""Adapters on one base: they share a process, none answers for another, and swaps touch nobody."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from tests.oracle_adapters import ADMIN, TEXTS, Adapters, ask_and_swap
from tests.served import Served, serve

from ockham.sealed.facts import descendants


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Adapters:
    return Adapters(tmp_path_factory.mktemp("adapters"), 3)


@pytest.fixture(scope="module")
def served(adapters: Adapters) -> Iterator[Served]:
    with serve(*adapters.serve_words(), OCKHAM_ADMIN_API_KEY=ADMIN) as server:
        yield server


def worker_pids(served: Served) -> list[int]:
    """Return the number of each process that holds models."""
    return [pid for pid in descendants(served.process.pid) if "ockham.serving.worker" in cmdline_of(pid)]


def cmdline_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""  # it has just ended


def test_the_oracles_tell_the_adapters_apart(adapters: Adapters) -> None:
    assert len({tuple(oracle.values()) for oracle in adapters.answers.values()}) == len(adapters.answers) == 6


def test_a06_a07_a09_no_adapter_answers_for_another_while_they_are_swapped(adapters: Adapters, served: Served) -> None:
    outcome = ask_and_swap(adapters, served, requests=120, swaps=3)
    assert outcome.statuses == {200: 120}
    assert outcome.wrong == 0
    assert outcome.swaps == 3
    assert outcome.models == set(adapters.names)


def test_they_share_one_process_and_an_unknown_name_is_none_of_them(adapters: Adapters, served: Served) -> None:
    for name in adapters.names:
        body = {"model": name, "messages": [{"role": "user", "content": TEXTS[0]}]}
        assert httpx.post(f"{served.address}/v1/chat/completions", json=body, headers=served.headers).is_success
    until = time.monotonic() + 20
    while len(worker_pids(served)) > 1 and time.monotonic() < until:
        time.sleep(0.1)  # those that were replaced leave
    assert len(worker_pids(served)) == 1
    body = {"model": "base", "messages": [{"role": "user", "content": TEXTS[0]}]}
    reply = httpx.post(f"{served.address}/v1/chat/completions", json=body, headers=served.headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")


def test_k12_a_worker_that_is_killed_while_it_takes_up_a_swap_leaves_what_was_before(
    adapters: Adapters, served: Served
) -> None:
    name, admin = adapters.names[0], {"authorization": f"Bearer {ADMIN}"}
    body = {"model": name, "messages": [{"role": "user", "content": TEXTS[0]}]}

    def digest() -> str:
        reply = httpx.post(f"{served.address}/v1/chat/completions", json=body, headers=served.headers, timeout=60)
        answered = reply.headers["x-model-digest"]
        assert reply.json()["choices"][0]["message"]["content"] == adapters.answers[answered][TEXTS[0]]
        return answered

    before, old = digest(), set(worker_pids(served))
    adapters.swap(name)
    with ThreadPoolExecutor(1) as thread:
        reload = thread.submit(httpx.post, f"{served.address}/admin/models/{name}/reload", headers=admin, timeout=60)
        until = time.monotonic() + 30
        while not (fresh := set(worker_pids(served)) - old) and time.monotonic() < until:
            time.sleep(0.01)
        for pid in fresh:
            os.kill(pid, signal.SIGKILL)
        assert not reload.result().is_success
    assert digest() == before
    assert old <= set(worker_pids(served))
    assert httpx.post(f"{served.address}/admin/models/{name}/reload", headers=admin, timeout=60).is_success
    assert digest() != before
