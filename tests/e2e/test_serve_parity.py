"""What a server answers is what its bundle answers: the gate, for every kind of model."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from tests import tiny_encoder, tiny_gguf
from tests.contract.test_models import PLUGS, Fit, by_hash, examples, fit_encoder
from tests.integration.tuning.test_encoder_tuning import SPEC, Kept, quiet
from tests.jail import environment, needs_all
from tests.served import KEY, Served, seal, serve
from tests.stub_api import serving

from ockham.bundles.loaded_model import load
from ockham.bundles.server_eval import evaluate_server
from ockham.cli import run
from ockham.convert import onnx_export
from ockham.models import blend, causal_lm, encoder, endpoint, model_files, sentence_encoder
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.records import Example
from ockham.store.ledger_file import read_ledger
from ockham.tuning import encoder_tuning, linear_head

ROWS = examples(40)
EXTRACTORS = {"field-blend", "linear-tagger", "pattern", "tagger"}


def fit_head(sentence: SentenceEncoder, rows: Sequence[Example], folder: Path) -> None:
    """Write an encoder in 8 bits, and a head on its vectors."""
    inputs = [row.input for row in rows]
    embedder = onnx_export.write(sentence, sentence.weights(), inputs, folder)
    linear_head.solve(embedder.embed(inputs), [row.target for row in rows], 10.0).save(folder)


def fit_static(rows: Sequence[Example], folder: Path) -> None:
    """Take a table of vectors as the encoder."""
    made = tiny_encoder.write_static(folder.with_name(f"{folder.name}-mine"), "model2vec")
    fit_head(sentence_encoder.find(str(made)), rows, folder)


def fit_tuned(rows: Sequence[Example], folder: Path) -> None:
    """Tune a small encoder, whose words are none of the rows': its vectors and its head change all the same."""
    sentence = sentence_encoder.find(str(tiny_encoder.write(folder.with_name(f"{folder.name}-mine"), "bert")))
    fit_head(sentence, rows, folder)
    frozen, targets = encoder.load(folder), [row.target for row in rows]
    read = encoder_tuning.EncoderRows(tokens=frozen.embedder.tokens([row.input for row in rows]), targets=targets)
    data = encoder_tuning.EncoderTrainingData(sentence=sentence, head=frozen.head, train=read, valid=read)
    passes = iter(range(100))
    tuned = encoder_tuning.tune(data, SPEC, lambda _targets, _answers: float(next(passes)), Kept(), quiet)
    onnx_export.write(sentence, tuned.weights, [row.input for row in rows], folder)
    tuned.head.save(folder)


def fit_two_encoders(rows: Sequence[Example], folder: Path) -> None:
    """Blend two encoders, the one trusted more than the other."""
    members = (blend.BlendMember(kind="encoder", weight=2.0), blend.BlendMember(kind="encoder", weight=0.5))
    for index, fit in enumerate((fit_encoder, fit_static)):
        part = blend.member_folder(folder, index, "encoder")
        part.mkdir(parents=True)
        fit(rows, part)
    labels = tuple(sorted({row.target for row in rows}))
    model_files.write(blend.BlendSettings(labels=labels, members=members), folder / blend.FILE)


def fit_with_adapter(rows: Sequence[Example], folder: Path) -> None:
    """Keep an adapter apart from its base."""
    weights = tiny_gguf.write(folder.with_name(f"{folder.name}.gguf"))
    adapter = tiny_gguf.write_adapter(folder.with_name(f"{folder.name}-adapter.gguf"), 3)
    base = causal_lm.Base(weights=weights, adapter=adapter)
    causal_lm.fit(rows, folder, base, causal_lm.GgufSpec(threads=1, context=1024, slots=2))


BUNDLES: Mapping[str, tuple[str, Fit]] = {
    **{kind: (kind, fit) for kind, fit in PLUGS.items()},
    "static": ("encoder", fit_static),
    "encoder-tuned": ("encoder", fit_tuned),
    "two-encoders": ("blend", fit_two_encoders),
    "with-adapter": ("gguf", fit_with_adapter),
}
"""What each bundle is called, its kind, and how it is fitted; it shares its process where another has its base."""


def rows_of(kind: str) -> tuple[Example, ...]:
    if kind not in EXTRACTORS:
        return ROWS
    return tuple(
        Example(id=row.id, input=row.input, target=json.dumps({"code": row.input.split()[-1]})) for row in ROWS
    )


def write_bundle(name: str, kind: str, fit: Fit, parent: Path) -> Path:
    """Fit a bundle of a kind, and seal it."""
    folder = parent / name
    folder.mkdir(parents=True)
    fit(ROWS, folder)
    if kind in EXTRACTORS:
        return seal(folder, kind, (), task="extract")
    return seal(folder, kind, sorted({row.target for row in ROWS}))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write a bundle of every kind."""
    parent = tmp_path_factory.mktemp("bundles")
    return {name: write_bundle(name, kind, fit, parent / name) for name, (kind, fit) in BUNDLES.items()}


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
@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_a_server_answers_as_its_bundle_does(
    name: str, folders: dict[str, Path], served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers and confidences are equal to the last bit; an extracted one's confidence is the exponential of a
    logarithm, and its head's product differs in the last digits beside others."""
    monkeypatch.setenv("OCKHAM_API_KEY", KEY)
    source = table(tmp_path / "rows.csv", rows_of(BUNDLES[name][0]))
    report = evaluate_server(served.address, str(source), model=name)
    with load(folders[name]) as model:
        answers = model.predict(texts())
    assert len(report.scores) == len(answers)
    for score, expected in zip(report.scores, answers, strict=True):
        assert score.answer == expected.value
        if name in EXTRACTORS:
            assert score.confidence == pytest.approx(expected.confidence, rel=1e-6)
        else:
            assert score.confidence == expected.confidence
    assert report.candidate.name == name
    assert report.profile is None


def texts() -> list[str]:
    """Return the texts of the rows, each once, in order."""
    return list({row.input: None for row in ROWS})


def test_a_server_of_an_endpoint_answers_as_the_endpoint_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCKHAM_API_KEY", KEY)
    with serving(by_hash) as api:
        spec = endpoint.EndpointSpec(url=api.url, model="stub", key_env=None)
        folder = write_bundle("rival", "endpoint", lambda rows, folder: endpoint.fit(rows, folder, spec), tmp_path)
        model = endpoint.load(folder)
        answers = model.answer(texts())
        model.close()
        with serve(folder, "--endpoint", api.url) as served:
            report = evaluate_server(served.address, str(table(tmp_path / "rows.csv", ROWS)), model="rival")
    assert {answer.value for answer in answers} > {None}, "some answers are no label"
    assert [score.answer for score in report.scores] == [answer.value for answer in answers]
    assert [score.confidence for score in report.scores] == [answer.confidence for answer in answers]


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
