"""The OpenAPI document of a server, and what schemathesis finds by it: right and wrong bodies at every route."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.served import KEY, Served, fake_bundle, linear_bundle, serve

HERE = Path(__file__).parent
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400"]  # which 400 are right is for api_checks to say
"""


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


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)  # with 1,000 examples
def test_schemathesis_finds_nothing(served: Served, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(SETTINGS)
    examples = request.config.getoption("examples")
    command = [str(Path(sys.executable).parent / "st"), "--config-file", str(settings), "run"]
    command += [f"{served.address}/openapi.json", "--header", f"Authorization: Bearer {KEY}"]
    command += ["--phases", "examples,coverage,fuzzing", "--mode", "all", "--max-examples", str(examples)]
    command += ["--checks", "all", "--workers", "1", "--seed", "20", "--generation-database", "none"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "api_checks", "PYTHONPATH": str(HERE), "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    operations = len(document(served)["paths"])
    assert re.search(rf"Tested: *{operations}\b", done.stdout), done.stdout[-3000:]
