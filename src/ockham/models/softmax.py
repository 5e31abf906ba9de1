"""From one number per label to an answer with its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ockham.models.backend import Decisions
from ockham.records import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def probabilities(margins: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Turn margins (rows, labels) into probabilities: softmax of margins / temperature."""
    import numpy as np

    scaled = margins.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def rows_of(margins: NDArray[np.floating], temperature: float) -> list[list[float]]:
    """Return the probabilities of each row as plain numbers."""
    rows: list[list[float]] = probabilities(margins, temperature).tolist()
    return rows


def answers(
    margins: NDArray[np.floating], labels: Sequence[str], temperature: float, tokens: Sequence[int] | None = None
) -> list[Answer]:
    """Answer each row with its most probable label and that label's probability; the first of equals.

    ``tokens`` are counted in each row's text, where a model has them.
    """
    return _answers(probabilities(margins, temperature), labels, tokens)


def decisions(
    margins: NDArray[np.floating], labels: Sequence[str], temperature: float, tokens: Sequence[int] | None = None
) -> Decisions:
    """Return the same `answers`, with the probabilities that they were taken by."""
    shares = probabilities(margins, temperature)
    return Decisions(_answers(shares, labels, tokens), tuple(labels), shares.tolist())


def _answers(shares: NDArray[np.float64], labels: Sequence[str], tokens: Sequence[int] | None) -> list[Answer]:
    best = shares.argmax(axis=1)
    counts = [None] * len(best) if tokens is None else tokens
    return [
        Answer(value=labels[int(index)], confidence=float(row[index]), tokens_in=count)
        for row, index, count in zip(shares, best, counts, strict=True)
    ]


def best(margins: NDArray[np.floating], labels: Sequence[str]) -> list[str]:
    """Name the label of the largest margin of each row."""
    return [labels[int(index)] for index in margins.argmax(axis=1)]


def confidences(margins: NDArray[np.floating], temperature: float) -> tuple[float, ...]:
    """Return the probability of each row's best label."""
    return tuple(float(share) for share in probabilities(margins, temperature).max(axis=1))


def temperature(margins: NDArray[np.floating], targets: Sequence[str], labels: Sequence[str]) -> float:
    """Fit the one number that makes the probabilities most likely (Guo et al. 2017), between 1/64 and 64.

    Of n rows each counts as right with (n + 1) / (n + 2) alone (as Platt 1999 does it): n right answers in a row are no
    proof that the next one is right too. Rows whose target is not among the labels say nothing and are left out; with
    none left the answer is 1.
    """
    import numpy as np
    from scipy.optimize import minimize_scalar

    column = {label: index for index, label in enumerate(labels)}
    labelled = [row for row, target in enumerate(targets) if target in column]
    if not labelled:
        return 1.0
    seen = margins[labelled].astype(np.float64)
    right = np.array([column[targets[row]] for row in labelled])
    wrong_share = 1 / (len(right) + 2)

    def loss(log_temperature: float) -> float:
        scaled = seen / np.exp(log_temperature)
        top = scaled.max(axis=1)
        spread = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        own = scaled[np.arange(len(right)), right]
        others = (scaled.sum(axis=1) - own) / max(1, scaled.shape[1] - 1)
        return float((spread - (1 - wrong_share) * own - wrong_share * others).mean())

    bound = float(np.log(64))
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))
