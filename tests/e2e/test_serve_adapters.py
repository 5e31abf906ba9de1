"""Adapters on one base: they share a process, none answers for another, and swaps touch nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
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


def workers(served: Served) -> list[str]:
    """Return the command line of each process that holds models."""
    lines = [cmdline_of(pid) for pid in descendants(served.process.pid)]
    return [line for line in lines if "ockham.serving.worker" in line]


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
    while len(workers(served)) > 1 and time.monotonic() < until:
        time.sleep(0.1)  # those that were replaced leave
    assert len(workers(served)) == 1
    body = {"model": "base", "messages": [{"role": "user", "content": TEXTS[0]}]}
    reply = httpx.post(f"{served.address}/v1/chat/completions", json=body, headers=served.headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")
