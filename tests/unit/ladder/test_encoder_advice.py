"""The next step names a better encoder where the run has shown that the encoder decides, and nowhere else."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.data.test_languages import GERMAN, JAPANESE

from ockham import catalog
from ockham.ladder.encoder_advice import advise_encoder
from ockham.rungs.rung import RunContext
from ockham.verdict.decide import Decision

OPEN = Decision(chosen="encoder", headline="", because="", next="")
SCORES = {"linear": 0.6, "encoder": 0.7}
ENGLISH = ["where is my parcel and what is the price of the refund"] * 30


def context(texts: list[str], encoder: str | None = None, task: str = "classify") -> RunContext:
    dataset = SimpleNamespace(examples=[SimpleNamespace(input=text) for text in texts])
    config = SimpleNamespace(task=task, encoder=encoder)
    return cast("RunContext", SimpleNamespace(config=config, prepared=SimpleNamespace(dataset=dataset)))


def test_an_encoder_that_is_ahead_is_followed_by_a_better_one_with_size_licence_and_command() -> None:
    best = catalog.encoders()[0]
    said = advise_encoder(context(ENGLISH), OPEN, SCORES, {"encoder"})
    assert said == (
        f" The encoder is ahead, and another may be better: `HF_HUB_OFFLINE=0 ockham fit DATA --encoder {best.name}` "
        f"fetches one ({best.megabytes:.0f} MB, {best.licence}; {best.score} % on MTEB's classification tasks, the "
        "built-in one 69.3 %)."
    )


@pytest.mark.parametrize(("texts", "language"), [(GERMAN, "German"), (JAPANESE, "Japanese")])
def test_rows_in_another_language_are_followed_by_a_multilingual_one(texts: list[str], language: str) -> None:
    said = advise_encoder(context(texts * 9), OPEN, {"linear": 0.7, "encoder": 0.6}, {"encoder"})
    assert said.startswith(f" Most rows look like {language}, and the built-in encoder was trained on English")
    assert "says little about the task" in said
    assert "--encoder sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2` fetches a multilingual one" in said


@pytest.mark.parametrize(
    "change",
    [
        {"context": context(ENGLISH, encoder="own")},
        {"context": context(GERMAN * 9, task="extract")},
        {"decision": dataclasses.replace(OPEN, proven=True)},
        {"scores": {"linear": 0.8, "encoder": 0.7}},
        {"reading": set()},
    ],
)
def test_nothing_is_said_of_encoders_where_the_run_does_not_show_it(change: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"context": context(ENGLISH), "decision": OPEN, "scores": SCORES, "reading": {"encoder"}}
    assert advise_encoder(**(usual | change)) == ""
