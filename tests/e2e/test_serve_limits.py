"""What is bounded: how long a request waits, what a client that leaves costs, how large the broker is."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from benchmarks import _http_load
from tests.served import KEY, Served, linear_bundle, serve

from ockham.sealed.facts import descendants

ADMIN = "key-of-the-admin-0123"
BROKER_MB = 80


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = linear_bundle(tmp_path_factory.mktemp("bundles") / "mail")
    with serve(folder, "--queue-seconds", "1", "--max-waiting", "64", OCKHAM_ADMIN_API_KEY=ADMIN) as server:
        yield server


def processes(served: Served) -> tuple[list[int], list[int]]:
    """Return the processes of a server that hold models, and those that do not."""
    every = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(served.process.pid)}
    workers = [pid for pid, line in every.items() if b"ockham.serving.worker" in line]
    return workers, [served.process.pid, *(pid for pid in every if pid not in workers)]


@contextlib.contextmanager
def stopped(served: Served) -> Iterator[None]:
    """Keep the model from answering."""
    (worker,), _ = processes(served)
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def chat() -> dict[str, object]:
    return {"model": "mail", "messages": [{"role": "user", "content": "a refund"}]}


def post(served: Served) -> httpx.Response:
    return httpx.post(f"{served.address}/v1/chat/completions", json=chat(), headers=served.headers, timeout=30)


def waiting(served: Served) -> int:
    reply = httpx.get(f"{served.address}/admin/models", headers={"authorization": f"Bearer {ADMIN}"})
    return int(reply.json()["waiting"])


def raw_request(served: Served) -> tuple[tuple[str, int], bytes]:
    host, port = served.address.removeprefix("http://").split(":")
    body = json.dumps(chat()).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return (host, int(port)), head.encode() + body


def until(condition: int, served: Served, seconds: float) -> float:
    """Return how long it took until so many requests are in the server."""
    began = time.monotonic()
    while waiting(served) != condition:
        assert time.monotonic() - began < seconds
        time.sleep(0.005)
    return time.monotonic() - began


def test_x01_clients_that_leave_free_their_places_at_once_and_cost_the_others_nothing(served: Served) -> None:
    assert post(served).status_code == 200
    address, request = raw_request(served)
    with stopped(served), ThreadPoolExecutor(1) as threads:
        leaving = [socket.create_connection(address) for _ in range(8)]
        leaving[0].sendall(request)  # in hand
        until(1, served, 5)
        for connection in leaving[1:]:  # in the queue
            connection.sendall(request)
        until(8, served, 5)
        other = threads.submit(post, served)
        until(9, served, 5)
        for connection in leaving:
            connection.close()
        freed = until(1, served, 5)
        (worker,), _ = processes(served)
        os.kill(worker, signal.SIGCONT)
        assert other.result().status_code == 200
    assert freed < 1.0  # .25 s on a machine of one's own
    assert post(served).status_code == 200


def test_o03_a_deadline_that_passes_in_the_queue_is_told_without_asking_the_model(served: Served) -> None:
    assert post(served).status_code == 200
    with stopped(served), ThreadPoolExecutor(2) as threads:
        in_hand = threads.submit(post, served)
        until(1, served, 5)
        queued = threads.submit(post, served)
        reply = queued.result()
        assert (reply.status_code, reply.json()["error"]["code"]) == (429, "queue_deadline_exceeded")
        assert int(reply.headers["retry-after"]) > 0
        (worker,), _ = processes(served)
        os.kill(worker, signal.SIGCONT)
        assert in_hand.result().status_code == 200
    assert waiting(served) == 0


def test_o01_x05_a_thousand_connections_at_once_are_answered_or_refused(served: Served) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard > 0 else 4096, hard))
    try:
        (_, port), request = raw_request(served)
        load = _http_load.run(port, [request] * 1000, 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(load.statuses) <= {200, 429}
    assert load.statuses[200] > 0
    assert load.statuses.total() == 1000
    assert until(0, served, 5) < 5


def test_the_broker_stays_small(served: Served) -> None:
    _, brokers = processes(served)
    for pid in brokers:
        status = Path(f"/proc/{pid}/status").read_text()
        resident = int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6
        assert resident < BROKER_MB


def test_what_a_server_that_is_stopped_has_taken_is_answered_or_refused_to_the_last(tmp_path: Path) -> None:
    statuses: list[int] = []

    def ask_until_the_end(server: Served) -> None:
        address, request = raw_request(server)
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=60) as connection:
            while True:
                connection.sendall(request)
                said = b""
                while b"\r\n\r\n" not in said or not said.endswith(b"}"):
                    part = connection.recv(65_536)
                    if not part:
                        return
                    said += part
                statuses.append(int(said[9:12]))

    with serve(linear_bundle(tmp_path / "mail")) as server, ThreadPoolExecutor(16) as threads:
        for _ in range(16):
            threads.submit(ask_until_the_end, server)
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0
    account = json.loads(next(line for line in server.said if '"event":"stopped"' in line))
    assert account["accepted"] == account["answered"] + account["refused"] + account["abandoned"]
    assert account["abandoned"] == 0
    assert statuses.count(200) == account["answered"] > 0
    assert statuses.count(503) == account["refused"]
