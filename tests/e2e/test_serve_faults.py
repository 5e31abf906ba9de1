"""What goes wrong around a server: too much at once, clients that leave, workers that die, words that leak, the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.served import KEY, Served, fake_bundle, linear_bundle, serve

from ockham.sealed.facts import descendants


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("bundles")
    bundles = (linear_bundle(folder / "mail"), fake_bundle(folder / "tale", {"tell me": "once"}))
    with serve(*bundles, "--max-waiting", "16") as server:
        yield server


def chat(text: str, model: str = "mail") -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def workers(server: Served) -> list[int]:
    """Name the processes of a server that hold models."""
    lines = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(server.process.pid)}
    return [pid for pid, line in lines.items() if b"ockham.serving.worker" in line]


def test_o01_more_at_once_than_fits_is_refused_and_all_others_answered(served: Served) -> None:
    async def scenario() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=300)
        async with httpx.AsyncClient(headers=served.headers, limits=limits, timeout=60) as client:
            url = f"{served.address}/v1/chat/completions"
            return await asyncio.gather(*(client.post(url, json=chat(f"refund {n} " * 300)) for n in range(300)))

    replies = asyncio.run(scenario())
    statuses = {reply.status_code for reply in replies}
    assert statuses == {200, 429}
    for reply in replies:
        if reply.status_code == 429:
            assert int(reply.headers["retry-after"]) >= 1
            assert float(reply.headers["retry-after-ms"]) > 0
            assert reply.json()["error"]["code"] == "server_overloaded"
    assert httpx.get(f"{served.address}/ready").status_code == 200


def test_o04_a_worker_that_is_killed_comes_back(served: Served) -> None:
    url = f"{served.address}/v1/chat/completions"
    assert httpx.post(url, json=chat("a refund"), headers=served.headers, timeout=30).status_code == 200
    before = workers(served)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    reply = httpx.post(url, json=chat("a refund"), headers=served.headers, timeout=30)
    assert (reply.status_code, reply.json()["choices"][0]["message"]["content"]) == (200, "billing")
    assert not set(before) & set(workers(served))
    page = httpx.get(f"{served.address}/metrics", headers=served.headers).text
    assert 'ockham_worker_deaths{model="mail"} 1.0' in page


def test_x05_clients_that_connect_and_leave_cost_nothing(served: Served) -> None:
    host, port = served.address.removeprefix("http://").split(":")
    body = json.dumps(chat("where is my parcel")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    whole = head.encode() + body
    for number in range(200):
        with socket.create_connection((host, int(port))) as one:
            one.sendall(whole[: number * len(whole) // 150])
    url = f"{served.address}/v1/chat/completions"
    assert httpx.post(url, json=chat("a refund"), headers=served.headers, timeout=30).status_code == 200
    page = httpx.get(f"{served.address}/metrics", headers=served.headers).text
    assert 'ockham_model_waiting{model="mail"} 0.0' in page


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"[]", {}, 400),
        (b"1", {}, 400),
        (b"null", {}, 400),
        (b"{", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"model":"mail","model":"tale","messages":[{"role":"user","content":"a"}]}', {}, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-encoding": "gzip"}, 415),
        (b"x" * (21 << 20), {}, 413),
    ],
)
def test_h01_h17_bodies_that_are_none_are_refused(
    served: Served, body: bytes, headers: dict[str, str], status: int
) -> None:
    sent = {**served.headers, "content-type": "application/json", **headers}
    reply = httpx.post(f"{served.address}/v1/chat/completions", content=body, headers=sent, timeout=30)
    assert reply.status_code == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


MESSAGES: list[object] = [
    None, "a", [], [123], [{}], [{"role": "user"}], [{"role": "user", "content": None}],
    [{"role": "wizard", "content": "a"}], [{"role": "assistant", "content": "a"}], [{"role": "user", "content": ""}],
    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://192.0.2.1/a.png"}}]}],
    [{"role": "user", "content": [{"type": "text", "text": 5}]}],
]  # fmt: skip


@pytest.mark.parametrize("messages", MESSAGES)
def test_h04_messages_of_every_wrong_shape_are_refused(served: Served, messages: object) -> None:
    body = {"model": "mail", "messages": messages}
    reply = httpx.post(f"{served.address}/v1/chat/completions", json=body, headers=served.headers)
    assert reply.status_code == 400
    assert str(reply.json()["error"]["param"]).startswith("messages")


@pytest.mark.parametrize(
    "more",
    [
        {"max_tokens": 0}, {"max_tokens": -1}, {"max_tokens": 2**63}, {"max_tokens": 1.5}, {"max_tokens": "9"},
        {"n": 10_000}, {"temperature": 1e308}, {"top_p": 2}, {"stop": ["a"] * 10_000}, {"seed": 2**64},
        {"api_base": "http://192.0.2.1"}, {"chat_template": "{{ 1 }}"}, {"lora_path": "/etc"}, {"extra_body": {}},
    ],
)  # fmt: skip
def test_h05_h07_parameters_out_of_range_and_unknown_ones_are_refused(served: Served, more: dict[str, object]) -> None:
    reply = httpx.post(f"{served.address}/v1/chat/completions", json={**chat("a"), **more}, headers=served.headers)
    assert reply.status_code == 400
    assert "192.0.2.1" not in reply.text


@pytest.mark.parametrize(
    "path", ["//v1/models", "/v1/../metrics", "/v1/%2e%2e/metrics", "/v1/models;a", "/metrics/", "/v1/models."]
)
def test_h11_paths_that_dodge_the_router_lead_nowhere(served: Served, path: str) -> None:
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as one:
        one.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\nConnection: close\r\n\r\n".encode()
        )
        assert b" 404 " in one.recv(65_536).split(b"\r\n")[0]


def test_h15_no_word_of_a_request_is_in_the_log_the_metrics_or_an_error(served: Served) -> None:
    replies = []
    with httpx.Client(base_url=served.address, headers={**served.headers, "x-a": "canary"}) as client:
        for number in range(200):
            canary = f"canary{number:04}\n2026 ERROR"
            options = [{"value": canary}, {"value": "b"}]
            question = {"type": "choice", "instructions": canary, "name": canary, "choices": options}
            bodies = [
                ("chat/completions", chat(canary)),
                ("chat/completions", {**chat(canary), "user": canary, "temperature": canary}),
                ("chat/completions", {**chat(canary), "response_format": {"type": canary}}),
                ("decisions", {"model": "mail", "input": canary, "questions": [question]}),
                ("decisions", {"model": "mail", "input": canary, "questions": [{**question, "type": canary}]}),
            ]
            replies += [client.post(f"/v1/{path}?canary{number}", json=body) for path, body in bodies]
            key = {"authorization": f"Bearer canary{number}"}
            replies.append(client.get(f"/canary{number}", headers=key))
        # The last of so many wrong keys are not looked at any more.
        assert {reply.status_code for reply in replies} == {200, 400, 401, 429}
        page = client.get("/metrics").text
    time.sleep(0.2)  # the log is written a moment later
    log = "".join(served.said)
    assert log.count('"event":"request"') >= len(replies) == 1200
    for place in (page, log, *(reply.text for reply in replies if reply.status_code != 200)):
        assert "canary" not in place
        assert KEY not in place.replace(f"API key: {KEY}", "").replace(f"#key={KEY}", "").replace(
            f"'{KEY}'", ""
        ).replace(f"Bearer {KEY}'", "")


def test_a_server_that_is_told_to_stop_answers_what_it_has(tmp_path: Path) -> None:
    with serve(linear_bundle(tmp_path / "mail")) as server:

        async def scenario() -> list[int]:
            async with httpx.AsyncClient(headers=server.headers, timeout=60) as client:
                url = f"{server.address}/v1/chat/completions"
                asks = [asyncio.create_task(client.post(url, json=chat("a refund " * 500))) for _ in range(60)]
                await asyncio.sleep(0.3)
                server.process.send_signal(signal.SIGTERM)
                outcomes = await asyncio.gather(*asks, return_exceptions=True)
                return [one.status_code if isinstance(one, httpx.Response) else 0 for one in outcomes]

        statuses = asyncio.run(scenario())
        assert server.process.wait(40) == 0
    assert set(statuses) <= {200, 503, 0}
    assert statuses.count(200) > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--host", "0.0.0.0"), "the API key would travel unencrypted"),
        (("--tls-cert", "a.pem"), "TLS needs both a certificate and its key"),
    ],
)
def test_other_machines_are_not_served_in_the_open(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    folder = linear_bundle(tmp_path / "mail")
    command = [sys.executable, "-m", "ockham", "serve", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert says in done.stderr


def test_metrics_count_requests_by_model(served: Served) -> None:
    url = f"{served.address}/api/generate"
    reply = httpx.post(url, json={"model": "tale", "prompt": "tell me", "stream": False}, headers=served.headers)
    assert reply.json()["response"] == "once"
    time.sleep(0.05)
    page = httpx.get(f"{served.address}/metrics", headers=served.headers).text
    assert 'ockham_requests_total{model="tale",route="/api/generate",status="200"} 1.0' in page
    assert "gen_ai_server_request_duration_seconds_bucket" in page


def exchange(served: Served, sent: bytes, seconds: float = 20.0) -> bytes:
    """Send bytes as they are and return what comes back until the other side closes."""
    host, port = served.address.removeprefix("http://").split(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=seconds) as one:
        try:
            one.sendall(sent)
            while part := one.recv(65_536):
                said += part
        except ConnectionError:
            pass
    return said


@pytest.mark.parametrize(
    "headers",
    [
        b"X-Long: " + b"a" * (1 << 20),
        b"".join(b"X-%d: a\r\n" % number for number in range(10_000)),
        b"X-Nul: a\0b",
        b"X-Control: a\rb",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        b"Content-Length: -1",
    ],
)
def test_h02_headers_without_end_or_with_control_characters_are_refused(served: Served, headers: bytes) -> None:
    said = exchange(served, b"GET /live HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n")
    assert said.split(b"\r\n")[0][9:12] in (b"400", b"431", b"")
    assert httpx.get(f"{served.address}/live").status_code == 200


@pytest.mark.slow
def test_h03_a_client_that_never_ends_its_headers_is_sent_away_and_others_are_served(served: Served) -> None:
    began = time.monotonic()
    assert exchange(served, b"GET /live HTTP/1.1\r\nHost: loc").startswith(b"HTTP/1.1 408 ")
    assert 4 < time.monotonic() - began < 15
    assert httpx.get(f"{served.address}/live").status_code == 200


def ask_until(served: Served, digest: str | None, seconds: float) -> tuple[set[int], list[str]]:
    """Ask again and again until another bundle answers, or time is up; return the statuses and the digests seen."""
    statuses, digests = set[int](), list[str]()
    end = time.monotonic() + seconds
    while time.monotonic() < end and (digest is None or digests[-1:] in ([], [digest])):
        reply = httpx.post(f"{served.address}/v1/chat/completions", json=chat("a refund"), headers=served.headers)
        statuses.add(reply.status_code)
        digests.append(reply.headers["x-model-digest"])
    return statuses, digests


@pytest.mark.slow
def test_a05_a06_a_bundle_is_replaced_while_it_is_asked_and_a_broken_one_is_not_taken(tmp_path: Path) -> None:
    folder = linear_bundle(tmp_path / "mail")
    other = linear_bundle(tmp_path / "other", ("billing", "delivery"))
    with serve(folder, "--idle-seconds", "1") as server:
        statuses, (first, *_) = ask_until(server, None, 0.5)
        for path in other.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        more, digests = ask_until(server, first, 30)
        assert statuses | more == {200}
        assert digests[-1] != first
        whole = (folder / "bundle.json").read_bytes()
        (folder / "bundle.json").write_bytes(whole.replace(b'"files":{', b'"files":{"gone.bin":"0",'))
        statuses, digests = ask_until(server, None, 6)
        assert (statuses, len(set(digests))) == ({200}, 1)
        (folder / "bundle.json").write_bytes(whole)
        end = time.monotonic() + 20
        while workers(server) and time.monotonic() < end:
            time.sleep(0.2)
        assert workers(server) == []  # idle
        assert ask_until(server, None, 0.1)[0] == {200}
