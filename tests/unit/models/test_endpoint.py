"""The endpoint rung against a stub on the loopback: what is sent, retried, stopped and paid."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stub_api import Response, Seen, StubApi, refuses, says, serving

from ockham.api.client import Budget, Clock, EndpointSpec, address
from ockham.api.responses import Reply, RetryableError, parse_response
from ockham.errors import ConfigError, EndpointError, ModelError
from ockham.llm.task_words import task_words
from ockham.models import endpoint
from ockham.models.backend import load_backend
from ockham.models.endpoint import Endpoint
from ockham.records import Answer, Example

KEY = "sk-CANARY-KEY"
PROMPT = "CANARY-PROMPT my invoice"
EXAMPLES = (
    Example(id="1", input="invoice charged twice", target="billing"),
    Example(id="2", input="parcel is late", target="shipping"),
)

Script = Callable[[int, Seen], Response]


class Waits:
    """A clock whose pauses take no time but count, so that deadlines and backoff can be tested at once."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.clock = Clock(now=self.now, pause=self.pause, jitter=lambda: 1.0)

    def now(self) -> float:
        return time.monotonic() + sum(self.waited)

    def pause(self, event: threading.Event, seconds: float) -> bool:
        self.waited.append(seconds)
        return event.is_set()


@dataclasses.dataclass
class Set:
    """A stub, a model that asks it, and the pauses the model made."""

    api: StubApi
    model: Endpoint
    waits: Waits
    folder: Path

    def fails(self, inputs: list[str]) -> EndpointError:
        with pytest.raises(EndpointError) as caught:
            self.model.answer(inputs)
        assert caught.value.code == "E_ENDPOINT"
        assert caught.value.fix
        assert caught.value.exit_status == 2
        return caught.value


@contextlib.contextmanager
def asking(folder: Path, script: Script, **changes: Any) -> Iterator[Set]:
    waits = Waits()
    with serving(script) as api:
        spec = dataclasses.replace(EndpointSpec(url=api.url, model="big", key_env="API_KEY", concurrency=1), **changes)
        endpoint.fit(EXAMPLES, folder, spec, instructions="Mails of a shop.")
        model = endpoint.load(folder, environment={"API_KEY": KEY}, clock=waits.clock)
        with contextlib.closing(model):
            yield Set(api, model, waits, folder)


def always(response: Response) -> Script:
    return lambda _number, _seen: response


def in_turn(*responses: Response) -> Script:
    return lambda number, _seen: responses[min(number, len(responses) - 1)]


def test_a_question_is_sent_as_the_api_expects_it_and_answered_with_its_tokens(tmp_path: Path) -> None:
    with asking(tmp_path, always(says("billing"))) as at:
        assert at.model.answer([PROMPT]) == [Answer(value="billing", tokens_in=100, tokens_out=2)]
        (seen,) = at.api.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.headers["Accept-Encoding"] == "identity"
    asked = seen.body["messages"]
    rest = {name: said for name, said in seen.body.items() if name != "messages"}
    assert rest == {"model": "big", "temperature": 0, "seed": 0, "max_tokens": 32, "stream": False}
    assert [turn["role"] for turn in asked] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert asked[4]["content"] == "billing", "the nearest example stands last"
    assert "Mails of a shop." in asked[0]["content"]
    assert seen.text == PROMPT


def test_parameters_an_api_refuses_can_be_left_out_or_named_otherwise(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"omit": ("seed", "temperature"), "token_limit": "max_completion_tokens", "key_env": ""}
    with asking(tmp_path, always(says("billing")), **changes) as at:
        at.model.answer(["x"])
        (seen,) = at.api.seen
    assert set(seen.body) == {"model", "messages", "max_completion_tokens", "stream"}
    assert "Authorization" not in seen.headers


def test_answers_keep_their_order_whatever_order_replies_come_in(tmp_path: Path) -> None:
    def script(_number: int, seen: Seen) -> Response:
        place = int(seen.text.split()[1])
        return dataclasses.replace(says("billing" if place % 3 else "shipping"), delay=0.02 * (place % 4))

    with asking(tmp_path, script, concurrency=8) as at:
        answers = at.model.answer([f"text {n}" for n in range(24)])
        assert at.model.answer([]) == []
    assert [a.value for a in answers] == ["billing" if n % 3 else "shipping" for n in range(24)]


