"""The doctor: what it finds decides which rungs can run, and each reason says what to do."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path

import pytest

from ockham import catalog, diagnosis
from ockham.cli.doctor_command import diagnosis_lines
from ockham.diagnosis import Diagnosis, diagnose
from ockham.errors import ModelError
from ockham.models import sentence_encoder
from ockham.models.sentence_encoder import PACKAGE
from ockham.planning.gpus import Gpu
from ockham.records import plain
from ockham.rung_table import RUNGS
from ockham.rungs import encoder_rungs
from ockham.rungs.registry import KNOWN
from ockham.rungs.rung import BuildConfig
from ockham.tuning.tune_spec import TuneSpec

TODAY = dt.date(2030, 1, 1)
CLASSIC = {"numpy", "scipy", "sklearn"}
EVERYTHING = {PACKAGE, *(package for rung in KNOWN for package in rung.packages)}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the encoder's package, whose weights count as the published ones."""
    weights = tmp_path / "package" / "model" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    monkeypatch.setattr(diagnosis, "PACKAGE_SHA256", hashlib.sha256(b"weights").hexdigest())
    return tmp_path / "package"


def machine(root: Path, memory_gb: float) -> Path:
    (root / "proc").mkdir(parents=True)
    kilobytes = int(memory_gb * 1e9 / 1024)
    (root / "proc/meminfo").write_text(f"MemTotal: {kilobytes} kB\nMemAvailable: {kilobytes // 2} kB\n")
    return root


def look(tmp_path: Path, package: Path, here: set[str], memory_gb: float = 16) -> Diagnosis:
    root = machine(tmp_path / "root", memory_gb)
    return diagnose(tmp_path, today=TODAY, root=root, find=lambda name: package if name in here else None)


def states(found: Diagnosis) -> dict[str, tuple[bool, str | None]]:
    return {rung.name: (rung.can_run, rung.install) for rung in found.rungs}


def test_with_everything_here_every_rung_can_run(tmp_path: Path, package: Path) -> None:
    found = look(tmp_path, package, EVERYTHING)
    assert [rung.name for rung in found.rungs] == list(RUNGS)
    assert all(rung.can_run for rung in found.rungs)
    assert found.encoder.state == "right"
    assert (found.memory_free_gb, found.ockham) == (8.0, "0.1.0")


def test_the_base_install_runs_the_classic_rungs_and_says_what_is_missing(tmp_path: Path, package: Path) -> None:
    found = look(tmp_path, package, CLASSIC)
    assert states(found) == {
        "constant": (True, None),
        "lookup": (True, None),
        "pattern": (True, None),
        "linear": (True, None),
        "linear-tagger": (True, None),
        "encoder": (False, "pip install 'ockham-slm[encoder]'"),
        "linear+encoder": (False, "pip install 'ockham-slm[encoder]'"),
        "encoder-tuned": (False, "pip install 'ockham-slm[tune]'"),
        "encoder-tagger": (False, "pip install 'ockham-slm[tune]'"),
        "field-blend": (True, None),
        "yours": (False, "pip install 'ockham-slm[encoder]'"),
        "decoder": (False, "pip install 'ockham-slm[gguf]'"),
        "decoder-tuned": (False, "pip install 'ockham-slm[convert,tune]'"),
        "endpoint": (True, None),
    }
    assert found.rungs[5].because == "not installed: onnx, onnxruntime, tokenizers"


def test_an_encoder_without_weights_is_pulled(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(tmp_path, package, EVERYTHING - {PACKAGE})
    assert states(found)["encoder"] == (False, "ockham models pull all-MiniLM-L6-v2")
    assert found.rungs[5].because == sentence_encoder.ABSENT
    monkeypatch.setattr(sentence_encoder, "pulled_folder", lambda _cache, _name: package / "model")
    assert states(look(tmp_path / "pulled", package, EVERYTHING - {PACKAGE}))["encoder"] == (True, None)


def test_an_encoder_that_is_absent_is_told_alike_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_encoder, "packaged_folder", lambda: None)
    monkeypatch.setattr(encoder_rungs, "missing_packages", lambda _packages, _extra: None)
    with pytest.raises(ModelError) as caught:
        sentence_encoder.find(None)
    assert (caught.value.message, caught.value.fix) == (sentence_encoder.ABSENT, sentence_encoder.PULL_COMMAND)
    config = BuildConfig(task="classify", metric="accuracy", seed=0, encoder=None, tune=TuneSpec(), endpoint=None)
    told = encoder_rungs.no_weights_reason(config)
    assert told == f"{sentence_encoder.ABSENT} ({sentence_encoder.PULL_COMMAND})"


def test_models_of_ones_own_are_named_by_what_can_run_them(tmp_path: Path, package: Path) -> None:
    yours = next(rung for rung in look(tmp_path, package, {"torch", "transformers"}).rungs if rung.name == "yours")
    assert yours.can_run
    assert yours.because == "used when you name a classifier of your own (transformers): --models FOLDER"


def test_weights_that_are_not_the_published_ones_are_told(tmp_path: Path, package: Path) -> None:
    (package / "model/model.safetensors").write_bytes(b"other weights")
    found = look(tmp_path, package, EVERYTHING)
    assert found.encoder.state == "wrong"
    assert states(found)["encoder"][0] is False
    assert "SHA-256 differs" in found.rungs[5].because


def test_a_package_without_weights_is_told(tmp_path: Path, package: Path) -> None:
    (package / "model/model.safetensors").unlink()
    found = look(tmp_path, package, EVERYTHING)
    assert found.encoder == diagnosis.EncoderAvailability(state="missing", path=None, sha256=None)
    assert found.rungs[5].because == "the encoder's package is installed without its weights"


def test_old_prices_are_told(tmp_path: Path, package: Path) -> None:
    found = look(tmp_path, package, EVERYTHING)
    assert found.prices_date == catalog.prices().date.isoformat()
    assert any("more than 90 days old" in note for note in found.notes)


def test_it_is_written_for_a_person_and_as_json(tmp_path: Path, package: Path) -> None:
    found = look(tmp_path, package, CLASSIC)
    text = diagnosis_lines(found, 100)
    assert "For encoder: pip install 'ockham-slm[encoder]'" in text
    sends = (
        "Commands send nothing unless you name an API, a server to measure or a model on the hub, or use a Ray cluster."
    )
    assert sends in " ".join(" ".join(text).split())
    assert max(map(len, text)) <= 120
    assert json.loads(json.dumps(plain(found)))["rungs"][0] == {
        "name": "constant",
        "can_run": True,
        "because": "no further packages needed",
        "install": None,
    }


def test_finding_a_package_imports_nothing() -> None:
    assert sentence_encoder.find_package("no_such_package_here") is None
    place = sentence_encoder.find_package("json")
    assert place is not None
    assert place.name == "json"


def test_graphics_processors_are_named_with_what_they_are_used_for(tmp_path: Path) -> None:
    none = diagnose(tmp_path, find=lambda _: None, graphics=())
    assert none.graphics == ()
    assert none.notes[0].startswith("No GPU was found")
    one = diagnose(tmp_path, find=lambda _: None, graphics=[Gpu(name="NVIDIA L4", memory_gb=23.0)])
    assert one.graphics == ("NVIDIA L4, 23 GB",)
    assert "`--device cuda` says what is missing" in one.notes[0]
