"""The clients of Ollama and of TypeSafe against a running server. Run by `scripts/conformance`."""

from __future__ import annotations

import os

import ollama
import pytest
from typesafe_sdk import Choice, TypeSafeClient

ADDRESS, KEY = os.environ["OCKHAM_TEST_SERVER"], os.environ["OCKHAM_API_KEY"]
MAIL = [{"role": "user", "content": "a refund"}]


@pytest.fixture
def client() -> ollama.Client:
    return ollama.Client(host=ADDRESS, headers={"authorization": f"Bearer {KEY}"})


def test_chat_and_generate(client: ollama.Client) -> None:
    reply = client.chat("mail", messages=MAIL)
    assert (reply.message.content, reply.done, reply.done_reason) == ("billing", True, "stop")
    parts = list(client.generate("tale", prompt="text 1", stream=True, options={"num_predict": 30}))
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].done_reason, parts[-1].eval_count) == ("length", 30)


def test_formats_and_tools(client: ollama.Client) -> None:
    schema = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    assert client.chat("mail", messages=MAIL, format=schema).message.content == '{"topic":"billing"}'

    def route(topic: str) -> str:
        """Route a mail.

        Args:
            topic: what it is about
        """
        return topic

    (call,) = client.chat("mail", messages=MAIL, tools=[route]).message.tool_calls or ()
    assert (call.function.name, call.function.arguments) == ("route", {"topic": "billing"})


def test_models_and_vectors(client: ollama.Client) -> None:
    assert {"mail:latest", "tale:latest"} <= {model.model for model in client.list().models}
    assert client.chat("mail:latest", messages=MAIL).message.content == "billing"
    assert "mail:latest" in {model.model for model in client.ps().models}
    assert client.show("encoder").capabilities == ["completion", "embedding"]
    vectors = client.embed("encoder", input=["one", "two"]).embeddings
    assert [len(vector) for vector in vectors] == [len(client.embeddings("encoder", prompt="one").embedding)] * 2


def test_an_unknown_model_is_an_error_in_words(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="is not served here") as caught:
        client.chat("gone", messages=MAIL)
    assert caught.value.status_code == 404


def test_system_one() -> None:
    question = Choice(instructions="Which topic?", criteria={"billing": None, "delivery": None})
    with TypeSafeClient(api_key=KEY, base_url=ADDRESS) as client:
        reply = client.system_one(model="mail", state="a refund", questions={"topic": question})
    assert reply.choices["topic"].choice == "billing"
