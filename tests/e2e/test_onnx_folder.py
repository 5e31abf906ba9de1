"""A small model taken out of its bundle: its program needs nothing of ockham, and answers as the bundle does."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_models import UNICODE, examples, fit_encoder, fit_linear, fit_tagger
from tests.integration.serving.test_process import bundle

from ockham import store
from ockham.bundles import onnx_folder
from ockham.bundles.export import export
from ockham.data.shared_text import Passage, SharedText
from ockham.errors import ConfigError, ModelError
from ockham.models import backend
from ockham.records import Example

BARRED = ("ockham", "torch", "transformers", "sklearn", "scipy", "onnx", "pandas", "pyarrow", "pydantic")
ASK = """
import json, os, sys
sys.path.insert(0, os.getcwd())
class Bar:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BARRED:
            raise ImportError(f"{name} is barred")
sys.meta_path.insert(0, Bar())
os.environ.pop("ORT_DISABLE_TELEMETRY", None)
import predict
assert not SILENCED or os.environ["ORT_DISABLE_TELEMETRY"] == "1"
model = predict.load()
answers = [model.answer(text) for text in json.load(sys.stdin)]
assert not [name for name in sys.modules if name.partition(".")[0] in BARRED]
print(json.dumps(answers))
"""
PASSAGE = "Please answer the question of our customer below"
TEXTS = (
    *[row.input for row in examples()],
    *UNICODE,
    "invoice " * 300 + "parcel",
    f"{PASSAGE}: where is my parcel",
    "a",
    "!?",
    "two\nlines of  a text\twith tabs",
)


def ask(folder: Path, texts: Sequence[str], needs: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Ask the program of a folder in a process of its own, which finds the packages barred that it must not need."""
    barred = tuple(name for name in BARRED if name not in needs)
    script = f"BARRED = {barred!r}\nSILENCED = {not needs!r}\n{ASK}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def sealed(fit: Callable[[Sequence[Example], Path], None], kind: str, folder: Path, shared: SharedText) -> Path:
    folder.mkdir()
    rows = examples()
    fit(rows, folder)
    backend.save_shared_text(shared, folder)
    bundle(folder, kind, sorted({row.target for row in rows}) if kind != "tagger" else ())
    if kind == "tagger":
        manifest = dataclasses.replace(store.read_bundle(folder), task="extract", files={})
        (folder / "bundle.json").unlink()
        store.seal_bundle(folder, manifest)
    return folder


@pytest.mark.parametrize(
    ("kind", "fit", "shared"),
    [
        ("linear", fit_linear, SharedText()),
        ("linear", fit_linear, SharedText(passages=(Passage(tokens=tuple(PASSAGE.split()), share=0.5),))),
        ("encoder", fit_encoder, SharedText()),
        ("encoder", fit_encoder, SharedText(passages=(Passage(tokens=tuple(PASSAGE.split()), share=1.0),))),
        ("tagger", fit_tagger, SharedText()),
    ],
)
def test_its_program_answers_as_the_bundle_does(
    kind: str, fit: Callable[[Sequence[Example], Path], None], shared: SharedText, tmp_path: Path
) -> None:
    folder = sealed(fit, kind, tmp_path / "bundle", shared)
    files = export(folder, "onnx", tmp_path / "out")
    assert {"README.md", "model.onnx", "predict.py", "test.json"} <= {path.name for path in files}
    expected = backend.load_model(kind, folder).answer(TEXTS)
    answers = ask(tmp_path / "out", TEXTS)
    values = [json.loads(answer.value or "") if kind == "tagger" else answer.value for answer in expected]
    assert [answer["answer"] for answer in answers] == values
    assert [answer["confidence"] for answer in answers] == pytest.approx(
        [answer.confidence for answer in expected], abs=1e-5, rel=0
    )
    assert len({answer["confidence"] for answer in answers}) > 10


@pytest.mark.parametrize("labels", [("billing", "delivery", "zgłoszenie"), ("billing", "delivery")])
def test_a_scikit_learn_pipeline_has_the_probabilities_of_the_bundle(labels: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("skops")
    folder = tmp_path / "bundle"
    folder.mkdir()
    fit_linear([row for row in examples() if row.target in labels], folder)
    bundle(folder, "linear", labels)
    export(folder, "sklearn", tmp_path / "out")
    expected = backend.load_model("linear", folder).answer(TEXTS)
    answers = ask(tmp_path / "out", TEXTS, needs=("sklearn", "scipy", "pandas"))
    assert [answer["answer"] for answer in answers] == [answer.value for answer in expected]
    assert [answer["confidence"] for answer in answers] == pytest.approx(
        [answer.confidence for answer in expected], abs=1e-5, rel=0
    )
    # Labels and terms are data: nothing in the file needs more trust than skops itself gives.
    from skops import io

    assert io.get_untrusted_types(file=tmp_path / "out" / "model.skops") == []


def test_the_program_reads_arguments_and_lines(tmp_path: Path) -> None:
    folder = sealed(fit_linear, "linear", tmp_path / "bundle", SharedText())
    export(folder, "onnx", tmp_path / "out")
    expected = [answer.value for answer in backend.load_model("linear", folder).answer(["my invoice", "my parcel"])]
    program = [sys.executable, str(tmp_path / "out" / "predict.py")]
    by_argument = subprocess.run([*program, "my invoice", "my parcel"], capture_output=True, check=True, text=True)
    by_line = subprocess.run(program, input="my invoice\nmy parcel\n", capture_output=True, check=True, text=True)
    for done in (by_argument, by_line):
        assert [json.loads(line)["answer"] for line in done.stdout.splitlines()] == expected


def test_the_card_says_what_it_is_and_that_it_was_not_measured(tmp_path: Path) -> None:
    folder = sealed(fit_linear, "linear", tmp_path / "bundle", SharedText())
    export(folder, "onnx", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith(
        '---\npipeline_tag: "text-classification"\ntags: ["ockham"]\n---\n\n# linear, exported as ONNX\n'
    )
    assert "`billing`, `delivery`, `zgłoszenie`" in card
    assert "0" * 64 in card
    assert "was exported without the run that measured it" in card
    assert "is yours" in card


def test_a_program_that_answers_otherwise_is_not_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = sealed(fit_linear, "linear", tmp_path / "bundle", SharedText())
    original = onnx_folder.write_labels

    def swap(source: Any, labels: tuple[str, ...], out: Path) -> None:
        original(source, (*labels[1:], labels[0]), out)

    monkeypatch.setattr(onnx_folder, "write_labels", swap)
    with pytest.raises(ModelError, match="does not answer its test row"):
        export(folder, "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bundle_without_that_form_names_those_it_has(tmp_path: Path) -> None:
    folder = sealed(fit_linear, "linear", tmp_path / "bundle", SharedText())
    with pytest.raises(ConfigError, match="holds linear, which cannot be exported to gguf") as caught:
        export(folder, "gguf", tmp_path / "out")
    assert "--to onnx" in caught.value.fix
