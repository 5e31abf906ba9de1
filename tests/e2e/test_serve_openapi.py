"""The OpenAPI document of a server, with the models and labels that it serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.served import Served, fake_bundle, linear_bundle, serve


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("bundles")
    bundles = (linear_bundle(folder / "mail"), fake_bundle(folder / "tale", {"tell me": "once"}))
    with serve(*bundles) as server:
        yield server


def document(served: Served) -> dict[str, Any]:
    reply = httpx.get(f"{served.address}/openapi.json", headers=served.headers)
    assert reply.status_code == 200
    value: dict[str, Any] = reply.json()
    return value


def test_the_document_says_which_models_and_labels_there_are(served: Served) -> None:
    schemas = document(served)["components"]["schemas"]
    assert schemas["DecisionRequest"]["properties"]["model"]["enum"] == ["mail"]
    assert schemas["ChatRequest"]["properties"]["model"]["enum"] == ["mail", "tale"]
    assert schemas["ChoiceOption"]["properties"]["value"]["enum"] == ["billing", "defect", "delivery"]
    assert "PredicateQuestion" not in schemas  # no model has two labels
    assert httpx.get(f"{served.address}/openapi.json").status_code == 401
