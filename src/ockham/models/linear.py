"""TF-IDF features and a linear classifier: the rung that much bigger models have to beat.

The classifier is a linear support vector machine, one label against the rest (Fan et al. 2008, LIBLINEAR): on intent
data it is as good as multinomial logistic regression or better, and trains ten times faster. Its margins become
probabilities by a softmax with one temperature, fitted on the validation rows (Guo et al. 2017).
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.models import grid_search, hard_negatives, liblinear, model_files, refit, softmax, tfidf
from ockham.models.backend import Decisions
from ockham.records import Answer, Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

FILE = "linear.json"
WEIGHTS = "linear.safetensors"
STRENGTHS = (0.1, 0.25, 0.5, 1.0, 2.0)
"""The values of C that validation chooses from, starting in the middle; a smaller C is a stronger penalty."""
CHOICE_ROWS = refit.MANY_ROWS
"""C is chosen, and labels are checked, with models of no more rows than these, drawn at random: neither depends much
on the rows beyond."""
CHOICE_LABELS = 200
"""The same for labels."""
CHECK_LABELS = 30
"""Where there are very many labels, the nearest ones that a label is told from when labels are checked."""
LARGE = 1_000_000
"""From this product of rows and labels on LIBLINEAR stops where it does by itself, and not 1,000 times as close."""
LARGE_SAMPLE = 200_000
"""The same for a sample of many rows, which chooses C, checks labels or draws the curve: the model is not kept."""

Metric = Callable[[Sequence[str], Sequence[str]], float]
"""Targets and answers in, one number out: larger is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSettings:
    """What `fit` decided."""

    labels: tuple[str, ...]
    strength: float = field(metadata={"above": 0})
    temperature: float = field(metadata={"above": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What validation chose: a temperature for the chosen C, and its answers to rows that it had not seen."""

    temperature: float
    answers: tuple[str, ...]
    confidences: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Linear:
    """The fitted features and one weight vector per label, (features, labels)."""

    features: tfidf.Tfidf
    settings: LinearSettings
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def save(self, folder: Path) -> None:
        """Write the model into a staging folder."""
        from safetensors.numpy import save_file

        self.features.save(folder)
        model_files.write(self.settings, folder / FILE)
        save_file({"weight": self.weight, "bias": self.bias}, folder / WEIGHTS)

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the label of the largest margin; confidence is its probability."""
        if not inputs:
            return []
        return softmax.answers(self.margins(inputs), self.settings.labels, self.settings.temperature)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of their probabilities."""
        return self.settings.labels

    def probabilities(self, inputs: Sequence[str]) -> list[list[float]]:
        """Return the probability of every label for each input."""
        return softmax.rows_of(self.margins(inputs), self.settings.temperature) if inputs else []

    def decide(self, inputs: Sequence[str]) -> Decisions:
        """Return each input's answer with the probability of every label."""
        if not inputs:
            return Decisions([], self.settings.labels, [])
        return softmax.decisions(self.margins(inputs), self.settings.labels, self.settings.temperature)

    def margins(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        """Return how far each input is on each label's side: (inputs, labels)."""
        margins: NDArray[np.float32] = self.features.transform(inputs) @ self.weight + self.bias
        return margins


def fit(
    train: Sequence[Example], valid: Sequence[Example], folder: Path, *, metric: Metric, seed: int
) -> tuple[LinearSettings, tuple[str, ...], tuple[float, ...]]:
    """Choose C on the validation rows, fit on all rows with it, and write the model into a staging folder.

    Return the settings, and what the model that had not seen the validation rows answered to them, with its confidence:
    the temperature alone was fitted on them. Without validation
    rows C is 0.5. Where there are many rows, see `CHOICE_ROWS` and `refit`.
    """
    if len(train) > CHOICE_ROWS and valid:
        model, choice = _fit_many(train, valid, metric, seed)
    else:
        strength, choice = _choose(train, valid, metric, seed, is_sample=False)
        model = learn([*train, *valid], strength, temperature=choice.temperature, seed=seed)
    model.save(folder)
    return model.settings, choice.answers, choice.confidences


def _fit_many(train: Sequence[Example], valid: Sequence[Example], metric: Metric, seed: int) -> tuple[Linear, Choice]:
    strength, _ = _choose(*_sample(train, valid, seed), metric, seed, is_sample=True)
    model = learn(train, strength, seed=seed)
    truth = [example.target for example in valid]
    margins = model.margins([example.input for example in valid])
    choice = _unseen_answers(margins, truth, model.settings.labels)
    if not refit.is_worthwhile(len(train), len(valid)):
        settings = dataclasses.replace(model.settings, temperature=choice.temperature)
        return dataclasses.replace(model, settings=settings), choice
    return learn([*train, *valid], strength, temperature=choice.temperature, seed=seed), choice


def _sample(
    train: Sequence[Example], valid: Sequence[Example], seed: int
) -> tuple[Sequence[Example], Sequence[Example]]:
    """Draw training rows to choose C with, and the validation rows of their labels, which are not very many either."""
    import numpy as np

    random = np.random.default_rng(seed)
    labels = np.array(sorted({row.target for row in train}))
    drawn = set(random.choice(labels, min(CHOICE_LABELS, len(labels)), replace=False).tolist())
    among = [row for row in train if row.target in drawn]
    order = random.permutation(len(among))[:CHOICE_ROWS]
    return [among[index] for index in order], [row for row in valid if row.target in drawn]


def learn(
    examples: Sequence[Example], strength: float, *, seed: int, temperature: float = 1.0, is_sample: bool = False
) -> Linear:
    """Fit features and margins on all the examples given, with a given C; ``is_sample``: see `LARGE_SAMPLE`."""
    features, matrix = tfidf.fit([example.input for example in examples])
    targets = [example.target for example in examples]
    if hard_negatives.pay_off(len(targets), len(set(targets))):
        matrix.data = matrix.data.astype("float64")  # at once, for each label is solved by itself
    labels, weight, bias = _solve(matrix, targets, strength, seed, is_sample=is_sample)
    return Linear(features, LinearSettings(labels=labels, strength=strength, temperature=temperature), weight, bias)


def load(folder: Path) -> Linear:
    """Read the model; raises `ModelError` where a file is missing or not as `fit` wrote it."""
    arrays = model_files.read_arrays(folder / WEIGHTS, ("weight", "bias"))
    features, settings = tfidf.load(folder), model_files.read(LinearSettings, folder / FILE)
    model_files.check_shapes(arrays, (features.size, len(settings.labels)), (WEIGHTS, FILE))
    return Linear(features, settings, arrays["weight"], arrays["bias"])


def cross_probabilities(
    examples: Sequence[Example], folds: Sequence[int], settings: LinearSettings, *, seed: int
) -> NDArray[np.float64]:
    """Return each row's label probabilities from a model that has not seen its fold: (rows, labels of ``settings``)."""
    return softmax.probabilities(cross_margins(examples, folds, settings, seed=seed), settings.temperature)


def cross_margins(
    examples: Sequence[Example], folds: Sequence[int], settings: LinearSettings, *, seed: int
) -> NDArray[np.float64]:
    """Return each row's margins from a model that has not seen its fold: (rows, labels of ``settings``).

    A model learns from `CHOICE_ROWS` rows at most, drawn at random; the margin of a label that it has not seen is -inf.
    Every model learns from the rows of a fold below 0, which get no margins.
    """
    import numpy as np

    _, matrix = tfidf.fit([example.input for example in examples])
    targets = [example.target for example in examples]
    fold_numbers = np.asarray(folds)
    out = np.full((len(examples), len(settings.labels)), -np.inf)
    column = {label: index for index, label in enumerate(settings.labels)}

    for fold in sorted(fold for fold in set(folds) if fold >= 0):
        inside, outside = np.flatnonzero(fold_numbers == fold), np.flatnonzero(fold_numbers != fold)
        is_sample = len(outside) > CHOICE_ROWS
        if is_sample:
            outside = np.sort(np.random.default_rng(seed).choice(outside, CHOICE_ROWS, replace=False))
        known_targets = [targets[int(i)] for i in outside]
        labels, weight, bias = _solve(
            matrix[outside], known_targets, settings.strength, seed, CHECK_LABELS, is_sample=is_sample
        )
        out[np.ix_(inside, np.array([column[label] for label in labels]))] = matrix[inside] @ weight + bias
    return out


def _choose(
    train: Sequence[Example], valid: Sequence[Example], metric: Metric, seed: int, *, is_sample: bool
) -> tuple[float, Choice]:
    targets = [example.target for example in train]
    if not valid:
        return 0.5, Choice(temperature=1.0, answers=())
    features, matrix = tfidf.fit([example.input for example in train])
    unseen = features.transform([example.input for example in valid])
    truth = [example.target for example in valid]

    def trial(strength: float) -> tuple[float, Choice]:
        labels, weight, bias = _solve(matrix, targets, strength, seed, is_sample=is_sample)
        choice = _unseen_answers(unseen @ weight + bias, truth, labels)
        return metric(truth, choice.answers), choice

    return grid_search.hill_climb(STRENGTHS, trial, len(truth))


def _unseen_answers(margins: NDArray[np.float32], truth: Sequence[str], labels: Sequence[str]) -> Choice:
    temperature = softmax.temperature(margins, truth, labels)
    return Choice(
        temperature=temperature,
        answers=tuple(softmax.best(margins, labels)),
        confidences=softmax.confidences(margins, temperature),
    )


def _solve(
    matrix: csr_matrix,
    targets: Sequence[str],
    strength: float,
    seed: int,
    nearest_labels: int | None = None,
    *,
    is_sample: bool = False,
) -> tuple[tuple[str, ...], NDArray[np.float32], NDArray[np.float32]]:
    """Fit one margin per label: labels in sorted order, weights (features, labels), biases (labels,).

    Never from two threads at once: LIBLINEAR's random numbers are one stream for the whole process, and the last digits
    of the result would follow from which thread was faster.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    labels = tuple(sorted(set(targets)))
    if len(labels) == 1:
        return labels, np.zeros((matrix.shape[1], 1), np.float32), np.zeros(1, np.float32)
    large = LARGE_SAMPLE if is_sample else LARGE
    stop = {"dual": True, "tol": 0.1} if matrix.shape[0] * len(labels) >= large else {}
    number = {label: index for index, label in enumerate(labels)}
    numbers = np.array([number[target] for target in targets], dtype=np.int64)
    solver: Any = LinearSVC(C=strength, random_state=seed % 2**32, max_iter=200, **stop)
    with warnings.catch_warnings():
        # Stopping a little short of the optimum costs nothing measurable; validation judges the result as it is.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if hard_negatives.pay_off(matrix.shape[0], len(labels)):
            chosen = hard_negatives.choose(matrix, numbers, seed, nearest_labels)
            return labels, *_solve_each(solver, matrix, numbers, chosen)
        if stop:
            weight, bias = liblinear.fit(solver, matrix, numbers)
        else:
            solver.fit(matrix, numbers)
            weight, bias = solver.coef_, solver.intercept_
    if len(labels) == 2:  # one margin, for the second label
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return labels, np.ascontiguousarray(weight.T, dtype=np.float32), bias.astype(np.float32)


def _solve_each(
    solver: Any,  # noqa: ANN401 - scikit-learn has no types
    matrix: csr_matrix,
    labels: NDArray[np.int64],
    chosen: Iterable[NDArray[np.int64]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit the margin of each of very many labels by itself: weights (features, labels), biases (labels,)."""
    import numpy as np

    weight = np.zeros((int(labels.max()) + 1, matrix.shape[1]), np.float32)
    bias = np.zeros(len(weight), np.float32)
    for label, rows in enumerate(chosen):
        solver.fit(matrix[rows], labels[rows] == label)
        weight[label], bias[label] = solver.coef_[0], solver.intercept_[0]
    return np.ascontiguousarray(weight.T), bias
