"""How far each member of a blend is trusted: fitted on what models say of rows that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendFit:
    """The factor of each member's margins, and the mean log-loss of the blend and of each member with a temperature.

    ``rows`` counts those that it was fitted on.
    """

    weights: tuple[float, ...]
    loss: float
    member_losses: tuple[float, ...]
    rows: int


def fit_weights(margins: Sequence[NDArray[np.float64]], targets: Sequence[str], labels: Sequence[str]) -> BlendFit:
    """Fit the factors that make the targets most likely, by the margins of models that have not seen them.

    ``margins`` are (rows, labels) for each member, -inf where a model does not know a label; rows whose target one of
    them does not know say nothing and are left out. A factor is weight and temperature in one, and the loss is convex
    in the factors. As in Platt (1999), targets are taken for not quite sure, as if of rows + 2 one had any label: few
    rows that are all answered right would ask for factors without end.
    """
    import numpy as np

    column = {label: index for index, label in enumerate(labels)}
    right = np.array([column[target] for target in targets], dtype=np.int64)
    known = np.all([np.isfinite(part[np.arange(len(right)), right]) for part in margins], axis=0)
    right, parts = right[known], np.stack([_finite(part[known]) for part in margins])
    rows, number = len(right), len(parts)
    if not rows:
        return BlendFit(weights=(1.0,) * number, loss=0.0, member_losses=(0.0,) * number, rows=0)
    wanted = np.full(parts.shape[1:], 1 / ((rows + 2) * len(labels)))
    wanted[np.arange(rows), right] += 1 - 1 / (rows + 2)
    weights, loss = _minimize(parts, wanted)
    alone = [_minimize(parts[index : index + 1], wanted)[1] for index in range(number)]
    return BlendFit(weights=weights, loss=loss, member_losses=tuple(alone), rows=rows)


def _minimize(parts: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[tuple[float, ...], float]:
    """Return the factors of margins, (members, rows, labels), with the least mean cross-entropy, and that."""
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    def loss(factors: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logs = log_softmax(np.tensordot(factors, parts, axes=1), axis=1)
        slope = np.tensordot(parts, np.exp(logs) - wanted, axes=([1, 2], [0, 1])) / len(wanted)
        return -float((wanted * logs).sum()) / len(wanted), slope

    fitted = minimize(loss, np.ones(len(parts)), jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(parts))
    return tuple(float(factor) for factor in fitted.x), float(fitted.fun)


def _finite(margins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return margins in which a label that a model does not know has the smallest of the row."""
    import numpy as np

    is_known = np.isfinite(margins)
    least = np.where(is_known, margins, np.inf).min(axis=1, keepdims=True)
    return np.where(is_known, margins, least)
