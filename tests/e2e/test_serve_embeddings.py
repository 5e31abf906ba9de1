"""Vectors of an encoder's bundle, as the official client of the OpenAI API asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openai
import pytest
from tests.contract.test_models import examples, fit_encoder
from tests.served import KEY, Served, linear_bundle, seal, serve

from ockham.models import encoder

TEXTS = ["where is my parcel", "a refund", "błąd 不具合", "a refund"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rows = tmp_path_factory.mktemp("bundles") / "encoder", examples(12)
    folder.mkdir()
    fit_encoder(rows, folder)
    return seal(folder, "encoder", sorted({row.target for row in rows}))


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    with serve(folder, linear_bundle(folder.with_name("mail"))) as server:
        yield server


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.address}/v1", api_key=KEY, max_retries=0) as one:
        yield one


def test_the_vectors_are_the_encoders_own_in_the_order_of_the_texts(client: openai.OpenAI, folder: Path) -> None:
    """The client asks for base64, whose numbers have 32 bits, unless it is told otherwise."""
    packed = client.embeddings.create(model="encoder", input=TEXTS)
    plain = client.embeddings.create(model="encoder", input=TEXTS, encoding_format="float")
    own = encoder.load(folder).embedder.embed(TEXTS)
    for reply in (packed, plain):
        vectors = np.array([one.embedding for one in reply.data])
        assert [one.index for one in reply.data] == [0, 1, 2, 3]
        assert vectors == pytest.approx(own / np.linalg.norm(own, axis=1, keepdims=True), abs=1e-5)
    assert packed.model == "encoder"
    assert packed.usage.prompt_tokens == packed.usage.total_tokens > len(TEXTS)
    assert packed.data[1].embedding == packed.data[3].embedding


def test_one_text_and_many_clients(served: Served, client: openai.OpenAI) -> None:
    (alone,) = client.embeddings.create(model="encoder", input=TEXTS[0], dimensions=32).data

    async def ask_all() -> list[list[float]]:
        async with openai.AsyncOpenAI(base_url=f"{served.address}/v1", api_key=KEY, max_retries=0) as one:
            replies = [one.embeddings.create(model="encoder", input=TEXTS[0]) for _ in range(8)]
            return [reply.data[0].embedding for reply in await asyncio.gather(*replies)]

    for vector in asyncio.run(ask_all()):
        assert vector == pytest.approx(alone.embedding, abs=1e-6)


@pytest.mark.parametrize(
    ("request_body", "words"),
    [
        ({"model": "encoder", "input": TEXTS, "dimensions": 8}, "dimensions"),
        ({"model": "encoder", "input": []}, "input"),
        ({"model": "encoder", "input": [[1, 2, 3]]}, "input"),
        ({"model": "mail", "input": TEXTS}, "vectors"),
    ],
)
def test_what_cannot_be_is_an_error_in_words(
    client: openai.OpenAI, request_body: dict[str, object], words: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        client.embeddings.create(**request_body)


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="gone", input=TEXTS)
