"""The parity gate: the model that was made is the model that is served.

After each step between training and serving that should change nothing, the same rows are answered again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ockham.errors import ModelError
from ockham.evals import paired
from ockham.evals.intervals import proportion
from ockham.records import Estimate, Parity

LOSS = 0.01
"""A loss that is beyond chance, and larger than this, ends the rung; a smaller one is told."""


def compare(step: str, before: Sequence[str], after: Sequence[str], targets: Sequence[str]) -> Parity:
    """Compare two models' answers to the same rows; at least one row.

    Raises `DataError` (``E_TOO_FEW``) without rows.
    """
    same = proportion([float(a == b) for a, b in zip(before, after, strict=True)])
    right = [(a == target, b == target) for a, b, target in zip(before, after, targets, strict=True)]
    gained = sum(b and not a for a, b in right)
    lost = sum(a and not b for a, b in right)
    low, high = paired.tango(gained, lost, len(right))
    difference = Estimate(value=(gained - lost) / len(right), low=low, high=high, n=len(right))
    return Parity(step=step, agreement=same, difference=difference)


def check(found: Parity, cause: str, fix: str) -> None:
    """Raise `ModelError` (``E_PARITY``) where a step has cost accuracy beyond chance and more than one point.

    ``cause`` names what most likely went wrong, and ``fix`` the next step.
    """
    lost = found.difference
    if lost.high < 0 and lost.value < -LOSS:
        kept = f"{found.agreement.value:.1%} of {found.agreement.n:,} validation answers stayed the same"
        message = f"{found.step} cost {-lost.value:.1%} accuracy ({-lost.high:.1%} to {-lost.low:.1%}; {kept}): {cause}"
        raise ModelError("E_PARITY", message, fix=fix)
