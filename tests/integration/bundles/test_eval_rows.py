"""A bundle measured on labelled rows: labels that are spelt otherwise, and rows that the bundle was made from."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ockham.bundles.predict import evaluate
from ockham.data import seen_rows
from ockham.errors import DataError
from ockham.ladder.fit import FitSpec, fit
from ockham.records import Progress

Rows = list[dict[str, Any]]
WORDS = {"0.0": ("bread", "rolls", "flour", "oven"), "1.0": ("tyre", "saddle", "chain", "pedal")}


def shop_rows(start: int, count: int) -> Rows:
    """Make rows that two shops could write; each has words of its own, so none is nearly another."""
    found: Rows = []
    for number in range(start, start + count):
        draw = random.Random(number)
        label = "0.0" if number % 2 else "1.0"
        noise = ["".join(draw.choices("aeioulmnrst", k=6)) for _ in range(5)]
        found.append({"text": " ".join([*draw.sample(WORDS[label], 2), *noise]), "label": label})
    return found


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear model that tells the two shops apart."""
    folder = tmp_path_factory.mktemp("shops") / "run"
    fit(shop_rows(0, 160), FitSpec(inputs=("text",), target="label", rungs=("linear",)), out=folder)
    return folder


def test_a_list_of_one_label_is_read_as_that_label(bundle: Path) -> None:
    fresh = [{**row, "label": f'["{row["label"]}"]'} for row in shop_rows(1000, 40)]
    report = evaluate(bundle, fresh)
    assert (report.metrics["accuracy"].value, report.remarks) == (1.0, ())


@pytest.mark.parametrize("spell", [lambda label: label[0], lambda label: f" {label}"])
def test_labels_spelt_otherwise_are_measured_as_the_bundles_own(bundle: Path, spell: Any) -> None:
    fresh = [{**row, "label": spell(row["label"])} for row in shop_rows(1000, 40)]
    told: list[Progress] = []
    report = evaluate(bundle, fresh, on_progress=told.append)
    assert report.metrics["accuracy"].value == 1.0
    assert [remark.startswith("2 labels are spelt otherwise than in the bundle") for remark in report.remarks] == [True]
    assert any("2 labels are spelt otherwise" in progress.message for progress in told)


def test_label_sets_that_do_not_meet_give_no_number(bundle: Path) -> None:
    fresh = [{**row, "label": "bakery" if row["label"] == "0.0" else "bicycles"} for row in shop_rows(1000, 40)]
    with pytest.raises(DataError) as caught:
        evaluate(bundle, fresh)
    assert caught.value.code == "E_LABEL_SET"


def test_new_rows_are_not_counted_as_seen(bundle: Path) -> None:
    seen = evaluate(bundle, shop_rows(1000, 30)).seen
    assert seen is not None
    assert (seen.rows, seen.trained, seen.chosen_by, seen.without) == (30, 0, 0, {})


def test_rows_the_bundle_was_made_from_are_counted_and_left_out_beside(bundle: Path) -> None:
    mixed = [*shop_rows(0, 160), *shop_rows(1000, 30)]
    report = evaluate(bundle, [{**row, "text": row["text"].upper() + "!"} for row in mixed])
    seen, data = report.seen, json.loads((bundle / "verdict.json").read_bytes())["dataset"]
    assert seen is not None
    assert (seen.trained, seen.chosen_by) == (data["train"], data["valid"]), "case and punctuation make no row new"
    assert seen.without["accuracy"].n == 30 + data["test"]
    assert report.metrics["accuracy"].n == seen.rows == 190


def test_the_whole_file_without_what_was_seen_is_the_sealed_test(tmp_path: Path) -> None:
    draw = random.Random(5)
    noisy = [
        {**row, "label": draw.choice(["0.0", "1.0"]) if draw.random() < 0.3 else row["label"]}
        for row in shop_rows(0, 240)
    ]
    verdict = fit(noisy, FitSpec(inputs=("text",), target="label", rungs=("linear",)), out=tmp_path / "run")
    report = evaluate(tmp_path / "run", noisy)
    assert report.seen is not None
    without, sealed = report.seen.without["accuracy"], verdict.candidates[0].metrics["accuracy"]
    assert (without.value, without.n) == (sealed.value, sealed.n)
    assert report.metrics["accuracy"].value > without.value


def test_a_bundle_holds_digests_and_no_text(bundle: Path) -> None:
    data = (bundle / "bundle" / seen_rows.FILE).read_bytes()
    assert not any(word.encode() in data for words in WORDS.values() for word in words)
    dataset = json.loads((bundle / "verdict.json").read_bytes())["dataset"]
    assert len(data) == 16 + 2 * 8 + 8 * (dataset["train"] + dataset["valid"])


def test_digests_are_read_as_written_and_nothing_else_is() -> None:
    data = seen_rows.pack({"train": ["a pear", "a plum"], "valid": ["12 34"]}, "classify")
    assert data == seen_rows.pack({"train": ["a plum", "a pear"], "valid": ["12 34"]}, "classify")
    other = seen_rows.pack({"train": ["a pear", "a fig"], "valid": ["12 34"]}, "classify")
    assert data[-8:] != other[-8:], "the same row has other digests in other data"
    rows = seen_rows.unpack(data)
    assert rows is not None
    assert [rows.side_of(text, "classify") for text in ("A  pear.", "a fig", "12 34", "12 35")] == [
        "train",
        None,
        "valid",
        None,
    ]
    for damage in (b"", data[:-1], data + b"\0" * 7, b"\xff" * 60):
        assert seen_rows.unpack(damage) is None


def test_options_in_another_order_make_no_new_row() -> None:
    first, second = "Which?\nA) red\nB) green", "Which?\nA) green\nB) red"
    rows = seen_rows.unpack(seen_rows.pack({"train": [first]}, "choose"))
    assert rows is not None
    assert rows.side_of(second, "choose") == "train"
