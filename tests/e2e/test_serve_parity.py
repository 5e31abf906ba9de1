"""What a server answers is what its bundle answers: the gate, for every kind of model."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.test_models import PLUGS, examples
from tests.jail import environment, needs_all
from tests.served import KEY, Served, seal, serve

from ockham.bundles.loaded_model import load
from ockham.bundles.server_eval import evaluate_server
from ockham.cli import run
from ockham.records import Example
from ockham.store.ledger_file import read_ledger

ROWS = examples(40)
EXTRACTORS = {"field-blend", "linear-tagger", "pattern", "tagger"}


def rows_of(kind: str) -> tuple[Example, ...]:
    if kind not in EXTRACTORS:
        return ROWS
    return tuple(
        Example(id=row.id, input=row.input, target=json.dumps({"code": row.input.split()[-1]})) for row in ROWS
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a bundle of every kind."""
    folders = {}
    labels = sorted({row.target for row in ROWS})
    for kind, fit in PLUGS.items():
        folders[kind] = tmp_path_factory.mktemp("bundles") / kind
        folders[kind].mkdir()
        fit(ROWS, folders[kind])
        seal(
            folders[kind],
            kind,
            () if kind in EXTRACTORS else labels,
            task="extract" if kind in EXTRACTORS else "classify",
        )
    return folders


@pytest.fixture(scope="module")
def served(folders: dict[str, Path]) -> Iterator[Served]:
    with serve(*folders.values()) as server:
        yield server


def table(path: Path, rows: tuple[Example, ...]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("text", "label"), *((row.input, row.target) for row in rows)])
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(PLUGS))
def test_a_server_answers_as_its_bundle_does(
    kind: str, folders: dict[str, Path], served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers and confidences are equal to the last bit; an extracted one's confidence is the exponential of a
    logarithm, and its head's product differs in the last digits beside others."""
    monkeypatch.setenv("OCKHAM_API_KEY", KEY)
    source = table(tmp_path / "rows.csv", rows_of(kind))
    report = evaluate_server(served.address, str(source), model=kind)
    inputs = {row.input: None for row in ROWS}
    with load(folders[kind]) as model:
        answers = model.predict(list(inputs))
    by_text = dict(zip(inputs, answers, strict=True))
    texts = {str(number): row.input for number, row in enumerate(ROWS, 1)}
    assert len(report.scores) == len(inputs)
    for score in report.scores:
        expected = by_text[texts[score.example]]
        assert score.answer == expected.value
        if kind in EXTRACTORS:
            assert score.confidence == pytest.approx(expected.confidence, rel=1e-6)
        else:
            assert score.confidence == expected.confidence
    assert report.candidate.name == kind
    assert report.profile is None


def test_the_command_measures_a_server(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER_KEY", KEY)
    source = str(table(tmp_path / "rows.csv", ROWS))
    words = ["--server", served.address, "--server-key-env", "SERVER_KEY", "--model", "fake", "--json"]
    assert run(["eval", source, *words]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["metrics"]["accuracy"]["value"] == 1.0


@needs_all
def test_e9_a_server_is_measured_by_a_sealed_command(served: Served, tmp_path: Path) -> None:
    """Another process asks it, with its key, lists each request before it is sent, and asks no other address."""
    source = str(table(tmp_path / "rows.csv", ROWS))
    words = ["eval", source, "--server", served.address, "--model", "fake", "--json", "-q"]
    variables = environment(XDG_STATE_HOME=str(tmp_path / "state"), OCKHAM_API_KEY=KEY)
    command = [sys.executable, "-m", "ockham", *words]
    done = subprocess.run(command, cwd=tmp_path, env=variables, check=False, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["accuracy"]["value"] == 1.0
    (ledger,) = (tmp_path / "state").rglob("*.jsonl")
    requests = [row for row in read_ledger(ledger) if row.event == "request"]
    place = served.address.removeprefix("http://")
    assert {(row.method, row.path) for row in requests} == {("GET", "/v1/models"), ("POST", "/v1/decisions")}
    assert all(row.allowed for row in requests)
    asked = len({row.input for row in ROWS})
    assert len(requests) == asked + 1
    assert f"at most {asked} rows go to {place}, with the key from OCKHAM_API_KEY" in done.stderr
    assert f"endpoint: {len(requests)} requests went to {place}; they are listed in {ledger}" in done.stderr
    assert KEY not in ledger.read_text() + done.stderr
