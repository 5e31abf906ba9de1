from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.data.label_issues import find_label_issues, folds
from ockham.records import Example, LabelIssue


def rows(targets: list[str]) -> list[Example]:
    return [Example(id=str(i), input=f"text {i}", target=target) for i, target in enumerate(targets)]


def test_a_row_is_doubted_where_every_rung_is_confident_of_another_label() -> None:
    examples = rows(["a", "a", "a", "b", "b", "b"])
    first = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9], [0.9, 0.1]])
    second = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]])
    # Thresholds of the first rung: a .6, b .6; of the second: a .6, b .7. Row 5 is doubted by the first rung alone.
    (only,) = find_label_issues(examples, {"first": first, "second": second}, ["a", "b"])
    assert (only.id, only.given_label, only.suggested_label) == ("2", "a", "b")
    assert only.doubt == pytest.approx((1 + 0.85 - 0.15) / 2)
    assert [doubt.id for doubt in find_label_issues(examples, {"first": first}, ["a", "b"])] == ["2", "5"]


def test_a_frequent_label_needs_more_to_be_suggested() -> None:
    # Everything leans to the frequent label; by thresholds (a .9, b .3) no row of b is confidently an a.
    examples = rows(["a"] * 8 + ["b"] * 2)
    matrix = np.array([[0.9, 0.1]] * 8 + [[0.7, 0.3]] * 2)
    assert find_label_issues(examples, {"rung": matrix}, ["a", "b"]) == ()


def test_worst_first_and_targets_without_a_column_are_passed_over() -> None:
    examples = rows(["a", "a", "a", "b", "b", "b", "c"])
    matrix = np.array([[0.9, 0.1], [0.25, 0.75], [0.05, 0.95], [0.1, 0.9], [0.4, 0.6], [0.4, 0.6], [0.5, 0.5]])
    found = find_label_issues(examples, {"rung": matrix}, ["a", "b"])
    assert [round(doubt.doubt, 9) for doubt in found] == [0.95, 0.75]
    assert found[0] == LabelIssue(id="2", given_label="a", suggested_label="b", doubt=found[0].doubt)
    assert found[1].id == "1"
    assert find_label_issues(examples, {}, ["a", "b"]) == ()


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        find_label_issues(rows(["a", "b"]), {"rung": np.ones((1, 2))}, ["a", "b"])


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from("abc")), min_size=3, max_size=60),
    st.integers(2, 5),
    st.integers(0, 3),
)
@settings(max_examples=50, deadline=None)
def test_folds_cut_no_cluster(drawn: list[tuple[int, str]], k: int, seed: int) -> None:
    targets = [label for size, label in drawn for _ in range(size)]
    clusters = np.repeat(np.arange(len(drawn)), [size for size, _ in drawn])
    made = folds(clusters, targets, k, seed)
    assert all(len(set(made[clusters == cluster])) == 1 for cluster in set(clusters))
    assert set(made) <= set(range(k))
    assert (made == folds(clusters, targets, k, seed)).all()
    largest = max(size for size, _ in drawn)
    for label in set(targets):
        counts = Counter(made[np.array(targets) == label].tolist())
        assert max(counts.values()) - min(counts.get(fold, 0) for fold in range(k)) <= largest


def test_folds_of_rows_that_stand_alone_are_even() -> None:
    targets = ["a"] * 50 + ["b"] * 27 + ["c"] * 3
    made = folds(np.arange(80), targets, 5, 0)
    assert set(np.bincount(made).tolist()) <= {15, 16, 17}
    assert np.bincount(made[:50]).tolist() == [10] * 5
    assert not (made == folds(np.arange(80), targets, 5, 1)).all()


def test_one_fold_is_refused() -> None:
    with pytest.raises(ValueError, match="folds"):
        folds(np.arange(4), ["a"] * 4, 1, 0)
