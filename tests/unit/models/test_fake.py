"""The fake model, the constant rung and the settings file both live in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from ockham.errors import DataError, ModelError
from ockham.models import constant, fake, model_files
from ockham.models.backend import load_backend
from ockham.records import Answer, Example

EXAMPLES = tuple(
    Example(id=str(n), input=text, target=target)
    for n, (text, target) in enumerate([("one", "b"), ("two", "a"), ("three", "b"), ("four", "a"), ("five", "c")])
)


def test_the_constant_is_the_most_frequent_target_and_ties_go_to_the_first_in_order(tmp_path: Path) -> None:
    constant.fit(EXAMPLES, tmp_path)
    assert constant.load(tmp_path).answer(["x", "y"]) == [Answer(value="a", confidence=0.4)] * 2
    constant.fit([*EXAMPLES, Example(id="9", input="six", target="b")], tmp_path)
    assert constant.load(tmp_path).answer(["x"]) == [Answer(value="b", confidence=0.5)]


def test_the_constant_cannot_be_fitted_on_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        constant.fit([], tmp_path)
    assert caught.value.code == "E_EMPTY"
    assert list(tmp_path.iterdir()) == []


def test_the_fake_remembers_what_it_was_fitted_on(tmp_path: Path) -> None:
    fake.fit(EXAMPLES, tmp_path)
    assert [a.value for a in fake.load(tmp_path).answer(["five", "one", "two"])] == ["c", "b", "a"]


def test_the_fake_hashes_what_it_does_not_know_over_its_labels(tmp_path: Path) -> None:
    fake.fit(EXAMPLES, tmp_path, remember=False)
    answers = fake.load(tmp_path).answer([f"text {n}" for n in range(300)])
    counts = {label: sum(a.value == label for a in answers) for label in "abc"}
    assert sum(counts.values()) == 300
    assert min(counts.values()) > 60
    assert all(a.confidence is not None and 0 <= a.confidence < 1 for a in answers)
    assert answers[0] == Answer(value="c", confidence=0.738), "the same on every machine and in every version"


def test_a_fake_without_labels_gives_no_answer(tmp_path: Path) -> None:
    fake.fit([], tmp_path)
    assert fake.load(tmp_path).answer(["x"]) == [Answer(value=None)]


def test_the_plugs_are_found_by_their_kind(tmp_path: Path) -> None:
    constant.fit(EXAMPLES, tmp_path)
    assert load_backend("constant").load(tmp_path).answer([]) == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Small:
    name: str
    shares: tuple[float, ...] = ()


def test_settings_come_back_as_they_were_written_and_equal_ones_give_equal_bytes(tmp_path: Path) -> None:
    kept = Small(name="zażółć \ud800 \u2028", shares=(0.5, 1.0))
    model_files.write(kept, tmp_path / "a.json")
    model_files.write(kept, tmp_path / "b.json")
    assert model_files.read(Small, tmp_path / "a.json") == kept
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ('{"name": 3}', "name is a whole number"),
        ('{"shares": []}', "name is missing"),
        ('{"name": "SECRET", "size": 1}', "no setting 'size'"),
        ('{"name": "SECRET", "shares": [NaN]}', "shares[0] is not finite"),
    ],
)
def test_a_damaged_settings_file_is_a_model_error_that_quotes_nothing(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "small.json"
    path.write_text(content)
    with pytest.raises(ModelError) as caught:
        model_files.read(Small, path)
    assert caught.value.code == "E_MODEL_FORMAT"
    assert said in caught.value.message
    assert "small.json" in caught.value.message
    assert "SECRET" not in str(caught.value)


def test_a_damaged_entry_of_a_table_is_named_by_place_not_by_its_key(tmp_path: Path) -> None:
    (tmp_path / fake.FILE).write_text(json.dumps({"answers": {"fine": "a", "SECRET": 1}, "labels": []}))
    with pytest.raises(ModelError) as caught:
        fake.load(tmp_path)
    assert "answers, entry 2" in caught.value.message
    assert "SECRET" not in str(caught.value)


def test_a_missing_settings_file_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        constant.load(tmp_path)
    assert caught.value.code == "E_MODEL_MISSING"
