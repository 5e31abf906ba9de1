"""Margins into probabilities, and the temperature against a plain search over a fine grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.special import softmax as reference

from ockham.models import softmax

LABELS = ("a", "b", "c")


def test_probabilities_are_those_of_scipy_even_where_powers_overflow() -> None:
    margins = np.array([[1.0, 2.0, 3.0], [-1e4, 0.0, 1e4], [1e5, 1e5, 1e5]], np.float32)
    found = softmax.probabilities(margins, 0.5)
    assert found == pytest.approx(reference(margins.astype(np.float64) / 0.5, axis=1))
    assert found.sum(axis=1) == pytest.approx(1)


def test_the_first_of_equally_probable_labels_answers() -> None:
    margins = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 1.0]], np.float32)
    assert softmax.best(margins, LABELS) == ["a", "b"]
    answer = softmax.answers(margins, LABELS, 1.0)[0]
    assert answer.value == "a"
    assert answer.confidence == pytest.approx(1 / 3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 20), st.integers(2, 5))
def test_the_temperature_is_the_one_a_grid_finds(seed: int, true: float, count: int) -> None:
    random = np.random.default_rng(seed)
    margins = random.normal(size=(60, count)) * true
    chances = reference(margins / true, axis=1)
    targets = [str(random.choice(count, p=row)) for row in chances]
    labels = [str(label) for label in range(count)]
    found = softmax.temperature(margins, targets, labels)

    def loss(temperature: float) -> float:
        logs = log_softmax(margins / temperature, axis=1)
        shares = np.full(logs.shape, 1 / 62 / (count - 1))
        shares[np.arange(60), [int(target) for target in targets]] = 61 / 62
        return -float((shares * logs).sum(axis=1).mean())

    grid = np.geomspace(1 / 64, 64, 801)
    assert loss(found) <= min(loss(float(t)) for t in grid) + 1e-4


@pytest.mark.parametrize("count", [2, 30, 400])
def test_answers_that_were_all_right_are_as_sure_as_their_number_allows(count: int) -> None:
    margins = np.array([[5.0, 0.0], [0.0, 5.0]] * (count // 2))
    found = softmax.temperature(margins, ["a", "b"] * (count // 2), ["a", "b"])
    assert softmax.confidences(margins, found) == pytest.approx([(count + 1) / (count + 2)] * count, abs=1e-3)


def test_the_temperature_ends_at_its_bounds() -> None:
    sure = np.array([[5.0, 0.0], [0.0, 5.0]])
    assert softmax.temperature(sure, ["b", "a"], ["a", "b"]) == pytest.approx(64, rel=0.01)


def test_rows_of_unknown_targets_say_nothing() -> None:
    random = np.random.default_rng(0)
    margins = random.normal(size=(30, 3))
    targets = [LABELS[place] for place in random.integers(0, 3, 30)]
    plain = softmax.temperature(margins, targets, LABELS)
    more = np.concatenate([margins, random.normal(size=(4, 3))])
    assert softmax.temperature(more, [*targets, *["unseen"] * 4], LABELS) == pytest.approx(plain)
    assert softmax.temperature(margins[:2], ["x", "y"], LABELS) == 1.0
    assert softmax.temperature(margins[:0], [], LABELS) == 1.0