@pytest.mark.parametrize("content", ["sales", "I think it is billing.", "", None])
def test_a_reply_that_names_no_label_is_no_answer_but_was_paid(tmp_path: Path, content: str | None) -> None:
    with asking(tmp_path, always(says(content)), price_in=1.0, price_out=10.0) as at:
        assert at.model.answer(["x"]) == [Answer(value=None, tokens_in=100, tokens_out=2)]
        assert len(at.api.seen) == 1
        assert at.model.cost_usd == pytest.approx(120e-6)


def test_a_choice_is_one_of_its_own_questions_options_or_no_answer(tmp_path: Path) -> None:
    asked = ["Which?\nA) red\nB) green", "Which?\nA) blue\nB) red\nC) pink", "Red or blue?"]
    rows = [Example(id=str(n), input=text, target=f"({'AB'[n]})") for n, text in enumerate(asked[:2])]
    said = {
        asked[0]: ["Answer: b.", "C", "red"],
        asked[1]: ["**C**", "B) red", "A or B"],
        asked[2]: ["Red, I think"] * 3,
    }
    found = []
    with serving(lambda number, seen: says(said[seen.text][number // 3])) as api:
        spec = EndpointSpec(url=api.url, model="big", key_env="", concurrency=1)
        endpoint.fit(rows, tmp_path, spec, task="choose")
        with contextlib.closing(endpoint.load(tmp_path, environment={})) as model:
            found = [[answer.value for answer in model.answer(asked)] for _ in range(3)]
        assert api.seen[0].body["max_tokens"] == 32
        long = Example(id="3", input="Which?\nA) red\nB) " + "very " * 20 + "dark", target="red")
        endpoint.fit([long], tmp_path, spec, task="choose")
        with contextlib.closing(endpoint.load(tmp_path, environment={})) as model:
            assert model.spec.max_output_tokens > 104
    assert found == [["(B)", "(C)", "Red, I think"], [None, "(B)", "Red, I think"], ["(A)", None, "Red, I think"]]


@pytest.mark.parametrize(
    "trouble",
    [
        refuses(429),
        refuses(500),
        refuses(503),
        refuses(408),
        Response(body=b"<html>proxy</html>"),
        Response(body=b"[]"),
        Response(body=b'{"choices": []}'),
        Response(body=b'{"choices": [{"message": {"content": [1]}}]}'),
        Response(body=b"[" * 200_000),
        Response(body=b"\xff\xfe"),
        Response(body=b" " * 1_000_001),
        Response(body=b"x", headers={"Content-Encoding": "gzip"}),
        Response(drop=True),
    ],
)
def test_what_can_pass_is_tried_again(tmp_path: Path, trouble: Response) -> None:
    with asking(tmp_path, in_turn(trouble, trouble, says("shipping"))) as at:
        assert at.model.answer(["x"])[0].value == "shipping"
        assert len(at.api.seen) == 3
    assert at.waits.waited == [0.5, 1.0]


def test_retry_after_is_honoured_where_it_is_longer_than_our_own_wait(tmp_path: Path) -> None:
    with asking(tmp_path, in_turn(refuses(429, Retry_After="7"), refuses(429, Retry_After="0"), says("billing"))) as at:
        assert at.model.answer(["x"])[0].value == "billing"
    assert at.waits.waited == [7.0, 1.0]


def test_a_wait_beyond_the_deadline_is_not_begun(tmp_path: Path) -> None:
    with asking(tmp_path, always(refuses(429, Retry_After="3600"))) as at:
        assert "the API answered 429" in at.fails(["x"]).message
        assert len(at.api.seen) == 1
    assert at.waits.waited == []


def test_waits_double_up_to_20_seconds_and_stop_at_the_deadline(tmp_path: Path) -> None:
    with asking(tmp_path, always(refuses(500)), retries=20, deadline_s=70) as at:
        at.fails(["x"])
    assert at.waits.waited == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0]


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (refuses(400), "refuses the request"),
        (refuses(401), "the key is missing, wrong or not allowed"),
        (refuses(402), "no credit left"),
        (refuses(403), "the key is missing, wrong or not allowed"),
        (refuses(404), "no such address or model"),
        (refuses(422), "refuses the request"),
        (refuses(429, "insufficient_quota"), "no credit left"),
        (refuses(307, Location="http://127.0.0.1:1/v1"), "redirects to another address"),
    ],
)
def test_what_cannot_pass_stops_the_work_at_once(tmp_path: Path, response: Response, said: str) -> None:
    with asking(tmp_path, always(response)) as at:
        error = at.fails(["x", "y", "z"])
        assert said in error.message
        assert "SECRET" not in str(error)
        assert len(at.api.seen) == 1
    assert at.waits.waited == []


