"""`ockham serve` as its clients see it: the official client of the OpenAI API against the installed command."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from tests.served import KEY, MAILS, Served, fake_bundle, linear_bundle, serve

from ockham.bundles.loaded_model import load
from ockham.server.key_guesses import MOST

OBJECT = '{"name":"Ann","city":"Ulm"}'


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "mail": linear_bundle(folder / "mail"),
        "spam": linear_bundle(folder / "spam", ("true", "false")),
        "person": fake_bundle(folder / "person", {"Ann lives in Ulm": OBJECT}, task="extract"),
        "tale": fake_bundle(folder / "tale", {"tell me": "once upon a time"}),
    }


@pytest.fixture(scope="module")
def served(folders: dict[str, Path]) -> Iterator[Served]:
    with serve(*folders.values()) as server:
        yield server
    assert server.process.returncode == 0, "".join(server.said)


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.address}/v1", api_key=KEY, max_retries=0) as one:
        yield one


def choices(*values: str | bool) -> list[dict[str, str | bool]]:
    return [{"value": value} for value in values]


def test_a_choice_over_all_labels_is_answered_as_it_was_measured(
    client: openai.OpenAI, folders: dict[str, Path]
) -> None:
    text = "the parcel was charged twice"
    with load(folders["mail"]) as model:
        expected = dict(zip(model.labels, model.probabilities([text])[0], strict=True))
    question = {"type": "choice", "name": "topic", "instructions": "Which?", "choices": choices(*sorted(MAILS))}
    raw = client.decisions.with_raw_response.create(model="mail", input=text, questions=[question])
    decision = raw.parse()
    (answer,) = decision.answers
    assert answer.type == "choice"
    assert {share.value: share.probability for share in answer.probabilities} == expected  # to the last bit
    assert (answer.choice, answer.confidence) == max(expected.items(), key=lambda pair: pair[1])
    assert answer.name == "topic"
    assert decision.model == "mail"
    assert decision.usage.total_tokens == decision.usage.input_tokens > 0
    assert raw.headers["x-model-digest"].startswith("sha256:")


def test_a_choice_over_some_labels_is_renormalised_in_the_order_of_the_question(client: openai.OpenAI) -> None:
    questions = [
        {"type": "choice", "instructions": "Which?", "choices": choices("defect", "billing")},
        {"type": "choice", "instructions": "Which?", "choices": choices("billing", "defect", "delivery")},
    ]
    some, every = client.decisions.create(model="mail", input="a refund", questions=questions).answers
    assert some.type == every.type == "choice"
    whole = {share.value: share.probability for share in every.probabilities}
    assert [share.value for share in some.probabilities] == ["defect", "billing"]
    total = whole["defect"] + whole["billing"]
    for share in some.probabilities:
        assert share.probability == pytest.approx(whole[share.value] / total, rel=1e-12)
    assert math.fsum(share.probability for share in some.probabilities) == pytest.approx(1)


def test_an_unknown_value_is_refused_with_the_labels(client: openai.OpenAI) -> None:
    question = {"type": "choice", "instructions": "Which?", "choices": choices("billing", "weather")}
    with pytest.raises(openai.BadRequestError, match="billing, defect, delivery") as caught:
        client.decisions.create(model="mail", input="a refund", questions=[question])
    assert caught.value.param == "questions[0].choices[1]"
    assert "weather" not in str(caught.value)


def test_truth_values_and_predicates(client: openai.OpenAI) -> None:
    questions = [
        {"type": "choice", "instructions": "Spam?", "choices": choices(True, False)},
        {"type": "choice", "instructions": "Spam?", "choices": choices("true", "false")},
        {"type": "predicate", "instructions": "It is spam", "name": "spam"},
    ]
    typed, texts, predicate = client.decisions.create(model="spam", input="text of true", questions=questions).answers
    assert typed.type == texts.type == "choice"
    assert predicate.type == "predicate"
    assert typed.choice is True
    assert texts.choice == "true"
    assert predicate.probability == typed.confidence == texts.confidence


def test_a_predicate_of_three_labels_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="has 3: ask a choice question"):
        client.decisions.create(
            model="mail", input="a refund", questions=[{"type": "predicate", "instructions": "It is angry"}]
        )


def test_system_one_speaks_in_maps(served: Served) -> None:
    criteria = {"billing": "about money", "delivery": None}
    body = {
        "model": "mail",
        "state": "a refund",
        "questions": {"topic": {"type": "choice", "instructions": "?", "criteria": criteria}},
    }
    reply = httpx.post(f"{served.address}/v1/systemone", json=body, headers=served.headers).json()
    answer = reply["answers"]["topic"]
    assert answer["type"] == "choice"
    assert answer["choice"] == "billing"
    assert set(answer["probabilities"]) == set(criteria)
    assert set(reply["usage"]) == {"input_tokens", "output_tokens"}


def test_chat_answers_with_what_the_model_was_made_for(client: openai.OpenAI) -> None:
    def ask(model: str, text: str) -> str:
        messages = [{"role": "system", "content": "You are terse."}, {"role": "user", "content": text}]
        reply = client.chat.completions.create(model=model, messages=messages)
        assert reply.choices[0].finish_reason == "stop"
        assert reply.usage is not None
        return str(reply.choices[0].message.content)

    assert ask("mail", "where is my parcel") == "delivery"
    assert json.loads(ask("person", "Ann lives in Ulm")) == json.loads(OBJECT)
    assert ask("tale", "tell me") == "once upon a time"


def test_a_stream_ends_once_and_tells_its_usage(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "where is my parcel"}]}]
    stream = client.chat.completions.create(
        model="mail",
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "delivery"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices] == [None, None, "stop"]
    assert [chunk.usage is not None for chunk in chunks] == [False, False, False, True]
    assert len({chunk.id for chunk in chunks}) == 1


def test_log_probabilities_are_those_of_the_labels(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="mail", messages=[{"role": "user", "content": "a refund"}], logprobs=True, top_logprobs=3
    )
    assert reply.choices[0].logprobs is not None
    (token,) = reply.choices[0].logprobs.content or []
    assert token.token == "billing"
    assert math.fsum(math.exp(one.logprob) for one in token.top_logprobs) == pytest.approx(1)


def test_a08_an_unknown_model_is_never_another(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="mail, person, spam, tale") as caught:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "a"}])
    assert caught.value.code == "model_not_found"


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert sorted(model.id for model in client.models.list()) == ["mail", "person", "spam", "tale"]
    assert client.models.retrieve("mail").owned_by == "ockham"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": KEY}])
def test_h09_without_the_key_nothing_is_told(served: Served, headers: dict[str, str]) -> None:
    for path in ("/v1/models", "/v1/decisions", "/nothing"):
        reply = httpx.get(f"{served.address}{path}", headers=headers)
        assert reply.status_code == 401
        assert reply.json()["error"]["code"] == "invalid_api_key"
    assert httpx.get(f"{served.address}/live").status_code == 200
    assert httpx.get(f"{served.address}/ready").json() == {"status": "ready"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no second address of this machine")
def test_h09_guesses_from_one_address_are_soon_not_compared(served: Served) -> None:
    models = f"{served.address}/v1/models"
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.9")) as guesser:
        guesses = [
            guesser.get(models, headers={"authorization": f"Bearer guess-{number}"}) for number in range(MOST + 2)
        ]
        assert [reply.status_code for reply in guesses] == [401] * MOST + [429] * 2
        assert guesses[-1].json()["error"]["code"] == "too_many_wrong_keys"
        assert 0 < int(guesses[-1].headers["retry-after"]) <= 60
        assert guesser.get(models, headers=served.headers).status_code == 429
    assert httpx.get(models, headers=served.headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.com"}, 403),
        ({"host": "localhost.evil.com"}, 403),
        ({"host": "127.0.0.1.evil.com:80"}, 403),
        ({"host": "localhost"}, 200),
        ({"host": "LOCALHOST:1"}, 200),
        ({"origin": "null"}, 403),
        ({"origin": "file://"}, 403),
        ({"origin": "https://evil.com"}, 403),
        ({"origin": "http://localhost:3000"}, 200),
    ],
)
def test_h10_other_hosts_and_origins_are_refused(served: Served, headers: dict[str, str], status: int) -> None:
    reply = httpx.get(f"{served.address}/live", headers=headers)
    assert reply.status_code == status
    assert "access-control-allow-origin" not in reply.headers
