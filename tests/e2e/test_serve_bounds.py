"""What a server does at its bounds: protocols that it does not speak, keys that come twice, no more descriptors."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.e2e.test_serve_faults import chat, exchange, workers
from tests.served import KEY, Served, linear_bundle, serve

from ockham.sealed.facts import descendants

SECRET = "a-secret-of-the-shell"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    bundle = linear_bundle(tmp_path_factory.mktemp("bundles") / "mail")
    with serve(bundle, DATABASE_PASSWORD=SECRET, https_proxy="http://192.0.2.1") as server:
        yield server


UPGRADES = {
    "websocket": b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "h2c": b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "tls": b"Upgrade: TLS/1.2\r\n",
}


@pytest.mark.parametrize("name", UPGRADES)
def test_h12_an_upgrade_is_not_made_and_nothing_behind_it_is_let_in(name: str, served: Served) -> None:
    """What is smuggled behind the request is held to the same key as every other."""
    upgrade = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n" + UPGRADES[name] + b"\r\n"
    smuggled = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    said = exchange(served, upgrade + smuggled)
    assert said.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 400 ", b"HTTP/1.1 426 "))
    assert b" 101 " not in said
    assert b"ockham_requests_total" not in said
    assert httpx.get(f"{served.address}/live").status_code == 200


def test_h12_the_preface_of_http_2_is_refused(served: Served) -> None:
    said = exchange(served, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    assert said[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 505", b"")
    assert httpx.get(f"{served.address}/live").status_code == 200


def test_h13_an_idempotency_key_that_comes_twice_mixes_no_answers(served: Served) -> None:
    """No request changes anything, so none needs to be remembered: each gets the answer to its own body."""
    texts = {"where is my parcel": "delivery", "the pump is broken": "defect"}

    async def scenario() -> list[tuple[str, str]]:
        async with httpx.AsyncClient(headers={**served.headers, "idempotency-key": "one"}, timeout=60) as client:

            async def ask(text: str) -> tuple[str, str]:
                reply = await client.post(f"{served.address}/v1/chat/completions", json=chat(text))
                return text, reply.json()["choices"][0]["message"]["content"]

            return await asyncio.gather(*(ask(text) for text in [*texts] * 10))

    answers = asyncio.run(scenario())
    assert {text: {answer for asked, answer in answers if asked == text} for text in texts} == {
        text: {label} for text, label in texts.items()
    }


@pytest.mark.skipif(sys.platform != "linux", reason="the environment of a process is read from /proc")
def test_h14_the_process_that_holds_the_model_has_nothing_to_tell(served: Served) -> None:
    """No prompt can ask a model for what its process does not have: the server's key, secrets, proxies."""
    assert httpx.post(f"{served.address}/v1/chat/completions", json=chat("a"), headers=served.headers).is_success
    processes = workers(served)
    assert processes
    for pid in processes:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PATH=" in environment
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        for word in (KEY, SECRET, "192.0.2.1"):
            assert word.encode() not in environment + command


def listening_process(served: Served) -> int:
    """Find the process that has the server's socket and answers on it."""
    pids = [served.process.pid, *descendants(served.process.pid)]
    inner = [pid for pid in pids if pid not in workers(served)]
    return inner[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of another process are set by prlimit(2)")
def test_o05_a_server_without_free_descriptors_comes_back_when_they_are_free(served: Served) -> None:
    pid = listening_process(served)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    count = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (count + 8, before[1]))
    host, port = served.address.removeprefix("http://").split(":")
    try:
        with ExitStack() as held:
            for _ in range(60):
                held.enter_context(socket.create_connection((host, int(port)), timeout=5))
            time.sleep(0.5)
            assert served.process.poll() is None
            assert len(list(Path(f"/proc/{pid}/fd").iterdir())) <= count + 8
        reply = httpx.post(
            f"{served.address}/v1/chat/completions", json=chat("a refund"), headers=served.headers, timeout=20
        )
        assert reply.status_code == 200
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    said = "".join(served.said)
    assert "Traceback" not in said
    assert said.count("EMFILE") == 1, "many clients, one line"
