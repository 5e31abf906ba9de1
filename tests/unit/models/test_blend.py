"""A blend adds its members' log-probabilities; its weights are those that make unseen rows most likely."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax

from ockham.errors import ModelError
from ockham.models import blend, blend_weights, model_files
from ockham.models.blend import Blend, BlendMember, BlendSettings

LABELS = ("a", "b", "c")


@dataclasses.dataclass(frozen=True)
class Fixed:
    """A model with the same margins for every text."""

    labels: tuple[str, ...]
    row: tuple[float, ...]

    def margins(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self.row] * len(inputs), np.float32)


def blended(*models: Fixed, weights: Sequence[float]) -> Blend:
    members = tuple(BlendMember(kind="linear", weight=weight) for weight in weights)
    return Blend(BlendSettings(labels=LABELS, members=members), models)


def test_its_probabilities_are_the_weighted_mean_of_logarithms() -> None:
    first, second = Fixed(LABELS, (1.0, 2.0, 0.5)), Fixed(LABELS, (3.0, 0.0, -1.0))
    rows = blended(first, second, weights=(0.5, 0.25)).probabilities(["x", "y"])
    logs = 0.5 * log_softmax(np.array(first.row)) + 0.25 * log_softmax(np.array(second.row))
    expected = np.exp(logs) / np.exp(logs).sum()
    assert rows == [pytest.approx(expected, abs=1e-6)] * 2


def test_members_may_have_their_labels_in_another_order_and_lack_some() -> None:
    turned = Fixed(("c", "a"), (5.0, 1.0))
    assert blend.align(turned.margins(["x"]), turned.labels, LABELS).tolist() == [[1.0, 1.0, 5.0]]
    [answer] = blended(turned, Fixed(LABELS, (0.0, 3.0, 0.0)), weights=(1.0, 1.0)).answer(["x"])
    assert answer.value == "c"
    assert answer.confidence == pytest.approx(np.exp(5) / (np.exp(5) + np.exp(1) + np.exp(4)), abs=1e-6)


def test_a_weight_of_0_leaves_a_member_out() -> None:
    unknown = np.full((1, 3), -np.inf)
    assert blend.pool([np.array([[1.0, 2.0, 3.0]]), unknown], (1.0, 0.0)).tolist() == [[1.0, 2.0, 3.0]]


@limits(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 4), st.floats(0.1, 4))
def test_the_weights_are_the_best_that_a_grid_finds(seed: int, first: float, second: float) -> None:
    random = np.random.default_rng(seed)
    parts = [random.normal(size=(80, 3)) * 2 for _ in range(2)]
    logs = log_softmax(first * parts[0] + second * parts[1], axis=1)
    targets = [LABELS[random.choice(3, p=np.exp(row))] for row in logs]
    fitted = blend_weights.fit_weights(parts, targets, LABELS)
    right = [LABELS.index(target) for target in targets]

    def loss(one: float, other: float) -> float:
        """As if of 82 rows one had any label."""
        pooled = log_softmax(one * parts[0] + other * parts[1], axis=1)
        return -float((81 * pooled[np.arange(80), right] + pooled.mean(axis=1)).mean()) / 82

    assert fitted.loss == pytest.approx(loss(*fitted.weights), abs=1e-6)
    grid = np.linspace(0, 6, 41)
    assert fitted.loss <= min(loss(one, other) for one in grid for other in grid) + 1e-4
    assert fitted.loss <= min(fitted.member_losses) + 1e-6
    assert fitted.rows == 80


def test_a_member_that_knows_nothing_counts_for_nothing() -> None:
    random = np.random.default_rng(0)
    targets = [LABELS[index] for index in random.integers(0, 3, 300)]
    good = np.array([[3.0 * (label == target) for label in LABELS] for target in targets])
    good += random.normal(size=good.shape)
    fitted = blend_weights.fit_weights([good, random.normal(size=good.shape)], targets, LABELS)
    assert fitted.weights[1] < 0.05 * fitted.weights[0]


def test_rows_whose_label_a_model_has_not_seen_say_nothing() -> None:
    random = np.random.default_rng(1)
    parts = [random.normal(size=(40, 3)) for _ in range(2)]
    targets = [LABELS[index] for index in random.integers(0, 3, 40)]
    plain = blend_weights.fit_weights(parts, targets, LABELS)
    unseen = [np.vstack([part, [[1.0, 2.0, -np.inf]]]) for part in parts]
    more = blend_weights.fit_weights(unseen, [*targets, "c"], LABELS)
    assert more.weights == pytest.approx(plain.weights)
    assert more.rows == 40
    nothing = blend_weights.fit_weights([part[-1:] for part in unseen], ["c"], LABELS)
    assert (nothing.weights, nothing.rows) == ((1.0, 1.0), 0)


def test_few_rows_that_are_all_right_do_not_make_it_sure_of_everything() -> None:
    right = np.eye(3)[[0, 1, 2, 0]]
    [weight] = blend_weights.fit_weights([right], ["a", "b", "c", "a"], LABELS).weights
    assert np.exp(weight) / (np.exp(weight) + 2) == pytest.approx(5 / 6 + 1 / 18, abs=1e-3), "one row of six is open"


@pytest.mark.parametrize(
    "broken",
    [
        BlendSettings(labels=LABELS, members=()),
        BlendSettings(labels=("a", "a"), members=(BlendMember(kind="linear", weight=1.0),)),
        BlendSettings(labels=LABELS, members=(BlendMember(kind="endpoint", weight=1.0),)),
        BlendSettings(labels=LABELS, members=(BlendMember(kind="blend", weight=1.0),)),
        BlendSettings(labels=LABELS, members=(BlendMember(kind="../../linear", weight=1.0),)),
    ],
)
def test_a_blend_of_what_cannot_be_blended_is_refused(broken: BlendSettings, tmp_path: Path) -> None:
    model_files.write(broken, tmp_path / blend.FILE)
    with pytest.raises(ModelError) as caught:
        blend.load(tmp_path)
    assert caught.value.code == "E_MODEL_FORMAT"
    assert blend.FILE in caught.value.message


def test_a_member_with_other_labels_is_refused(tmp_path: Path) -> None:
    from ockham.evals import metrics
    from ockham.models import linear
    from ockham.records import Example

    part = blend.member_folder(tmp_path, 0, "linear")
    part.mkdir(parents=True)
    rows = [Example(id=str(n), input=f"word{n % 2} text", target=("x", "y")[n % 2]) for n in range(12)]
    linear.fit(rows[:8], rows[8:], part, metric=metrics.share_right, seed=0)
    settings = BlendSettings(labels=LABELS, members=(BlendMember(kind="linear", weight=1.0),))
    model_files.write(settings, tmp_path / blend.FILE)
    with pytest.raises(ModelError, match="not those of its members"):
        blend.load(tmp_path)
