"""A server is measured as the endpoint rung measures any decision API: its probabilities count as confidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.served import KEY, MAILS, Served, examples, linear_bundle, serve

import ockham
from ockham.api.client import EndpointSpec
from ockham.api.consent import Destination
from ockham.bundles.loaded_model import load
from ockham.cli import settings
from ockham.errors import ConfigError, EndpointError
from ockham.ladder.run_folder import load_result
from ockham.models import endpoint
from ockham.server.serve_spec import ServeSpec

VARIABLE = "OCKHAM_API_KEY"
TEXTS = ["the parcel was charged twice", "an error of the pump", "a refund", "where is the courier"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return linear_bundle(tmp_path_factory.mktemp("bundles") / "mail")


@pytest.fixture(scope="module")
def served(bundle: Path) -> Iterator[Served]:
    with serve(bundle) as server:
        yield server


def spec_of(served: Served) -> EndpointSpec:
    return EndpointSpec(url=f"{served.address}/v1/decisions", model="mail", key_env=VARIABLE)


def test_the_answers_and_their_confidence_are_those_of_the_bundle(served: Served, bundle: Path, tmp_path: Path) -> None:
    endpoint.fit(examples(), tmp_path, spec_of(served))
    model = endpoint.load(tmp_path, environment={VARIABLE: KEY})
    answers = model.answer(TEXTS)
    model.close()
    with load(bundle) as own:
        expected = own.predict(TEXTS)
    assert [(one.value, one.confidence) for one in answers] == [(one.value, one.confidence) for one in expected]
    assert all(one.tokens_in for one in answers)


@pytest.mark.slow
def test_a_fit_measures_it_with_its_confidence(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    rows = [f"{label},{text} {number}" for number in range(20) for label, texts in MAILS.items() for text in texts]
    data = tmp_path / "rows.csv"
    data.write_text("\n".join(["label,text", *rows]))
    spec = ockham.FitSpec(inputs=("text",), target="label", rungs=("constant", "endpoint"), endpoint=spec_of(served))
    run = ockham.fit(data, spec, out=tmp_path / "run").run
    (report,) = (one for one in load_result(Path(run)).reports if one.candidate.kind == "endpoint")
    assert {score.answer for score in report.scores} <= set(MAILS)
    assert all(score.confidence is not None and 0 < score.confidence < 1 for score in report.scores)


def test_the_flag_names_the_api() -> None:
    flags: dict[str, object] = {"endpoint": "https://h/v1", "endpoint_model": "m", "endpoint_api": "decisions"}
    (spec,) = settings.endpoints(flags)
    assert spec.url == "https://h/v1/decisions"
    values: dict[str, object] = {"endpoint": {"url": "https://h/v1", "api": "decisions"}}
    assert settings.destination(values) == Destination(url="https://h/v1/decisions")
    with pytest.raises(ConfigError, match="neither chat nor decisions"):
        settings.endpoints({**flags, "endpoint_api": "both"})
    assert settings.spec(ServeSpec, {}) == ServeSpec()


def test_only_labels_can_be_asked_for(served: Served, tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="labels alone"):
        endpoint.fit(examples(), tmp_path, spec_of(served), task="generate")
    with pytest.raises(EndpointError, match="2 to 255 labels"):
        endpoint.fit(examples(("billing",)), tmp_path, spec_of(served))