@pytest.mark.parametrize("code", ["context_length_exceeded", "content_filter"])
def test_a_text_the_api_refuses_goes_without_answer_and_the_work_goes_on(tmp_path: Path, code: str) -> None:
    def script(_number: int, seen: Seen) -> Response:
        return refuses(400, code) if seen.text == "long" else says("billing")

    with asking(tmp_path, script, stop_after=1, price_in=1.0, price_out=1.0) as at:
        assert [a.value for a in at.model.answer(["a", "long", "b"])] == ["billing", None, "billing"]
        assert at.model.cost_usd == pytest.approx(204e-6), "a refused text costs nothing"


def test_one_text_that_fails_for_good_is_no_answer_and_counts_no_tokens(tmp_path: Path) -> None:
    def script(_number: int, seen: Seen) -> Response:
        return refuses(500) if seen.text == "bad" else says("billing")

    with asking(tmp_path, script, retries=1) as at:
        answers = at.model.answer(["a", "bad", "b", "bad", "c"])
    assert [a.value for a in answers] == ["billing", None, "billing", None, "billing"]
    assert answers[1] == Answer(value=None)


def test_failures_in_a_row_stop_the_work_rather_than_burning_money(tmp_path: Path) -> None:
    with asking(tmp_path, always(refuses(500)), retries=1) as at:
        error = at.fails([f"text {n}" for n in range(50)])
        assert len(at.api.seen) == 6, "three texts, two attempts each"
    assert error.message == "3 answers in a row failed; the last reason: the API answered 500"


def test_many_workers_stop_together(tmp_path: Path) -> None:
    with asking(tmp_path, always(refuses(401)), concurrency=8) as at:
        at.fails([f"text {n}" for n in range(200)])
        assert len(at.api.seen) <= 8


def test_a_slow_reply_is_given_up_within_its_time(tmp_path: Path) -> None:
    slow = dataclasses.replace(says("billing"), delay=0.6)
    with asking(tmp_path, in_turn(slow, says("shipping")), timeout_s=0.2) as at:
        assert at.model.answer(["x"])[0].value == "shipping"


def test_a_dripping_reply_is_given_up_within_its_time(tmp_path: Path) -> None:
    drip = dataclasses.replace(says("billing"), drip=0.03)
    with asking(tmp_path, always(drip), timeout_s=0.3, retries=0) as at:
        begun = time.monotonic()
        assert "no answer in time" in at.fails(["x"]).message
        assert time.monotonic() - begun < 1.5


def test_a_decision_api_is_told_what_labels_mean_beside_its_choices(tmp_path: Path) -> None:
    answer = {"type": "choice", "choice": "billing", "confidence": 0.9}
    meanings = {"billing": "questions on invoices"}
    words = task_words("Mails of a shop.", meanings, ("billing", "shipping"))
    with serving(always(Response(body=json.dumps({"answers": [answer]}).encode()))) as api:
        spec = EndpointSpec(url=f"{api.url}/decisions", model="big", key_env="API_KEY", concurrency=1)
        endpoint.fit(EXAMPLES, tmp_path, spec, instructions=words, descriptions=meanings)
        model = endpoint.load(tmp_path, environment={"API_KEY": KEY}, clock=Waits().clock)
        with contextlib.closing(model):
            assert [answer.value for answer in model.answer([PROMPT])] == ["billing"]
        [asked] = api.seen[0].body["questions"]
    assert asked["instructions"] == "Mails of a shop."
    assert asked["choices"] == [{"value": "billing", "description": meanings["billing"]}, {"value": "shipping"}]


