"""The linear rung: its margins are LIBLINEAR's, its C comes from validation, and equal work gives equal bytes."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from ockham.errors import ModelError
from ockham.evals import metrics
from ockham.models import hard_negatives, linear, refit, softmax, tfidf
from ockham.records import Example

TOPICS = {
    "billing": ("invoice", "refund", "charged", "card", "price"),
    "delivery": ("parcel", "late", "courier", "address", "depot"),
    "defect": ("broken", "pump", "leaks", "error", "noise"),
}
COMMON = ("please", "my", "order", "again", "the", "hello")


def rows(n: int, seed: int, labels: Sequence[str] = tuple(TOPICS)) -> list[Example]:
    """Make n short mails; one in eight talks of something else than its label."""
    pick = random.Random(seed)
    made = []
    for place in range(n):
        label = pick.choice(labels)
        topic = label if pick.random() > 0.125 else pick.choice(labels)
        words = [*pick.choices(TOPICS[topic], k=2), *pick.choices(COMMON, k=3)]
        made.append(Example(id=str(place), input=" ".join(words), target=label))
    return made


def accuracy(targets: Sequence[str], answers: Sequence[str]) -> float:
    return metrics.share_right(targets, answers)


@pytest.mark.parametrize("labels", [("billing", "delivery"), tuple(TOPICS)])
def test_the_margins_choose_what_liblinear_chooses(labels: tuple[str, ...]) -> None:
    train, unseen = rows(90, 1, labels), rows(60, 2, labels)
    _, matrix = tfidf.fit([row.input for row in train])
    model = linear.learn(train, 0.5, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        solver = LinearSVC(C=0.5, random_state=0, max_iter=200).fit(matrix, [row.target for row in train])
    expected = solver.predict(model.features.transform([row.input for row in unseen])).tolist()
    answers = model.answer([row.input for row in unseen])
    assert [answer.value for answer in answers] == expected
    assert model.settings.labels == tuple(sorted(labels))
    assert all(answer.confidence is not None and answer.confidence >= 1 / len(labels) for answer in answers)


def test_c_and_temperature_are_those_of_a_plain_search(tmp_path: Path) -> None:
    """A search over the whole grid by hand finds no better C beside the one chosen."""
    train, valid = rows(150, 3), rows(80, 4)
    found, answers, _ = linear.fit(train, valid, tmp_path, metric=accuracy, seed=0)
    inputs, truth = [row.input for row in valid], [row.target for row in valid]
    assert found.strength in linear.STRENGTHS
    alone = linear.learn(train, found.strength, seed=0)
    margins = alone.features.transform(inputs) @ alone.weight + alone.bias
    assert list(answers) == softmax.best(margins, alone.settings.labels), "of the model that has not seen them"
    assert found.temperature == pytest.approx(softmax.temperature(margins, truth, found.labels), rel=1e-3)
    score = accuracy(truth, answers)
    margin = 0.5 * np.sqrt(score * (1 - score) / len(valid))
    place = linear.STRENGTHS.index(found.strength)
    for near in linear.STRENGTHS[max(0, place - 1) : place + 2]:
        other = linear.learn(train, near, seed=0).answer(inputs)
        assert accuracy(truth, [str(answer.value) for answer in other]) <= score + 2 * margin


def test_the_metric_that_is_asked_for_chooses(tmp_path: Path) -> None:
    asked: list[int] = []

    def metric(targets: Sequence[str], answers: Sequence[str]) -> float:
        asked.append(len(targets))
        return 0.0 if len(asked) != 2 else 1.0

    found, _, _ = linear.fit(rows(40, 5), rows(20, 6), tmp_path, metric=metric, seed=0)
    assert found.strength == 0.25
    assert asked == [20] * 4


def test_the_final_model_has_learnt_from_the_validation_rows_too(tmp_path: Path) -> None:
    train, valid = rows(40, 7, ("billing", "delivery")), rows(20, 8, ("defect", "delivery"))
    found, _, _ = linear.fit(train, valid, tmp_path, metric=accuracy, seed=0)
    assert found.labels == ("billing", "defect", "delivery")
    assert linear.load(tmp_path).answer(["pump broken leaks"])[0].value == "defect"


def test_equal_work_gives_equal_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        linear.fit(rows(150, 9), rows(40, 10), tmp_path / name, metric=accuracy, seed=3)
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1] == written[2]


def test_without_validation_rows_or_with_one_label(tmp_path: Path) -> None:
    found, answers, _ = linear.fit(rows(30, 11), [], tmp_path, metric=accuracy, seed=0)
    assert (found.strength, found.temperature, answers) == (0.5, 1.0, ())
    single = linear.learn(rows(10, 12, ("defect",)), 0.5, seed=0).answer(["anything", ""])
    assert [(answer.value, answer.confidence) for answer in single] == [("defect", 1.0)] * 2


def test_rows_without_any_word_can_be_learnt_from(tmp_path: Path) -> None:
    emoji = [Example(id=str(i), input="👍 😀"[i % 2 :: 2] * 2, target="ab"[i % 2]) for i in range(12)]
    linear.fit(emoji, [], tmp_path, metric=accuracy, seed=0)
    assert len(linear.load(tmp_path).answer(["👍", "words now"])) == 2


def test_cross_validated_probabilities_come_from_models_that_have_not_seen_the_row() -> None:
    every = rows(60, 13)
    folds = [place % 5 for place in range(60)]
    found = linear.LinearSettings(labels=tuple(sorted(TOPICS)), strength=0.5, temperature=0.4)
    chances = linear.cross_probabilities(every, folds, found, seed=0)
    assert chances.shape == (60, 3)
    assert chances.sum(axis=1) == pytest.approx(1)
    right = sum(found.labels[int(row.argmax())] == example.target for row, example in zip(chances, every, strict=True))
    assert 0.6 < right / 60 < 1
    turned = [*every[:-1], Example(id="59", input=every[-1].input, target="billing")]
    again = linear.cross_probabilities(turned, folds, found, seed=0)
    assert again[folds.index(4) :: 5] == pytest.approx(chances[4::5]), "a row's label says nothing about its own fold"


def test_a_label_that_a_fold_has_not_seen_gets_nothing() -> None:
    every = [*rows(20, 14, ("billing", "delivery")), Example(id="20", input="pump", target="defect")]
    found = linear.LinearSettings(labels=("billing", "defect", "delivery"), strength=0.5, temperature=1.0)
    chances = linear.cross_probabilities(every, [*[0, 1] * 10, 2], found, seed=0)
    assert chances[20, 1] == 0.0
    assert chances.sum(axis=1) == pytest.approx(1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    linear.learn(rows(20, 15), 0.5, seed=0).save(tmp_path)
    (tmp_path / linear.FILE).unlink()
    with pytest.raises(ModelError, match=r"linear\.json") as caught:
        linear.load(tmp_path)
    assert caught.value.code == "E_MODEL_MISSING"


@pytest.mark.parametrize("labels", [["billing"], ["billing", "defect", "delivery", "more"]])
def test_labels_that_are_not_those_of_the_arrays(tmp_path: Path, labels: list[str]) -> None:
    linear.learn(rows(20, 15), 0.5, seed=0).save(tmp_path)
    (tmp_path / linear.FILE).write_text(json.dumps({"labels": labels, "strength": 0.5, "temperature": 1.0}))
    with pytest.raises(ModelError, match=r"not of the shape that linear\.json tells") as caught:
        linear.load(tmp_path)
    assert caught.value.code == "E_MODEL_FORMAT"


def test_many_rows_choose_c_on_a_sample_and_few_validation_rows_are_not_learnt_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "CHOICE_ROWS", 60)
    monkeypatch.setattr(refit, "MANY_ROWS", 60)
    train, few = rows(300, 1), rows(12, 2)
    settings, answers, _ = linear.fit(train, few, tmp_path, metric=accuracy, seed=3)
    model = linear.load(tmp_path)
    alone = linear.learn(train, settings.strength, seed=3)
    assert np.array_equal(model.weight, alone.weight)
    assert [answer.value for answer in alone.answer([row.input for row in few])] == list(answers)
    assert model.settings.temperature != 1.0


def test_many_rows_with_many_validation_rows_learn_from_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "CHOICE_ROWS", 60)
    monkeypatch.setattr(refit, "MANY_ROWS", 60)
    train, valid = rows(300, 1), rows(30, 2)
    settings, answers, _ = linear.fit(train, valid, tmp_path, metric=accuracy, seed=3)
    everything = linear.learn([*train, *valid], settings.strength, seed=3)
    assert np.array_equal(linear.load(tmp_path).weight, everything.weight)
    unseen = linear.learn(train, settings.strength, seed=3)
    assert [answer.value for answer in unseen.answer([row.input for row in valid])] == list(answers)


def test_the_looser_stop_of_large_work_chooses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    train, unseen = rows(400, 1), rows(200, 2)
    close = linear.learn(train, 0.5, seed=0)
    monkeypatch.setattr(linear, "LARGE", 1)
    loose = linear.learn(train, 0.5, seed=0)
    inputs, truth = [row.input for row in unseen], [row.target for row in unseen]
    scores = [accuracy(truth, [str(answer.value) for answer in model.answer(inputs)]) for model in (close, loose)]
    assert abs(scores[0] - scores[1]) <= 0.01
    assert not np.array_equal(close.weight, loose.weight)


def test_every_row_is_checked_by_models_of_bounded_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "CHOICE_ROWS", 80)
    examples = rows(300, 1)
    settings = linear.LinearSettings(labels=tuple(sorted(TOPICS)), strength=0.5, temperature=1.0)
    folds = [index % 3 for index in range(len(examples))]
    checked = linear.cross_probabilities(examples, folds, settings, seed=0)
    assert np.allclose(checked.sum(axis=1), 1)
    best = [settings.labels[column] for column in checked.argmax(axis=1)]
    assert accuracy([row.target for row in examples], best) > 0.7


def test_very_many_labels_learn_from_their_hard_negatives(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [f"label{number}" for number in range(30)]
    pick = random.Random(4)

    def coded(n: int) -> list[Example]:
        drawn = [pick.randrange(30) for _ in range(n)]
        return [
            Example(id=str(i), input=f"part{label:02d} {' '.join(pick.choices(COMMON, k=3))}", target=labels[label])
            for i, label in enumerate(drawn)
        ]

    train, unseen = coded(600), coded(200)
    everything = linear.learn(train, 0.5, seed=0)
    for name, value in (("MANY", 1), ("LABELS", 5), ("NEAREST", 4), ("DRAWN", 60)):
        monkeypatch.setattr(hard_negatives, name, value)
    few = linear.learn(train, 0.5, seed=0)
    again = linear.learn(train, 0.5, seed=0)
    assert few.settings == everything.settings
    assert np.array_equal(few.weight, again.weight)
    assert not np.array_equal(few.weight, everything.weight)
    truth = [row.target for row in unseen]
    for model in (everything, few):
        assert accuracy(truth, [str(answer.value) for answer in model.answer([row.input for row in unseen])]) > 0.97


def test_hard_negatives_are_the_rows_of_the_nearest_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hard_negatives, "NEAREST", 1)
    monkeypatch.setattr(hard_negatives, "DRAWN", 0)
    matrix = csr_matrix(np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 1], [0, 0.6, 0.5]], np.float64))
    chosen = list(hard_negatives.choose(matrix, np.array([0, 1, 2, 3, 3]), seed=0))
    assert [list(rows) for rows in chosen] == [[0, 1], [0, 1], [2, 3, 4], [2, 3, 4]]
