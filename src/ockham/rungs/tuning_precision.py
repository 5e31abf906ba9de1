"""The precision that a run tunes language models in: decided once, where the run begins, and kept in it."""

from __future__ import annotations

from ockham import machine
from ockham.records import DeviceName, Precision, PrecisionName, TunedIn
from ockham.store import Run

_KIND, _KEY = "precision", "tuning"


def settle_precision(requested: PrecisionName, device: DeviceName, run: Run) -> Precision:
    """Return the precision to tune in: the one that was asked for, or the faster one here when the run began.

    What is measured is kept in the run, so that a run which goes on on another processor does not mix two precisions.
    torch must be installed.
    """
    tuned = tuned_in(run)
    if tuned is None:
        tuned = _decide(requested, device)
        run.save(_KIND, _KEY, tuned)
    return tuned.precision


def tuned_in(run: Run) -> TunedIn | None:
    """Return what was settled in a run, or ``None`` where nothing has been."""
    return run.load(_KIND, _KEY, TunedIn)


def _decide(requested: PrecisionName, device: DeviceName) -> TunedIn:
    from ockham.tuning import precision

    processor = machine.processor()
    if requested != "auto":
        return TunedIn(precision=requested, is_requested=True, processor=processor)
    where = precision.compute_device(device)
    speedup = precision.measure_speedup(precision.step_timer(where))
    return TunedIn(
        precision=precision.faster(speedup),
        is_requested=False,
        processor=processor if where == "cpu" else precision.graphics_name(),
        speedup=float(f"{speedup:.3g}"),
    )
