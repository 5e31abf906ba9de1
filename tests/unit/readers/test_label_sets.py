"""Several labels in one cell are told from names that have the same mark in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ockham.errors import DataError
from ockham.readers.label_sets import SeveralLabels, joined_labels, labels_in, settle_labels
from ockham.readers.read import ReadSpec, read


def cells(labels: list[str]) -> dict[int, str]:
    return dict(enumerate(labels * 10))


SEVERAL = {
    "in two orders": ["loan", "rooms", "loan urgent", "urgent loan", "rooms urgent", "membership urgent", "membership"],
    "all alone": ["loan", "rooms", "urgent", "loan urgent", "rooms urgent"],
    "numbers": ["0", "3", "0 3", "3 0", "12", "12 3"],
    "a slip": [*["loan urgent", "urgent loan", "rooms urgent", "loan", "rooms"] * 9, "lona urgent"],
    "a mark behind all": ["loan;", "rooms;", "loan;urgent;", "rooms;urgent;"],
    "line breaks": ["loan", "rooms", "loan\nurgent", "rooms\r\nurgent"],
    "slashes": ["loan/urgent", "urgent/loan", "rooms/urgent", "rooms", "loan"],
    "commas in two orders": ["loan, urgent", "urgent, loan", "rooms, urgent", "rooms, loan"],
    "never alone": ["a|b", "b|c", "c|d", "d|a", "a|b|c"],
}


@pytest.mark.parametrize("labels", SEVERAL.values(), ids=SEVERAL)
def test_several_labels_in_a_cell_are_told(labels: list[str]) -> None:
    mark, lists = joined_labels(cells(labels))
    others = [label for index, label in cells(labels).items() if index not in lists]
    with pytest.raises(DataError, match="seem to have several labels, joined by") as caught:
        settle_labels(lists, others, None, "a.csv", mark)
    assert "--several-labels as-is" in caught.value.fix
    assert not settle_labels(lists, others, "as-is", "a.csv", mark)


NAMES = {
    "two kinds of cards": ["credit card", "debit card", "lost card", "card", "account"],
    "degrees": ["very positive", "positive", "neutral", "negative", "very negative"],
    "one name of two": ["refund", "request", "refund request"],
    "part of a name": ["New York", "New Jersey", "York", "Jersey"],
    "places": ["Buffalo, NY", "Albany, NY", "Austin, TX"],
    "thousands": ["1 000", "2 000", "1", "2", "12 000"],
    "dates": ["3/5", "5/3", "3/6", "6/3"],
    "two fields": ["EU;low", "EU;high", "US;low", "US;high"],
    "objects": ['{"a": "x"}', '{"b": "x"}', '{"b": "y"}', '{"a": "y"}'],
}


@pytest.mark.parametrize("labels", NAMES.values(), ids=NAMES)
def test_a_name_with_such_a_mark_is_one_label(labels: list[str]) -> None:
    assert joined_labels(cells(labels)).lists == {}


LISTS = {
    "JSON": ('["leak", "noise"]', ("leak", "noise")),
    "Python": ("['leak', \"it's loud\"]", ("leak", "it's loud")),
    "NumPy": ("['leak' 'noise']", ("leak", "noise")),
    "NumPy, over lines": ("['leak'\n \"it's loud\"]", ("leak", "it's loud")),
    "NumPy, numbers": ("[ 3 10]", ("3", "10")),
    "one": ("['leak']", ("leak",)),
    "none": ("[]", ()),
    "a set": ("{'noise', 'leak'}", ("leak", "noise")),
    "a pattern": (r"['\d+']", (r"\d+",)),
    "an object of Python": ("{'leak': 1}", None),
    "words": ("[sic]", None),
    "two words": ("[see above]", None),
    "decimals": ("[0.5 1.0]", None),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("cell", "labels"), LISTS.values(), ids=LISTS)
def test_lists_of_labels_as_programs_write_them(cell: str, labels: tuple[str, ...] | None) -> None:
    assert labels_in(cell) == labels


def test_labels_without_commas_between_them_are_several(tmp_path: Path) -> None:
    rows = [f"the pump {n} is loud,\"['{first}' '{second}']\"" for n, (first, second) in enumerate([("a", "b")] * 3)]
    (tmp_path / "a.csv").write_text("\n".join(["text,labels", *rows]))
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.csv", ReadSpec())
    assert caught.value.code == "E_LABEL_SEVERAL"


@pytest.mark.parametrize("several", ["sets", "as-is"])
def test_a_set_of_labels_has_one_order(several: SeveralLabels) -> None:
    rows = [{"text": f"the pump {n} is loud", "labels": {"noise", "leak", "smell", "heat"}} for n in range(3)]
    targets = {row.target for row in read(rows, ReadSpec(several_labels=several)).examples}
    assert targets == {'["heat","leak","noise","smell"]'}
