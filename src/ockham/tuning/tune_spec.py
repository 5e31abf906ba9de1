"""How to tune: one frozen spec for every model, and the guardrails that speak before it starts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ockham.records import EpochPoint

FEW_ROWS = 1000
MANY_EPOCHS = 10
_STEPS = 700
_PASS = 20
_SMALLEST, _LARGEST = 8, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneSpec:
    """How to tune.

    ``epochs`` is the most passes over the training rows; tuning ends earlier when the validation rows have gained
    nothing (metric or loss) for ``patience`` passes, and keeps the best pass by the task metric. ``batch`` is in rows,
    ``learning_rate`` the peak of a warm-up and linear decay over all ``epochs``. LoRA (Hu et al. 2021) of ``rank`` and
    scale ``alpha``/``rank`` goes into all layers of a decoder and into the upper ``depth`` share of an encoder's; the
    layers below run without a backward pass. ``all_weights``: those of an encoder's layers are tuned instead.
    ``workers`` threads share each batch, at most ``part`` rows at a time; both numbers are part of the result, in its
    last bits. ``recompute_activations``: a decoder computes part of what it needs again, which takes a quarter longer
    and less memory.
    """

    epochs: int = field(default=5, metadata={"min": 1, "max": 1000})
    learning_rate: float = field(default=2e-3, metadata={"above": 0, "max": 1})
    batch: int = field(default=64, metadata={"min": 1, "max": 65_536})
    rank: int = field(default=16, metadata={"min": 1, "max": 1024})
    alpha: float = field(default=32.0, metadata={"above": 0, "max": 65_536})
    depth: float = field(default=0.5, metadata={"above": 0, "max": 1})
    warmup: float = field(default=0.06, metadata={"min": 0, "max": 1})
    weight_decay: float = field(default=0.01, metadata={"min": 0, "max": 1})
    patience: int = field(default=3, metadata={"min": 1, "max": 1000})
    seed: int = field(default=0, metadata={"min": 0})
    workers: int = field(default=2, metadata={"min": 1, "max": 256})
    part: int = field(default=32, metadata={"min": 1, "max": 65_536})
    recompute_activations: bool = False
    all_weights: bool = False


def batch_for(rows: int) -> int:
    """Return the rows of a step: 64, and with fewer than 1,280 so many that a pass has 20 steps, but at least 8.

    So few rows would otherwise end after a hundred steps, which is too few to learn anything new.
    """
    return min(_LARGEST, max(_SMALLEST, rows // _PASS))


def passes(rows: int, batch: int) -> int:
    """Return the most passes worth trying: about 700 steps, at least 3 passes and at most 10.

    Few rows need more passes for as many steps; early stopping ends them where they stop helping.
    """
    steps = max(1, math.ceil(rows / batch))
    return min(MANY_EPOCHS, max(3, round(_STEPS / steps)))


def early_stop(points: Sequence[EpochPoint], spec: TuneSpec) -> str | None:
    """Say that tuning ended before its last epoch because validation gained nothing more, or nothing."""
    last = points[-1].epoch
    best = next((point.epoch for point in points if point.is_best), 0.0)
    losses = [(point.valid_loss, point.epoch) for point in points if point.valid_loss is not None]
    gain = max(best, min(losses)[1]) if losses else best
    if last >= spec.epochs or last + 1 - gain <= spec.patience:
        return None
    kept = f"epoch {best:.0f}" if best else "the model before tuning"
    return (
        f"tuning stopped early, after epoch {last:.0f} of {spec.epochs}: no gain on the validation rows for "
        f"{last - gain:.0f} epochs; {kept} is kept"
    )


def memorising(points: Sequence[EpochPoint]) -> tuple[str, ...]:
    """Say from which epoch on the model overfits: training loss falls while validation loss rises."""
    for before, after in itertools.pairwise(points[1:]):
        if before.valid_loss is None or after.valid_loss is None:
            continue
        if before.train_loss is None or after.train_loss is None:
            continue
        if after.valid_loss > before.valid_loss and after.train_loss < before.train_loss:
            best = next(point.epoch for point in points if point.is_best)
            return (
                f"from epoch {after.epoch:.0f} on it overfits: the validation loss rises "
                f"({before.valid_loss:.3g} to {after.valid_loss:.3g}) while the training loss falls; epoch "
                f"{best:.0f} was kept",
            )
    return ()


def guardrails(spec: TuneSpec, rows: int) -> tuple[str, ...]:
    """Say what is risky about tuning with this spec on so many training rows, and why."""
    warnings = []
    if rows < FEW_ROWS:
        warnings.append(
            f"tuning on {rows:,} training rows: under {FEW_ROWS:,} a tuned model often memorizes the rows; "
            "watch its training curve, and trust only the test interval"
        )
    if spec.epochs > MANY_EPOCHS:
        warnings.append(
            f"up to {spec.epochs} epochs: after about {MANY_EPOCHS} a model memorizes the rows instead of learning "
            "the task; the epoch that is best on the validation rows is kept"
        )
    return tuple(warnings)
