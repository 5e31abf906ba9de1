"""The data work of a run as a whole: every row is accounted for, and no cluster stands on two sides."""

from __future__ import annotations

import dataclasses
import json
import random
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.data.prepare import Prepared, prepare
from ockham.data.split import SplitSpec
from ockham.errors import DataError
from ockham.readers.read import ReadSpec
from ockham.records import Progress

WORDS = ("parcel", "late", "invoice", "refund", "card", "paid", "twice", "courier", "price", "broken", "pump", "milk")
SPEC = ReadSpec(inputs=("text",), target="label", group="who")

Rows = list[dict[str, str]]


def quiet(_said: Progress) -> None:
    """Hear nothing."""


def prepared(source: object, test: object | None = None, spec: ReadSpec = SPEC, seed: int = 0) -> Prepared:
    return prepare(source, spec, SplitSpec(seed=seed), test=test, task_name="classify", on_progress=quiet)


def assert_adds_up(found: Prepared, rows: int) -> None:
    """Every row read is on one side, left out for a reason, or quarantined; no cluster is on two sides."""
    split, intake = found.split, found.intake
    sides = [*split.train, *split.valid, *split.test]
    assert sorted(sides) == list(range(len(found.dataset.examples)))
    assert intake.rows == rows
    assert intake.rows == len(sides) + sum(intake.dropped_counts().values())
    assert intake.kept_rows == len(sides)
    ids = [example.id for example in found.dataset.examples]
    assert len(set(ids)) == len(ids)
    assert not {row.id for row in intake.dropped} & set(ids)
    assert {row.id for row in found.repeats} <= {row.id for row in intake.dropped if row.reason == "exact_duplicate"}
    assert len(split.clusters) == len(ids)
    clusters = [{split.clusters[place] for place in side} for side in (split.train, split.valid, split.test)]
    assert not clusters[0] & clusters[1]
    assert not clusters[0] & clusters[2]
    assert not clusters[1] & clusters[2]


def rows(n: int) -> Rows:
    """Make n rows that have nothing in common."""
    pick = random.Random(1)
    words = ["".join(pick.choices(string.ascii_lowercase, k=7)) for _ in range(8 * n)]
    return [
        {"text": " ".join(words[8 * place : 8 * place + 8]), "label": "ab"[place % 2], "who": ""} for place in range(n)
    ]


TEXTS = st.one_of(
    st.sampled_from(["", " ", "\u200b", "parcel late", "parcel  late", "Parcel late!", "the pump is broken and loud"]),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join),
)
WILD = st.lists(
    st.fixed_dictionaries(
        {"text": TEXTS, "label": st.sampled_from(["a", "b", "c", "A", ""]), "who": st.sampled_from(["", "p", "q", "r"])}
    ),
    max_size=40,
)
# Some rows that can be used stand before and among the wild ones.
TABLES = st.tuples(st.integers(30, 50), WILD).flatmap(lambda drawn: st.permutations([*rows(drawn[0]), *drawn[1]]))
TESTS = st.tuples(st.integers(5, 10), WILD).map(lambda drawn: [*rows(60)[-drawn[0] :], *drawn[1]])


@settings(max_examples=50, deadline=None)
@given(TABLES, st.integers(0, 3))
def test_every_row_is_accounted_for(table: Rows, seed: int) -> None:
    found = prepared(table, seed=seed)
    assert_adds_up(found, len(table))
    assert found.split.train
    assert found.split.test


@settings(max_examples=40, deadline=None)
@given(TABLES, TESTS)
def test_every_row_is_accounted_for_with_a_test_set_of_the_users_own(table: Rows, test: Rows) -> None:
    try:
        found = prepared(table, test)
    except DataError as error:
        if error.code != "E_LABEL_SET":
            raise
        return  # most of the test rows have a label that no training row has
    assert_adds_up(found, len(table) + len(test))
    examples = found.dataset.examples
    assert all(examples[place].id.startswith("test:") for place in found.split.test)
    assert not any(examples[place].id.startswith("test:") for place in (*found.split.train, *found.split.valid))
    groups = {examples[place].group for place in found.split.test} - {None}
    assert not groups & {examples[place].group for place in (*found.split.train, *found.split.valid)}


PLAIN = dataclasses.replace(SPEC, group=None)


def test_the_users_own_test_set_is_all_of_the_test_side(tmp_path: Path) -> None:
    train, test = rows(60)[:40], rows(60)[40:]
    again = [{"text": "  ".join(train[3]["text"].split()), "label": train[3]["label"]}]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (*test, *again)), encoding="utf-8")
    found = prepared(train, str(path), PLAIN)
    assert len(found.split.test) == 21
    assert found.intake.dropped_counts() == {"in_test_set": 1}
    seen = [found.dataset.examples[place].input for place in (*found.split.train, *found.split.valid)]
    assert train[3]["text"] not in seen
    assert len(seen) == 39
    assert [source.records for source in found.intake.sources] == [40, 21]


def test_the_columns_of_the_training_file_are_those_of_the_test_file() -> None:
    """Column names found in the training rows hold for the test rows, which may have others as well."""
    test = [{"topic": "x", "label": row["label"], "text": row["text"], "answer": "no"} for row in rows(60)[40:]]
    found = prepared(rows(40), test, ReadSpec())
    assert found.inputs == ("text",)
    assert found.target == "label"
    assert {found.dataset.examples[place].target for place in found.split.test} == {"a", "b"}


def test_a_test_set_without_a_usable_row_is_refused() -> None:
    """Asking for one's own test set and silently getting another would be a lie."""
    with pytest.raises(DataError, match="no row of the test set is left"):
        prepared(rows(40), [{"text": " ", "label": "a"}, {"text": "no label", "label": ""}], PLAIN)


def test_repeats_are_the_rows_that_cleaning_left_out() -> None:
    table = [*rows(40), rows(40)[5], rows(40)[5], rows(40)[7]]
    found = prepared(table, spec=PLAIN)
    assert [row.id for row in found.repeats] == ["41", "42", "43"]
    assert found.intake.dropped_counts() == {"exact_duplicate": 3}
    assert_adds_up(found, 43)


def test_the_task_that_was_asked_for_counts_and_is_given_as_the_reason() -> None:
    found = prepare(rows(40), PLAIN, SplitSpec(), test=None, task_name="generate", on_progress=quiet)
    assert found.dataset.task == "generate"
    assert found.intake.task_reason


def test_labels_of_the_users_own_test_set_are_read_as_the_training_rows_spell_them() -> None:
    train = [{**row, "label": f"{row['label']}.0".replace("a", "0").replace("b", "1")} for row in rows(60)[:40]]
    test = [{**row, "label": row["label"].replace("a", "0").replace("b", "1")} for row in rows(60)[40:]]
    found = prepared(train, test, PLAIN)
    assert found.dataset.labels == ("0.0", "1.0")
    assert any(
        warning.startswith("2 labels are spelt otherwise than in the training data")
        for warning in found.intake.warnings
    )