def test_no_server_at_all_is_said(tmp_path: Path) -> None:
    with asking(tmp_path, always(says("billing"))) as at:
        url = at.api.url
    with contextlib.closing(reload(tmp_path, url)) as model, pytest.raises(EndpointError) as caught:
        model.answer(["x"])
    assert "no connection could be made" in caught.value.message


def reload(folder: Path, url: str, environment: dict[str, str] | None = None, **changes: Any) -> Endpoint:
    spec = dataclasses.replace(EndpointSpec(url=url, model="big", key_env="API_KEY"), **changes)
    endpoint.fit(EXAMPLES, folder, spec)
    return endpoint.load(
        folder, environment={"API_KEY": KEY} if environment is None else environment, clock=Waits().clock
    )


def test_n06_a_proxy_in_the_environment_does_not_count_unless_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with asking(tmp_path, always(says("billing"))) as at:
        assert at.model.answer(["x"])[0].value == "billing"
    with asking(tmp_path, always(says("billing")), trust_env=True, retries=0) as at:
        assert "no connection" in at.fails(["x"]).message


def test_the_cap_stops_before_it_is_passed_and_stays_shut(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"price_in": 1000.0, "price_out": 1000.0, "max_cost": 3.5, "shots": 0}
    with asking(tmp_path, always(says("billing", tokens=(900, 100))), **changes) as at:
        error = at.fails(["x"] * 10)
        assert "spending limit" in error.message
        assert 0 < at.model.cost_usd <= 3.5
        sent = len(at.api.seen)
        at.fails(["x"])
        assert len(at.api.seen) == sent


def test_a_lost_or_uncounted_reply_is_booked_at_the_most_it_can_have_cost(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"price_in": 1.0, "price_out": 1.0, "retries": 0, "shots": 0}
    for response in (says("billing", tokens=None), Response(body=b"garbage"), Response(drop=True)):
        with asking(tmp_path, always(response), **changes) as at:
            with contextlib.suppress(EndpointError):
                assert at.model.answer(["x"]) == [Answer(value="billing")]
            sent = int(at.api.seen[0].headers["Content-Length"])
            assert at.model.cost_usd == pytest.approx((sent + 64 + 32) / 1e6)


def test_a_budget_never_lets_workers_pass_it_together() -> None:
    budget = Budget(1.0)
    assert budget.reserve(0.6)
    assert not budget.reserve(0.6)
    budget.settle(0.6, 0.1)
    assert budget.reserve(0.9)
    assert not budget.reserve(0.01)
    assert Budget(None).reserve(1e9)


def test_cost_is_unknown_without_prices() -> None:
    spec = EndpointSpec(url="http://h/v1", model="m")
    assert spec.cost(1, 1) is None
    assert dataclasses.replace(spec, price_in=2.0, price_out=8.0).cost(1_000_000, 500_000) == pytest.approx(6.0)


def test_c05_the_bundle_names_the_variable_and_never_holds_the_key(tmp_path: Path) -> None:
    with asking(tmp_path, always(says("billing"))):
        kept = (tmp_path / endpoint.FILE).read_text()
    assert KEY not in kept
    assert json.loads(kept)["spec"]["key_env"] == "API_KEY"
    assert load_backend("endpoint") is endpoint


