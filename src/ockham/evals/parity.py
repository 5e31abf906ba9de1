"""The parity gate: the model that was made is the model that is served.

After each step between training and serving that should change nothing, the same rows are answered again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ockham.errors import ModelError
from ockham.evals import comparison
from ockham.evals.intervals import proportion
from ockham.plain_numbers import percent, percent_range
from ockham.records import Estimate, Parity, Score

LOSS = 0.01
"""A loss that is beyond chance, and larger than this, ends the rung; a smaller one is told."""
AGREED = 0.9
"""The share of answers that must stay the same where a step changes numbers in their last bits only."""


def compare(step: str, before: Sequence[Score], after: Sequence[Score], metric: str) -> Parity:
    """Compare two models' answers to the same rows; at least one row.

    Raises `DataError` (``E_TOO_FEW``) without rows.
    """
    same = proportion([float(a.answer == b.answer) for a, b in zip(before, after, strict=True)])
    difference = comparison.compare(after, before, metric).difference
    return Parity(step=step, agreement=same, difference=difference, metric=metric)


def significant_loss(parity: Parity, *, exact: bool) -> str | None:
    """Say what a step has cost, where that is beyond chance and more than one point, or nothing.

    Of an ``exact`` step, which changes numbers in their last bits only, nine answers in ten must have stayed the same.
    """
    cost, agreement = parity.difference, parity.agreement
    if cost.high < 0 and cost.value < -LOSS:
        spread = percent_range(-cost.high, -cost.low)
        return f"{parity.step} cost {percent(-cost.value)} ({spread}; {unchanged_answers(agreement)})"
    if exact and agreement.high < AGREED:
        return f"{parity.step} changed the answers ({unchanged_answers(agreement)})"
    return None


def unchanged_answers(agreement: Estimate) -> str:
    """Say how many answers stayed the same."""
    return f"{percent(agreement.value)} of {agreement.n:,} validation answers stayed the same"


def check(parity: Parity, cause: str, fix: str, *, exact: bool = False) -> None:
    """Raise `ModelError` (``E_PARITY``) where a step has cost what `significant_loss` says.

    ``cause`` names what most likely went wrong, and ``fix`` the next step.
    """
    what = significant_loss(parity, exact=exact)
    if what is not None:
        raise ModelError("E_PARITY", f"{what}: {cause}", fix=fix)
