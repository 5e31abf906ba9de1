"""How the answers of each task are judged, against known values and naive second implementations."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from ockham.errors import ConfigError, Defect
from ockham.evals import comparison, field_scores, scorers, tasks
from ockham.evals.task_metrics import METRICS, f1_micro, metrics_of
from ockham.evals.text_similarity import TEXT_SIMILARITY, chrf, f1_tokens, longest_common, rouge_l
from ockham.records import Answer, Example, Requirements, Score, TaskName


def score(answer: str | None, target: str, place: int = 0, cluster: int | None = None) -> Score:
    found = scorers.fields(Example(id=str(place), input="", target=target), Answer(value=answer))
    return Score(example=found.example, answer=answer, target=target, value=found.value, cluster=cluster)


def extracted(pairs: Sequence[tuple[str | None, str]]) -> list[Score]:
    return [score(answer, target, place) for place, (answer, target) in enumerate(pairs)]


# sacreBLEU 2.6.0, CHRF().sentence_score(answer, [target]) / 100
SACREBLEU = [
    ("pm list packages", "pm list packages -f", 0.87579),
    ("git commit --amend", "git commit -m {{message}}", 0.437158),
    ("a", "ab", 0.555556),
    ("ab", "cd", 0.0),
    ("Der Löwe schläft", "Die Löwin schlief", 0.237448),
    ("the cat sat on the mat", "the cat sat on the mat today", 0.782011),
    ("", "x", 0.0),
    ("tar xf {{path}}", "tar xf {{path/to/file.tar}}", 0.441452),
]


@pytest.mark.parametrize(("answer", "target", "expected"), SACREBLEU)
def test_chrf_equals_sacrebleu(answer: str, target: str, expected: float) -> None:
    assert chrf(answer, target) == pytest.approx(expected, abs=1e-6)


def test_chrf_of_no_answer_is_nothing_and_white_space_does_not_count() -> None:
    assert chrf(None, "a") == 0.0
    assert chrf("a  b\n", "ab") == 1.0


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=50)
def test_chrf_is_a_share_and_1_for_equal_texts(one: str, other: str) -> None:
    assert 0.0 <= chrf(one, other) <= 1.0
    assert chrf(one, one) == 1.0


# rouge-score 0.1.2, RougeScorer(["rougeL"]).score(target, answer)["rougeL"].fmeasure
ROUGE = [
    ("the cat sat on the mat", "the cat is on the mat today", 0.769231),
    ("police killed the gunman", "police kill the gunman", 0.75),
    ("the gunman kill police", "police kill the gunman", 0.5),
    ("git commit -m x", "git commit --amend -m y", 0.666667),
    ("SELECT a FROM b", "select a from b;", 1.0),
    ("nothing alike", "quite another", 0.0),
]


@pytest.mark.parametrize(("answer", "target", "expected"), ROUGE)
def test_rouge_l_equals_rouge_score(answer: str, target: str, expected: float) -> None:
    assert rouge_l(answer, target) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("alike", [rouge_l, f1_tokens])
def test_likeness_of_words_at_its_ends(alike: Callable[[str | None, str], float]) -> None:
    assert alike(None, "a") == 0.0
    assert alike("", "a") == 0.0
    assert alike("- -", "- -") == 1.0, "no word in either: they are the same text or not"
    assert alike("-", "+") == 0.0
    assert alike("Größe ÄNDERN", "größe ändern") == 1.0


def test_f1_of_words_forgets_their_order_and_counts_each_once() -> None:
    assert f1_tokens("the gunman kill police", "police kill the gunman") == 1.0
    assert f1_tokens("a a b", "a b b") == pytest.approx(2 * 2 / 6)


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
@settings(max_examples=50)
def test_the_longest_common_subsequence_is_that_of_the_plain_table(one: list[str], other: list[str]) -> None:
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    assert longest_common(one, other) == table[-1][-1]


def test_fields_are_compared_without_order_case_and_emptiness() -> None:
    target = json.dumps({"time": "6 pm", "people": "Nine", "place": {"city": "Graz"}, "note": ""})
    same = json.dumps({"place": {"city": "graz"}, "people": " nine ", "time": "6  pm", "extra": None, "list": []})
    assert field_scores.equal(same, target)
    assert not field_scores.equal(json.dumps({"time": "6 pm"}), target)
    assert field_scores.equal("{}", json.dumps({"note": ""}))
    assert field_scores.parse_fields(json.dumps({"a": ["x", "y", "x"], "n": [1, True]})) == {
        ("a", "x"): 2,
        ("a", "y"): 1,
        ("n", "1"): 1,
        ("n", "true"): 1,
    }


@pytest.mark.parametrize("answer", [None, "", "no json", "[1]", '"text"', "{", "[" * 100_000])
def test_what_is_no_object_has_no_fields_and_is_not_valid(answer: str | None) -> None:
    assert field_scores.parse_fields(answer) is None
    assert not field_scores.valid(answer)
    assert not field_scores.equal(answer, "{}")


def test_micro_f1_counts_fields_over_all_rows() -> None:
    scores = extracted(
        [
            ('{"a": "1", "b": "2"}', '{"a": "1", "b": "3"}'),  # one right of two given and two wanted
            ("{}", '{"a": "1"}'),
            ("not json", '{"b": "1"}'),
            ('{"c": ["x", "x"]}', '{"c": ["x"]}'),  # a second "x" is one too many
        ]
    )
    found = tasks.estimate_metrics("extract", scores, ())
    assert found["f1_micro"].value == pytest.approx(2 * 2 / (4 + 5))
    assert found["f1_micro"].n == 4
    assert found["accuracy"].value == 0.0
    assert list(found) == ["f1_micro", "accuracy", "validity"]


def test_no_field_wanted_and_none_given_is_right() -> None:
    found = tasks.estimate_metrics("extract", extracted([("{}", "{}")] * 30), ())
    assert found["f1_micro"].value == 1.0
    assert found["accuracy"].value == 1.0
    assert 0.8 < found["f1_micro"].low < 0.95, "thirty rows cannot be certain"


def test_an_object_is_valid_also_where_it_is_wrong() -> None:
    answers = ["{}", '{"b": 1}', '{"a": "1"}', '{"a": "1"', "I found a = 1."]
    found = tasks.estimate_metrics("extract", extracted([(answer, '{"a": "1"}') for answer in answers] * 6), ())[
        "validity"
    ]
    assert (found.value, found.n) == (0.6, 30)
    assert (found.low, found.high) == pytest.approx(proportion_confint(18, 30, method="wilson"))


def test_the_validity_of_two_extractors_is_compared_by_the_rows_where_they_differ() -> None:
    targets = ['{"a": "1"}'] * 40
    wrong = extracted([("{}", target) for target in targets])
    cut = extracted([('{"a": "1"' if i < 10 else target, target) for i, target in enumerate(targets)])
    found = comparison.compare(wrong, cut, "validity")
    assert found.difference.value == 0.25
    assert found.difference.low > 0
    assert found.p_value == pytest.approx(binomtest(10, 10).pvalue)


def test_each_field_has_its_precision_and_recall() -> None:
    scores = extracted([('{"a": "1", "b": "2"}', '{"a": "1"}'), ('{"a": "9"}', '{"a": "1"}'), ("{}", '{"a": "1"}')])
    by_name = {part.label: part for part in tasks.per_label_scores("extract", scores)}
    a, b = by_name["a"], by_name["b"]
    assert (a.n, b.n) == (3, 0)
    assert a.precision is not None
    assert a.recall is not None
    assert (a.precision.value, a.recall.value) == (1 / 2, 1 / 3)
    assert b.precision is not None
    assert b.precision.value == 0.0
    assert b.recall is None


def test_the_intervals_of_fields_widen_in_clusters_as_the_overall_one_does() -> None:
    pairs = [('{"a": "1"}' if row % 20 < 16 else '{"a": "2"}', '{"a": "1"}') for row in range(100)]
    alone = extracted(pairs)
    clustered = [dataclasses.replace(score, cluster=row // 2 % 10) for row, score in enumerate(alone)]
    (free,), (tied,) = (tasks.per_label_scores("extract", scores) for scores in (alone, clustered))
    for name in ("precision", "recall", "f1"):
        one, other = getattr(free, name), getattr(tied, name)
        assert one.value == other.value
        assert other.high - other.low > 1.5 * (one.high - one.low)
    overall = f1_micro(clustered)
    assert (tied.f1.low, tied.f1.high) == (overall.low, overall.high) if tied.f1 else False


def simulated(random_: random.Random, rows: int, right: float) -> list[Score]:
    """Draw rows of one to three fields, each answered right with one probability; hard rows come whole."""
    pairs = []
    for _ in range(rows):
        wanted = dict.fromkeys(random_.sample("abc", random_.randint(1, 3)), "v")
        easy = random_.random() < 0.5
        chance = min(1.0, right + 0.08) if easy else right - 0.08
        pairs.append((json.dumps({k: "v" if random_.random() < chance else "x" for k in wanted}), json.dumps(wanted)))
    return extracted(pairs)


@pytest.mark.parametrize(("rows", "right"), [(60, 0.9), (150, 0.6)])
def test_the_interval_of_micro_f1_holds_the_truth_95_times_in_100(rows: int, right: float) -> None:
    random_ = random.Random(rows)
    hits = 0
    for _ in range(300):
        found = f1_micro(simulated(random_, rows, right))
        hits += found.low <= right <= found.high
    assert 0.92 <= hits / 300 <= 0.985


def test_rows_of_one_cluster_widen_the_interval_of_micro_f1() -> None:
    pairs = [("{}" if place // 5 % 4 == 0 else '{"a": "1"}', '{"a": "1"}') for place in range(200)]
    alone = f1_micro([score(a, t, i) for i, (a, t) in enumerate(pairs)])
    together = f1_micro([score(a, t, i, cluster=i // 5) for i, (a, t) in enumerate(pairs)])
    assert together.value == alone.value
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_two_extractors_are_compared_on_the_same_rows() -> None:
    random_ = random.Random(1)
    good = simulated(random_, 300, 0.9)
    targets = [one.target for one in good]
    bad = extracted([("{}" if i % 5 == 0 else one.answer, t) for i, (one, t) in enumerate(zip(good, targets))])  # noqa: B905 - equally long
    found = comparison.compare(good, bad, "f1_micro")
    expected = f1_micro(good).value - f1_micro(bad).value
    assert found.difference.value == pytest.approx(expected)
    assert found.difference.low > 0
    assert found.p_value < 0.001
    same = comparison.compare(good, good, "f1_micro")
    assert same.difference.value == 0
    assert same.p_value > 0.9


def test_two_writers_are_compared_by_their_mean_chrf() -> None:
    target = "list all files of a folder"
    good = [Score(example=str(i), answer="list files of a folder", target=target, value=0.0) for i in range(40)]
    mixed = [
        Score(example=str(i), answer="list files" if i % 2 else "list all files of a folder", target=target, value=0.0)
        for i in range(40)
    ]
    found = comparison.compare(good, mixed, "chrf")
    mean = [chrf(a.answer, target) - chrf(b.answer, target) for a, b in zip(good, mixed, strict=True)]
    assert found.difference.value == pytest.approx(sum(mean) / 40)
    assert found.difference.low <= found.difference.value <= found.difference.high


@pytest.mark.parametrize("name", ["chrf", "rouge_l"])
@pytest.mark.parametrize("size", [1, 3])
def test_the_interval_of_similarity_is_that_of_a_bootstrap(name: str, size: int) -> None:
    """Of rows that stand alone, and of clusters of three that lose as many words each; clusters are drawn whole."""
    draw = np.random.default_rng(4)
    words = np.array(["".join(draw.choice(list("abcdefghijklmnop"), 6)) for _ in range(200)])
    lost = np.repeat(draw.integers(0, 10, 240 // size), size)
    scores = []
    for row, count in enumerate(lost.tolist()):
        target = draw.choice(words, 10).tolist()
        cluster = None if size == 1 else row // size
        answer, text = " ".join(target[count:]), " ".join(target)
        scores.append(Score(example=str(row), answer=answer, target=text, value=0.0, cluster=cluster))
    values = np.array([TEXT_SIMILARITY[name](one.answer, one.target) for one in scores]).reshape(-1, size).mean(axis=1)
    picks = draw.integers(0, values.size, (4_000, values.size))
    low, high = np.quantile(values[picks].mean(axis=1), (0.025, 0.975))
    estimate = METRICS[name].estimate(scores, ())
    assert estimate.value == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.08 * (high - low))


@pytest.mark.parametrize("name", ["chrf", "rouge_l"])
def test_the_interval_of_similarity_stays_between_0_and_1_and_is_never_a_point(name: str) -> None:
    same = [Score(example=str(i), answer="a b c", target="a b c", value=1.0) for i in range(20)]
    none = [dataclasses.replace(score, answer=None, value=0.0) for score in same]
    almost = [*same[1:], dataclasses.replace(same[0], answer="a b")]
    for scores in (same, none, almost):
        estimate = METRICS[name].estimate(scores, ())
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.high - estimate.low > 0.1


@pytest.mark.parametrize(
    ("answer", "target", "right"),
    [("B", "(b)", True), ("b.", "B", True), ("A", "B", False), (None, "B", False), ("Paris", "paris", True)],
)
def test_an_option_is_named_with_or_without_its_marks(answer: str | None, target: str, right: bool) -> None:
    found = scorers.option(Example(id="1", input="", target=target), Answer(value=answer))
    assert found.value == float(right)


def test_a_written_text_is_right_word_for_word() -> None:
    example = Example(id="1", input="", target="SELECT a\nFROM b")
    assert scorers.words(example, Answer(value="SELECT  a FROM b")).value == 1.0
    assert scorers.words(example, Answer(value="select a from b")).value == 0.0


@pytest.mark.parametrize("task", get_args(TaskName))
def test_the_point_of_every_metric_is_the_value_of_its_estimate(task: TaskName) -> None:
    targets = ['{"a": "1"}', '{"a": "2"}', '{"b": "x y"}', '{"a": "1"}'] * 6
    answers = ['{"a": "1"}', '{"a": "3"}', '{"b": "x y"}', None] * 6
    rows = [Example(id=str(i), input="", target=target) for i, target in enumerate(targets)]
    scores = tasks.score_answers(task, rows, [Answer(value=answer) for answer in answers])
    estimates = tasks.estimate_metrics(task, scores, sorted(set(targets)) if task == "classify" else ())
    assert tuple(estimates) == metrics_of(task)
    for name, estimate in estimates.items():
        assert tasks.metric_value(task, name, targets, answers) == pytest.approx(estimate.value)
        assert estimate.low <= estimate.value <= estimate.high
    with pytest.raises(Defect):
        tasks.metric_value(task, "f1_none", targets, answers)


def test_choices_are_made_by_the_metric_that_is_required() -> None:
    assert tasks.metric_for("classify", Requirements()) == "accuracy"
    assert tasks.metric_for("classify", Requirements(min_f1_macro=0.8)) == "f1_macro"
    assert tasks.metric_for("classify", Requirements(min_f1_macro=0.8, min_accuracy=0.9)) == "accuracy"
    assert tasks.metric_for("extract", Requirements(max_p95_ms=10)) == "f1_micro"
    assert tasks.metric_for("extract", Requirements(min_validity=0.99)) == "f1_micro", "every constant is valid"
    assert tasks.metric_for("extract", Requirements(min_validity=0.99, min_accuracy=0.5)) == "accuracy"
    assert tasks.metric_for("generate", Requirements(min_accuracy=0.5)) == "accuracy"
    with pytest.raises(ConfigError, match="min_f1_macro is required, and the task is extract") as caught:
        tasks.metric_for("extract", Requirements(min_f1_macro=0.8))
    assert "--min-f1-micro, --min-accuracy" in caught.value.fix
