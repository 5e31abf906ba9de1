"""Labels that are spelt otherwise are one where that is sure, and no number is given where they do not meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ockham.data.label_spellings import match_labels, respell
from ockham.errors import DataError
from ockham.records import Example


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("0", "0.0"), ("1.0", "1"), ("2.50", "2.5"), ("1e3", "1000"), ("-0", "0"), ("+4", "4"),
        ("True", "true"), ("FALSE", "false"), (" late", "late"), ("late\n", "late"), ("Late", "late"),
        ('["late"]', "late"), ("late", '["late"]'), ("['late']", "late"), ('"late"', "late"), ("[1]", "1.0"),
        ("[true]", "True"), ("\u2764", "\u2764\ufe0f"), ("\u2764\ufe0f", "\u2764"), ("caf\u0065\u0301", "caf\u00e9"),
        ("\ufefflate", "late"),
        ("\uff11", "1"), ("card_arrival", "card arrival"), ("late!", "late"),
    ],
)  # fmt: skip
def test_one_label_spelt_in_two_ways(spelling: str, label: str) -> None:
    labels = [label, "other", "7", "\u2603"]
    match = match_labels([spelling, "other"], labels)
    assert match.respelt == {spelling: label}
    assert match.unknown == ()


@pytest.mark.parametrize(
    ("spelling", "labels"),
    [
        ("007", ["7"]), ("yes", ["true"]), ("1", ["true"]), ('["a", "b"]', ["a b"]), ("[]", ["x"]), ("C", ["C++"]),
        ("10", ["1.0"]), ("-1", ["1"]), ("late", ["lately"]), ("X", ["xx"]),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f", ["\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e007f"]),
    ],
)  # fmt: skip
def test_two_labels_stay_two(spelling: str, labels: list[str]) -> None:
    assert match_labels([spelling], labels).unknown == (spelling,)


def test_an_ambiguous_spelling_meets_none_and_a_strict_one_wins() -> None:
    assert match_labels(["us"], ["US", "Us"]).unknown == ("us",)
    assert match_labels([" US"], ["US", "Us"]).respelt == {" US": "US"}
    assert match_labels(["1.00"], ["1", "1.0"]).unknown == ("1.00",)
    assert match_labels(["on/off", "on-off"], ["on off"]).unknown == ("on-off", "on/off"), "two labels of the file"


@given(st.sets(st.text(min_size=1, max_size=6), max_size=6), st.sets(st.text(min_size=1, max_size=6), max_size=6))
def test_known_labels_stay_and_all_others_are_accounted_for(spellings: set[str], labels: set[str]) -> None:
    match = match_labels(spellings, labels)
    assert not set(match.respelt) & labels
    assert set(match.respelt.values()) <= labels
    assert {*match.respelt, *match.unknown} == spellings - labels


def rows(*targets: str) -> list[Example]:
    return [Example(id=str(place), input=f"text {place}", target=target) for place, target in enumerate(targets)]


def test_rows_are_respelt_and_it_is_said() -> None:
    found, remarks = respell(rows("0", "1", "", "2.0"), ("0.0", "1.0", "2.0"), owner="the bundle")
    assert [row.target for row in found] == ["0.0", "1.0", "", "2.0"]
    assert len(remarks) == 1
    assert remarks[0].startswith("2 labels are spelt otherwise than in the bundle")
    assert "2 rows were read" in remarks[0]
    assert respell(rows("0.0", "1.0"), ("0.0", "1.0"), owner="the bundle")[1] == ()


def test_label_sets_that_do_not_meet_are_refused_with_counts() -> None:
    with pytest.raises(DataError) as caught:
        respell(rows("zero", "one", "zero", "2.0"), ("0.0", "1.0", "2.0"), owner="the bundle")
    assert caught.value.code == "E_LABEL_SET"
    assert "3 of 4 rows have a label that the bundle does not know, however it is spelt (2 of 3 labels)" in str(
        caught.value
    )
    assert "zero" not in str(caught.value)
    assert respell(rows("zero", "one", "zero", "2.0"), ("0.0", "1.0", "2.0"), owner="the bundle", most=0.8)[1]


def test_a_few_unknown_labels_are_counted_and_count_as_wrong() -> None:
    found, remarks = respell(rows(*["a"] * 39, "b"), ("a",), owner="the bundle")
    assert found[-1].target == "b"
    assert remarks == ("1 of 40 rows have a label that the bundle does not know: they count as wrong",)
