"""What a user says of the task, put before language models and nobody else: two climbs, with it and without."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tests import tiny_gguf
from tests.unit.rungs.test_own_models import rows_of

from ockham.bundles.measured_rows import EvalSpec
from ockham.bundles.model_eval import evaluate_any
from ockham.cli import run
from ockham.errors import ConfigError
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import bundle_of
from ockham.models import causal_lm
from ockham.records import Progress
from ockham.store import bundle_digest, identity_of

ROWS = rows_of(("0", "1", "2"), count=10)
BARE = "all 3 labels are bare numbers"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Climb:
    run: Path
    told: list[Progress]

    @property
    def bundle(self) -> Path:
        return bundle_of(self.run, "decoder:tiny")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gguf.write(tmp_path_factory.mktemp("weights") / "tiny.gguf")


@pytest.fixture(scope="module")
def climbs(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Climb, Climb]:
    """One without a word of the task, and one with instructions and a description."""
    folder = tmp_path_factory.mktemp("climbs")
    (folder / "labels.csv").write_text("label,description\n0,questions on invoices\n")
    plain = FitSpec(rungs=("constant", "decoder"), models=(str(weights),), all=True)
    said = dataclasses.replace(plain, instructions="Sort mails.", labels=str(folder / "labels.csv"))
    climbs = (Climb(run=folder / "plain", told=[]), Climb(run=folder / "said", told=[]))
    for climb, spec in zip(climbs, (plain, said), strict=True):
        fit(ROWS, spec, out=climb.run, on_progress=climb.told.append)
    return climbs


def test_they_stand_in_the_prompt_the_bundle_and_the_identity_of_the_run(climbs: tuple[Climb, Climb]) -> None:
    for climb, is_said in zip(climbs, (False, True), strict=True):
        orders = causal_lm.parts(climb.bundle).orders
        assert ("Sort mails." in orders) == is_said
        assert ('{"0": "questions on invoices"}' in orders) == is_said
    plain, said = climbs
    assert bundle_digest(plain.bundle) != bundle_digest(said.bundle)
    assert "instructions" not in identity_of(plain.run)
    assert str(identity_of(said.run)["instructions"]).startswith("Sort mails.\n")


def test_labels_that_are_bare_numbers_draw_a_warning_where_a_language_model_is_asked(
    climbs: tuple[Climb, Climb], tmp_path: Path
) -> None:
    plain, said = ([progress.message for progress in climb.told] for climb in climbs)
    assert any(BARE in message for message in plain)
    assert not any("bare numbers" in message for message in said), "what they mean was said"
    told: list[Progress] = []
    fit(ROWS, FitSpec(rungs=("constant", "linear")), out=tmp_path / "run", on_progress=told.append)
    assert not any("bare numbers" in progress.message for progress in told)


def test_eval_prompts_a_model_with_them_and_a_bundle_has_its_own(weights: Path, climbs: tuple[Climb, Climb]) -> None:
    plain = evaluate_any(weights, rows_of(count=10))
    told = evaluate_any(weights, rows_of(count=10), EvalSpec(instructions="Sort mails. " * 20))
    assert plain.profile is not None
    assert told.profile is not None
    assert (told.profile.tokens_in or 0) > (plain.profile.tokens_in or 0) + 20
    with pytest.raises(ConfigError, match="a bundle keeps the instructions"):
        evaluate_any(climbs[0].run, rows_of(), EvalSpec(instructions="Sort."))


def test_the_flags_reach_the_run(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in ROWS))
    (tmp_path / "task.txt").write_text("Sort the mails of a shop.")
    (tmp_path / "labels.csv").write_text("label,description\n0,questions on invoices\n")
    words = ["fit", tmp_path / "rows.csv", "--rung", "constant", "--instructions", tmp_path / "task.txt"]
    words += ["--labels", tmp_path / "labels.csv", "--out", tmp_path / "run", "--quiet"]
    assert run([str(word) for word in words]) == 0
    assert str(identity_of(tmp_path / "run")["instructions"]).startswith("Sort the mails of a shop.\n")
