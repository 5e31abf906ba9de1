"""A client that stops reading is left alone after a time, and what it has not read takes little memory until then."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
import uvicorn

from ockham.server import bounded_protocol
from ockham.server.bounded_protocol import BoundedProtocol

CHUNK, CHUNKS = bytes(4096), 5000


def test_x04_a_reader_that_stalls_is_left_alone_and_holds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "WRITE_SECONDS", 0.3)
    sent, buffered, is_over = 0, 0, asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent, buffered
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(CHUNKS):
                await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
                sent += len(CHUNK)
                connection = scope["state"][bounded_protocol.CONNECTION]
                buffered = max(buffered, connection.transport.get_write_buffer_size())
                if connection.is_lost:
                    break
        finally:
            is_over.set()

    async def scenario() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(application, http=BoundedProtocol, lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")  # and nothing is read
            await asyncio.wait_for(is_over.wait(), 10)
        server.should_exit = True
        await serving

    asyncio.run(scenario())
    assert sent < CHUNKS * len(CHUNK)  # it was not sent to the end
    assert buffered <= (64 + 16 + 4) << 10


def test_h01_a_body_in_pieces_arrives_whole_and_one_that_does_not_end_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from starlette.requests import Request

    from ockham.server import request_body
    from ockham.server.api_error import ApiError
    from ockham.server.decision_types import SystemOneRequest

    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.2)
    headers = [(b"content-type", b"application/json")]
    body = b'{"model": "m", "state": "a", "questions": {"q": {"criteria": {"a": null, "b": null}}}}'

    def request(*pieces: tuple[bytes, bool]) -> Request:
        left = list(pieces)

        async def receive() -> dict[str, Any]:
            if not left:
                await asyncio.sleep(60)
            piece, more = left.pop(0)
            return {"type": "http.request", "body": piece, "more_body": more}

        return Request({"type": "http", "headers": headers}, receive)

    async def scenario() -> None:
        whole = request((body[:9], True), (b"", True), (body[9:], False))
        assert (await request_body.read_body(whole, SystemOneRequest)).state == "a"
        with pytest.raises(ApiError) as caught:
            await request_body.read_body(request((body[:9], True)), SystemOneRequest)
        assert caught.value.status == 408

    asyncio.run(scenario())


@pytest.mark.parametrize("text", [b'{"a": "\\ud83d"}', b'{"a": "\\uDE00 x"}', b'{"\\ud800": 1}'])
def test_d03_half_a_character_is_refused_before_it_reaches_a_model(text: bytes) -> None:
    from ockham.server.api_error import ApiError
    from ockham.server.request_body import parse_json

    with pytest.raises(ApiError):
        parse_json(text)
    assert parse_json(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}
