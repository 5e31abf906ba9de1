"""An endpoint that says nothing is given up within 30 seconds, however it says nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stub_api import Response, Seen, refuses, says, serving
from tests.unit.models.test_endpoint import EXAMPLES, Waits, always, asking

from ockham.api.client import EndpointSpec
from ockham.api.judge import JudgeCase, LlmJudge
from ockham.errors import EndpointError
from ockham.models import endpoint

MOST = 30.0


@contextlib.contextmanager
def trickling() -> Iterator[str]:
    """A server that sends one byte of an endless header every 50 ms: no single read ever waits long."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.05):
                connection.sendall(b"x")

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def took(model: endpoint.Endpoint, inputs: list[str]) -> tuple[float, str]:
    begun = time.monotonic()
    with pytest.raises(EndpointError) as caught:
        model.answer(inputs)
    assert caught.value.code == "E_ENDPOINT"
    return time.monotonic() - begun, caught.value.message


def test_the_limits_that_nobody_set_are_below_30_seconds() -> None:
    spec = EndpointSpec(url="http://h/v1", model="m")
    assert max(spec.silence_s, spec.timeout_s) < MOST - 5


def test_an_endpoint_that_loses_every_connection_late_is_given_up(tmp_path: Path) -> None:
    with asking(tmp_path, always(Response(drop=True))) as at:

        def script(_number: int, _seen: Seen) -> Response:
            at.waits.waited.append(9.0)  # the connection is lost after nine seconds
            return Response(drop=True)

        at.api.script = script
        begun = at.waits.now()
        at.fails([f"text {n}" for n in range(52)])
        assert at.waits.now() - begun < MOST


def test_an_endpoint_that_answered_before_and_then_loses_every_connection_is_given_up(tmp_path: Path) -> None:
    with asking(tmp_path, always(says("billing")), stop_after=1000, retries=20) as at:
        assert at.model.answer(["a"])[0].value == "billing"
        at.api.script = always(Response(drop=True))
        begun = at.waits.now()
        assert "gave no response to any question for 20 s" in at.fails([f"text {n}" for n in range(52)]).message
        assert at.waits.now() - begun < MOST


def test_an_endpoint_that_hangs_is_given_up_in_real_time(tmp_path: Path) -> None:
    hung = dataclasses.replace(says("billing"), delay=20)
    with serving(always(hung)) as api:
        spec = EndpointSpec(url=api.url, model="m", key_env="", timeout_s=0.4, silence_s=0.8)
        endpoint.fit(EXAMPLES, tmp_path, spec)
        with contextlib.closing(endpoint.load(tmp_path, environment={})) as model:
            seconds, said = took(model, [f"text {n}" for n in range(52)])
        assert seconds < 0.8 + 1.5, "the old bounds allow five attempts for each of three rows"
        assert "gave no response" in said or "no answer in time" in said
        assert len(api.seen) <= 8


def test_headers_that_trickle_are_given_up_in_real_time(tmp_path: Path) -> None:
    with trickling() as url:
        spec = EndpointSpec(url=url, model="m", key_env="", timeout_s=0.4, silence_s=0.4, retries=0)
        endpoint.fit(EXAMPLES, tmp_path, spec)
        with contextlib.closing(endpoint.load(tmp_path, environment={})) as model:
            seconds, said = took(model, ["a", "b"])
    assert seconds < 3.5
    assert "gave no response to any question for 0.4 s" in said


def test_an_endpoint_that_asks_for_a_pause_is_not_silent(tmp_path: Path) -> None:
    with asking(tmp_path, lambda n, _: refuses(429, Retry_After="60") if n == 0 else says("billing")) as at:
        assert at.model.answer(["a"])[0].value == "billing"
    assert at.waits.waited == [60.0]


def test_one_lost_reply_among_others_is_asked_for_again(tmp_path: Path) -> None:
    lost = threading.Event()

    def script(_number: int, seen: Seen) -> Response:
        if seen.text == "text 3" and not lost.is_set():
            lost.set()
            return Response(drop=True)
        return says("billing")

    with asking(tmp_path, script, concurrency=4) as at:
        assert {answer.value for answer in at.model.answer([f"text {n}" for n in range(12)])} == {"billing"}


def test_a_judge_that_says_nothing_is_not_waited_for_twice() -> None:
    waits = Waits()
    spec = EndpointSpec(url="", model="wise", key_env="", concurrency=1)

    def script(_number: int, _seen: Seen) -> Response:
        waits.waited.append(12.0)
        return Response(drop=True)

    with serving(script) as api:
        judge = LlmJudge(dataclasses.replace(spec, url=api.url), environment={}, clock=waits.clock)
        with contextlib.closing(judge), pytest.raises(EndpointError):
            judge.judge([JudgeCase(input="a", target="b", answer="c")])
    assert sum(waits.waited) < MOST


def test_a_fault_in_a_worker_is_raised_and_not_an_empty_answer(tmp_path: Path, monkeypatch: Any) -> None:
    with asking(tmp_path, always(says("billing"))) as at:
        monkeypatch.setattr(at.model, "_chat", lambda _text: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            at.model.answer(["a", "b"])
