"""The verbs of the command line that no room offers as they stand: they look at the clock, the machine, the prices."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.records import Progress, Report, ignore

if TYPE_CHECKING:
    from ockham.api.consent import Destination
    from ockham.bundles.measured_rows import EvalSpec
    from ockham.catalog import Prices
    from ockham.diagnosis import Diagnosis
    from ockham.downloads.model_list import ModelList
    from ockham.downloads.pull import PullResult, PullSpec
    from ockham.planning import Advice, Plan, PlanSpec, Questions


def decide(questions: Questions, *, prices: str | Path | None = None) -> Advice:
    """Advise whether a small model is the right choice, and how to find out.

    ``prices`` is a table of prices of your own (TOML). Raises `ConfigError` (``E_CONFIG``) for one that cannot be used.
    """
    from ockham.planning import advise

    return advise(questions, _prices(prices))


def plan(spec: PlanSpec | None = None, *, prices: str | Path | None = None, measure: bool = False) -> Plan:
    """Predict memory, speed and cost of models before you download any; without ``spec.models``, of the catalogue.

    Where ``spec`` names no device, the plan is for this machine, which is measured once a day, and anew with
    ``measure``. ``prices`` is a table of prices of your own (TOML). Raises `ConfigError` (``E_CONFIG``) for an unknown
    model, device or API (with the nearest names), an impossible context, and a price that is missing.
    """
    from ockham import machine
    from ockham.planning import PlanSpec
    from ockham.planning import plan as plan_for
    from ockham.planning.this_machine import detect_machine

    spec, table, now = spec or PlanSpec(), _prices(prices), dt.datetime.now(dt.timezone.utc)
    here = None
    if spec.device is None:
        here = detect_machine(machine.cache(), now, time.process_time, threads=spec.threads, anew=measure)
    return plan_for(spec, table, now.date(), here)


def list_models() -> ModelList:
    """List the catalogue's language models: which are here, what the others download, and how fast each would be."""
    from ockham import machine
    from ockham.downloads.model_list import list_models as list_for
    from ockham.planning.this_machine import detect_machine
    from ockham.rungs.cached_models import folders

    target = detect_machine(machine.cache(), dt.datetime.now(dt.timezone.utc), time.process_time)
    return list_for(folders(machine.cache(), None, os.environ), target)


def pull_model(spec: PullSpec, *, on_progress: Callable[[Progress], None] = ignore) -> PullResult:
    """Download a language model into the user's cache, unless it is there; this alone uses the network.

    Raises `ConfigError` (``E_CONFIG``) for a name that the catalogue has not, `ModelError` (``E_LICENCE``,
    ``E_MODEL_BUSY``, ``E_DOWNLOAD``, ``E_MODEL_DIGEST``) and `StoreError` (``E_DISK``).
    """
    from ockham import machine
    from ockham.downloads.pull import pull

    return pull(spec, machine.cache(), dt.date.today().isoformat(), on_progress)


def remove_model(name: str) -> float:
    """Remove a language model that was downloaded; return the megabytes freed.

    Raises `ConfigError` (``E_CONFIG``) for an unknown name and `ModelError` (``E_MODEL_MISSING``) for one not here.
    """
    from ockham import machine
    from ockham.downloads.pull import remove

    return remove(name, machine.cache())


def doctor(folder: str | Path = ".") -> Diagnosis:
    """Show what this machine has and which rungs it can run; ``folder`` is where runs would be kept."""
    from ockham.diagnosis import diagnose

    return diagnose(Path(folder), today=dt.date.today())


def report(run: str | Path, out: str | Path | None = None, *, csv: bool = False) -> tuple[Path, ...]:
    """Write the report of a run again, into the run or the file ``out``; return the files written, the page first.

    With ``csv``, the wrong answers and the labels in doubt are written beside the page. Nothing is measured again.
    Raises `RunError` (``E_RUN_MISSING``) for a run that has no verdict yet.
    """
    from ockham.ladder.run_folder import write_report, write_tables

    page = write_report(run, out)
    return (page, *(write_tables(run, page.parent) if csv else ()))


def eval(  # noqa: A001 - the name of the command
    model: str | Path,
    source: object,
    spec: EvalSpec | None = None,
    *,
    endpoint: Destination | None = None,
    on_progress: Callable[[Progress], None] = ignore,
) -> Report:
    """Measure a bundle, the bundle of a run, or a model that was made elsewhere, on labelled rows.

    The report has metrics with their intervals, latency, throughput and memory. ``source`` is a file, a folder of
    files, a frame, an Arrow table, or a list of dicts. Exact duplicates and contradictory rows are dropped. Raises
    `ModelError` for a model that cannot be read, before the rows are, `BundleError` for a folder that is not a whole
    bundle, `ConsentError` where the bundle asks an API that ``endpoint`` does not name, and `DataError` for rows that
    cannot be used: also where their labels are not those of the model (``E_LABEL_SET``).
    """
    from ockham.bundles.model_eval import evaluate_any

    return evaluate_any(model, source, spec, endpoint=endpoint, on_progress=on_progress)


def _prices(file: str | Path | None) -> Prices:
    from ockham import catalog

    return catalog.prices(None if file is None else Path(file))
