"""What `ockham fit` measured, beside what was predicted of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from tests.sample_account import sample_account

from ockham import catalog
from ockham.errors import StoreError
from ockham.plan import calibrate
from ockham.plan.feedback import learn
from ockham.plan.memory import serving
from ockham.records import Candidate, Profile, Report

DECODER = {"model": "Qwen2.5-0.5B-Instruct", "weights": "q8_0", "context": 1024, "slots": 2}


def report(kind: str, settings: dict[str, Any], memory_mb: float, name: str = "a") -> Report:
    one = sample_account(n=24).reports[0]
    assert isinstance(one.profile, Profile)
    profile = dataclasses.replace(one.profile, memory_mb=memory_mb)
    return dataclasses.replace(
        one, candidate=Candidate(name=name, rung=5, kind=kind, settings=settings), profile=profile
    )


def rows(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / calibrate.JOURNAL).read_text().splitlines()]


def test_the_memory_of_a_known_model_is_compared_once(tmp_path: Path) -> None:
    found = [report("gguf", DECODER, 800.0), report("encoder", {"encoder": "all-MiniLM-L6-v2"}, 135.0, "b")]
    assert learn(tmp_path / "cache", found) == 2
    assert learn(tmp_path / "cache", found) == 0, "the same measurement again is no new one"
    decoder, encoder = rows(tmp_path / "cache")
    engine = catalog.engine("cpu", encoders=False)
    said = serving(catalog.shape("Qwen2.5-0.5B"), "q8_0", 1024, 2, engine)
    assert (decoder["predicted"], decoder["measured"]) == (said.total_mb, 800.0)
    # 22.7 million weights in a byte each and their scales, a process of 110 MB and buffers of a few; serving processes
    # of five runs were measured at 133 to 143 MB.
    assert 133 < encoder["predicted"] < 142
    past = calibrate.past_error(tmp_path / "cache")
    assert past is not None
    assert past.n == 2
    assert past.speed is None


def test_mixtures_are_known_by_what_most_weights_are_and_files_by_their_stem(tmp_path: Path) -> None:
    found = report("gguf", {**DECODER, "model": "Qwen2.5-0.5B.gguf", "weights": "q4_k"}, 700.0)
    assert learn(tmp_path, [found]) == 1
    said = serving(catalog.shape("Qwen2.5-0.5B"), "q4_k_m", 1024, 2, catalog.engine("cpu", encoders=False))
    assert rows(tmp_path)[0]["predicted"] == said.total_mb + said.reclaimable_mb > said.total_mb


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("gguf", {**DECODER, "model": "mine"}),
        ("gguf", {**DECODER, "weights": "iq2_xxs"}),
        ("gguf", {}),
        ("encoder", {"encoder": "mine"}),
        ("linear", {"C": 1.0}),
        ("endpoint", {"model": "Qwen2.5-0.5B"}),
    ],
)
def test_what_was_not_predicted_is_not_compared(tmp_path: Path, kind: str, settings: dict[str, Any]) -> None:
    assert learn(tmp_path, [report(kind, settings, 700.0)]) == 0
    assert not (tmp_path / calibrate.JOURNAL).exists()


def test_without_a_profile_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert learn(tmp_path, [dataclasses.replace(report("gguf", DECODER, 1.0), profile=None)]) == 0


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="the folder cannot be made"):
        learn(tmp_path / "file" / "cache", [report("gguf", DECODER, 700.0)])
