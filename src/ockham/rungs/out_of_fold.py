"""What models that have not seen a row say of it: the cheap rungs, cross-validated on training and validation rows.

Labels are checked with it, and blends are weighed by it; it is worked out once a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import machine
from ockham.data import label_issues
from ockham.errors import Defect
from ockham.records import Example, Progress
from ockham.rungs.rung import RunContext, Rung, cache_key, find_built
from ockham.store.memo import find_or_make_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDS = 5
FOLDS_OF_MANY = 3
MANY_ROWS = 5000
"""From here on, three folds leave enough rows to learn from."""
MARGINS = "margins.safetensors"


def out_of_fold_margins(context: RunContext, rungs: Sequence[Rung]) -> dict[str, NDArray[np.float64]]:
    """Return each row's margins from a model of each rung that has not seen its fold: (rows, labels), by rung.

    The rows are those of training, then of validation; the labels those of both, sorted. No cluster is in two folds.
    The margin of a label that a fold's model has not seen is -inf. Each rung was built before.
    """
    kept = {rung.name: _find(context, rung) for rung in rungs}
    new = [rung for rung in rungs if kept[rung.name] is None]
    if new:
        rows = [*context.short_side("train"), *context.short_side("valid")]
        fold_numbers = assign_folds(context, rows)
        names = " and ".join(rung.name for rung in new)
        message = f"cross-validating {names} in {_count_folds(rows)} parts"
        context.on_progress(Progress(stage="measure", message=message))
        jobs = [partial(_cross_validate, context, rung, fold_numbers) for rung in new]
        for rung, margins in zip(new, machine.run_parallel(jobs), strict=True):
            _keep(context, rung, margins)
            kept[rung.name] = margins
    return {name: margins for name, margins in kept.items() if margins is not None}


def _cross_validate(context: RunContext, rung: Rung, folds: Sequence[int]) -> NDArray[np.float64]:
    built = find_built(context, rung)
    if built is None or rung.cross_validate is None:
        raise Defect("E_DEFECT", f"the rung {rung.name} cannot be cross-validated", fix="please report this")
    return rung.cross_validate(context, built, folds)


def _count_folds(rows: Sequence[Example]) -> int:
    return FOLDS if len(rows) < MANY_ROWS else FOLDS_OF_MANY


def assign_folds(context: RunContext, rows: Sequence[Example]) -> list[int]:
    """Return the fold of each training and validation row; no cluster is in two."""
    import numpy as np

    split = context.prepared.split
    clusters = np.array([split.clusters[index] for index in (*split.train, *split.valid)])
    targets = [row.target for row in rows]
    numbers: list[int] = label_issues.folds(clusters, targets, _count_folds(rows), context.config.seed).tolist()
    return numbers


def _find(context: RunContext, rung: Rung) -> NDArray[np.float64] | None:
    from safetensors.numpy import load_file

    folder = context.run.artifact("out-of-fold", cache_key(context, rung))
    return None if folder is None else load_file(folder / MARGINS)["margins"]


def _keep(context: RunContext, rung: Rung, margins: NDArray[np.float64]) -> None:
    from safetensors.numpy import save_file

    def write(folder: Path) -> None:
        save_file({"margins": margins}, folder / MARGINS)

    find_or_make_folder(context.run, "out-of-fold", cache_key(context, rung), write, lasting=False)
