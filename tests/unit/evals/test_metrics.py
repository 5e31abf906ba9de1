"""Metrics against scikit-learn and a naive second implementation."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from ockham.errors import DataError, Defect
from ockham.evals.intervals import cluster_numbers, wilson
from ockham.evals.metrics import confusions, per_label
from ockham.evals.scorers import exact
from ockham.evals.task_metrics import metrics_of
from ockham.evals.tasks import estimate_metrics, metric_value
from ockham.records import Answer, Example, Score

Pair = tuple[str, "str | None"]


def scored(pairs: Sequence[Pair], cluster: int | None = None) -> list[Score]:
    return [
        Score(
            example=str(place),
            answer=answer,
            target=target,
            value=float(answer == target),
            cluster=None if cluster is None else place // cluster,
        )
        for place, (target, answer) in enumerate(pairs)
    ]


pairs_ = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["a", "b", "c", "d", "x", None])), min_size=1)


@given(pairs_)
@settings(max_examples=50)
def test_point_and_metrics_equal_scikit_learn(pairs: list[Pair]) -> None:
    targets, answers = [t for t, _ in pairs], [a for _, a in pairs]
    labels = sorted(set(targets))
    known = [a or "" for a in answers]
    found = estimate_metrics("classify", scored(pairs), labels)
    for name, average in (("f1_macro", "macro"), ("f1_weighted", "weighted")):
        expected = f1_score(targets, known, labels=labels, average=average, zero_division=0)
        assert metric_value("classify", name, targets, answers) == pytest.approx(expected)
        assert found[name].value == pytest.approx(expected)
    assert found["accuracy"].value == pytest.approx(sum(t == a for t, a in pairs) / len(pairs))
    for estimate in found.values():
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.n == len(pairs)


def test_accuracy_has_wilsons_interval_and_a_task_without_labels_no_f1() -> None:
    found = estimate_metrics("classify", scored([("a", "a")] * 45 + [("a", None)] * 5), ())
    assert found == {"accuracy": wilson(45, 50)}


def test_a_score_that_could_not_be_judged_is_left_out_and_not_zero() -> None:
    rows = scored([("a", "a"), ("b", "b")])
    rows.append(Score(example="9", answer="a", target="b", value=None))
    assert estimate_metrics("classify", rows, ["a", "b"])["accuracy"].n == 2
    with pytest.raises(DataError, match="E_TOO_FEW"):
        estimate_metrics("classify", rows[2:], ["a", "b"])


def test_all_right_is_not_certain() -> None:
    found = estimate_metrics("classify", scored([("a", "a"), ("b", "b")] * 25), ["a", "b"])
    assert found["f1_macro"].value == 1.0
    # One mistake costs F1 about as much as accuracy, where labels are balanced.
    assert found["f1_macro"].low == pytest.approx(wilson(50, 50).low, abs=0.01)


def test_all_right_in_clusters_promises_no_more_than_the_clusters() -> None:
    pairs = [("a", "a")] * 25 + [("b", "b")] * 25
    found = estimate_metrics("classify", scored(pairs, 5), "ab")
    assert found["accuracy"].low == pytest.approx(wilson(10, 10).low)
    assert found["f1_weighted"].low == pytest.approx(wilson(10, 10).low, abs=0.1)
    assert found["f1_weighted"].low < wilson(50, 50).low - 0.1


def test_rows_in_clusters_widen_every_interval() -> None:
    chance = random.Random(4)
    pairs: list[Pair] = []
    for _ in range(60):
        target = chance.choice("abc")
        pairs += [(target, target if chance.random() < 0.8 else "a")] * 1
    copied = [pair for pair in pairs for _ in range(4)]
    alone, plain, clustered = (
        estimate_metrics("classify", scored(rows, cluster), "abc")
        for rows, cluster in ((pairs, None), (copied, None), (copied, 4))
    )
    for name in metrics_of("classify"):
        width = clustered[name].high - clustered[name].low
        assert width == pytest.approx(alone[name].high - alone[name].low, rel=0.15)
        assert width > 1.5 * (plain[name].high - plain[name].low)


def test_macro_f1_of_few_rows_per_label_holds_the_truth() -> None:
    # 40 labels, 120 rows: the plain value is too low on average, and a bootstrap's interval with it.
    chance = random.Random(5)
    labels = [str(i) for i in range(40)]
    inside = 0
    for _ in range(150):
        targets = [chance.choice(labels) for _ in range(120)]
        rows: list[Pair] = [(t, t if chance.random() < 0.8 else chance.choice(labels)) for t in targets]
        found = estimate_metrics("classify", scored(rows), labels)["f1_macro"]
        inside += found.low <= 0.805 <= found.high
    assert inside / 150 >= 0.93


def test_per_label_equals_scikit_learn_with_none_where_undefined() -> None:
    pairs: list[Pair] = [("a", "a")] * 8 + [("a", "b")] * 2 + [("b", "b")] * 3 + [("b", "c")] + [("d", None)] * 2
    found = {row.label: row for row in per_label(scored(pairs))}
    precision, recall, f1, count = precision_recall_fscore_support(
        [t for t, _ in pairs], [a or "" for _, a in pairs], labels=["a", "b"], zero_division=0
    )
    for place, label in enumerate("ab"):
        row = found[label]
        assert row.precision is not None
        assert row.recall is not None
        assert row.f1 is not None
        assert (row.precision.value, row.recall.value, row.f1.value) == pytest.approx(
            (precision[place], recall[place], f1[place])
        )
        assert row.n == count[place]
    assert found["a"].recall == wilson(8, 10)
    assert (found["c"].recall, found["c"].n) == (None, 0)
    assert found["d"].precision is None


def test_confusions_are_ordered_and_never_name_a_missing_answer() -> None:
    pairs: list[Pair] = [("a", "b"), ("a", "b"), *[("c", "a")] * 3, ("b", "a"), ("b", "a"), ("a", None), ("a", "a")]
    assert confusions(scored(pairs)) == [("c", "a", 3), ("a", "b", 2), ("b", "a", 2)]
    assert confusions(scored(pairs), top=1) == [("c", "a", 3)]


def test_point_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(Defect, match="no metric"):
        metric_value("classify", "bleu", ["a"], ["a"])
    with pytest.raises(DataError):
        metric_value("classify", "accuracy", [], [])


def test_clusters_are_none_where_no_row_has_company() -> None:
    rows = scored([("a", "a")] * 4)
    assert cluster_numbers(rows) is None
    assert cluster_numbers(scored([("a", "a")] * 4, 1)) is None
    assert cluster_numbers(scored([("a", "a")] * 4, 2)) == [0, 0, 1, 1]


def test_exact_scores_character_for_character() -> None:
    example = Example(id="7", input="x", target="Größe")
    right = exact(example, Answer(value="Größe", confidence=0.7))
    assert (right.value, right.confidence, right.example, right.target) == (1.0, 0.7, "7", "Größe")
    assert exact(example, Answer(value="größe")).value == 0.0
    assert exact(example, Answer(value=None)).value == 0.0