@pytest.mark.parametrize("content", ["{}", '{"spec": {"url": "x"}}', '{"pool": 1, "SECRET": 1}'])
def test_a_damaged_bundle_is_a_model_error(tmp_path: Path, content: str) -> None:
    (tmp_path / endpoint.FILE).write_text(content)
    with pytest.raises(ModelError) as caught:
        endpoint.load(tmp_path)
    assert caught.value.code == "E_MODEL_FORMAT"


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout_s": 0.0},
        {"deadline_s": float("inf")},
        {"retries": -1},
        {"concurrency": 0},
        {"seed": 2**64},
        {"max_output_tokens": 0},
        {"price_in": -1.0},
        {"omit": ("stream",)},
    ],
)
def test_a_spec_out_of_range_is_refused_before_anything_is_written(tmp_path: Path, changes: dict[str, Any]) -> None:
    spec = dataclasses.replace(EndpointSpec(url="http://h/v1", model="m"), **changes)
    with pytest.raises(ConfigError):
        endpoint.fit(EXAMPLES, tmp_path, spec)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_cost": 1.0}, "a price is not"),
        ({"model": " "}, "names no model"),
        ({"key_env": "sk-CANARY"}, "not the name of an environment variable"),
        ({"url": "ftp://host/v1"}, "not an http or https address"),
    ],
)
def test_a_spec_that_cannot_work_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    spec = dataclasses.replace(EndpointSpec(url="http://h/v1", model="m"), **changes)
    with pytest.raises(EndpointError) as caught:
        endpoint.fit(EXAMPLES, tmp_path, spec)
    assert said in caught.value.message
    assert "CANARY" not in str(caught.value)
    with pytest.raises(EndpointError):
        endpoint.fit([], tmp_path, dataclasses.replace(spec, url="http://h/v1", model="m", key_env="K", max_cost=None))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/v1",
        "file:///etc/passwd",
        "http://",
        "http://user:SECRET@host/v1",
        "https://host/v1?key=SECRET",
        "https://host/v1#SECRET",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://ho st/v1",
        "http://host/v1\r\nX: SECRET",
        "http://hóst/v1",
    ],
)
def test_an_address_is_plain_or_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(EndpointError) as caught:
        address(url)
    assert "SECRET" not in str(caught.value)


def test_an_address_is_the_base_or_the_whole() -> None:
    whole = "https://host/v1/chat/completions"
    assert [address(url) for url in ("https://host/v1", "https://host/v1/", whole)] == [whole] * 3


def test_a_missing_or_impossible_key_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    for environment in ({}, {"API_KEY": "  "}):
        with pytest.raises(EndpointError) as caught:
            reload(tmp_path, "http://127.0.0.1:1/v1", environment)
        assert "API_KEY is not set" in caught.value.message
        assert "export API_KEY" in caught.value.fix
    with pytest.raises(EndpointError) as caught:
        reload(tmp_path, "http://127.0.0.1:1/v1", {"API_KEY": "CANARY\r\nHost: x"})
    assert "CANARY" not in str(caught.value)


def test_a_key_over_plain_http_is_warned_about(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reload(tmp_path, "http://127.0.0.1:1/v1")
    assert caplog.records == []
    reload(tmp_path, "http://far.example/v1")
    assert "unencrypted" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 0.0),
        ({"Retry-After": "12"}, 12.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_server_s_clock(headers: dict[str, str], wait: float) -> None:
    assert parse_response(429, headers, b"") == RetryableError(reason="the API answered 429", billed=False, wait=wait)


@pytest.mark.parametrize("usage", [None, 3, {"prompt_tokens": -1}, {"prompt_tokens": True}, {"prompt_tokens": "9"}])
def test_token_counts_that_are_none_are_unknown_not_zero(usage: object) -> None:
    body = {"choices": [{"message": {"content": "x"}}], "usage": usage}
    assert parse_response(200, {}, json.dumps(body).encode()) == Reply(content="x")


@pytest.mark.parametrize(
    "response",
    [
        says("billing"),
        refuses(500),
        refuses(401),
        refuses(302, Location=f"http://127.0.0.1:1/{KEY}"),
        Response(body=f"{KEY} {PROMPT}".encode()),
        Response(drop=True),
    ],
)
def test_g01_g03_neither_key_nor_prompt_stands_in_any_log_or_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, response: Response
) -> None:
    """G01: at the most talkative level, ours and the HTTP library's loggers alike; a traceback included."""
    caplog.set_level(logging.DEBUG)
    told = ""
    with asking(tmp_path, always(response), retries=1) as at:
        try:
            at.model.answer([PROMPT])
        except EndpointError as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=False)
            told = "".join(shown.format()) + repr(error) + str(error)
        at.model.answer([])
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("ockham"))
    everything = caplog.text if "Location" not in response.headers else ours
    for canary in (KEY, PROMPT, "CANARY"):
        assert canary not in told
        assert canary not in everything
    assert KEY not in repr(at.model)
