"""`--encoder A,B`: each encoder is a candidate of its own, with all the rungs that use one."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests import tiny_encoder

from ockham import store
from ockham.errors import ConfigError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import load_result
from ockham.models import sentence_encoder
from ockham.records import RunResult
from ockham.rungs.registry import LADDER
from ockham.rungs.several_encoders import add_encoders

RUNGS = ("linear", "encoder", "linear+encoder")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 90 rows with two encoders, every rung climbed."""
    folder = tmp_path_factory.mktemp("several")
    encoders = [tiny_encoder.write(folder / name, name) for name in ("bert", "roberta")]
    draw = random.Random(1)
    rows = [
        {"text": " ".join([*draw.choices(tiny_encoder.WORDS[12:], k=6), ("refund", "courier")[n % 2]]), "label": n % 2}
        for n in range(90)
    ]
    fit(rows, FitSpec(rungs=RUNGS, encoder=tuple(map(str, encoders)), all=True), out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def measured(run: Path) -> RunResult:
    return load_result(str(run))


def test_each_encoder_is_a_candidate_of_its_own(measured: RunResult) -> None:
    tested = {report.candidate.name: report for report in measured.reports if report.side == "test"}
    names = ["encoder", "linear+encoder"]
    assert set(tested) == {"linear", *names, *(f"{name}:{measured_second(tested)}" for name in names)}


def measured_second(tested: Iterable[str]) -> str:
    return next(name for name in tested if name.startswith("encoder:")).partition(":")[2]


def test_candidates_say_which_encoder_they_use(measured: RunResult) -> None:
    used = {report.candidate.name: report.candidate.settings.get("encoder") for report in measured.reports}
    second = measured_second(used)
    assert used[f"encoder:{second}"] == used[f"linear+encoder:{second}"] == second
    assert used["encoder"] == used["linear+encoder"] != second


def test_nothing_is_built_twice_for_a_blend(run: Path) -> None:
    chosen = run / "bundle"
    kinds = [store.read_bundle(path.parent).kind for path in run.rglob("bundle.json") if path.parent != chosen]
    assert [kinds.count(kind) for kind in ("linear", "encoder", "blend")] == [1, 2, 2]


def test_two_encoders_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="two encoders are called 'small'"):
        add_encoders(LADDER, ("one/small", "other/small@main"))


def test_one_encoder_or_none_changes_no_rung() -> None:
    assert add_encoders(LADDER, ()) == add_encoders(LADDER, ("one/small",)) == list(LADDER)
    assert sentence_encoder.short_name("models/small/") == "small"


@pytest.mark.skipif(sentence_encoder.packaged_folder() is None, reason="the packaged encoder is not installed")
def test_the_packaged_encoder_goes_by_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence_encoder.find("all-MiniLM-L6-v2") == sentence_encoder.find(None)
    (tmp_path / "all-MiniLM-L6-v2").mkdir()
    assert not sentence_encoder.is_packaged("all-MiniLM-L6-v2")
