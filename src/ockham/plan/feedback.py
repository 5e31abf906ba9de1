"""Compare what was predicted of a model with what `ockham fit` measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast, get_args

from ockham import catalog
from ockham.errors import ConfigError
from ockham.plan import calibrate, memory
from ockham.plan.records import Memory, PlanSpec, Quantization
from ockham.records import Candidate, Report, digest

# What most of the weights are stored as, and the mixture that is known by it.
_MIXTURES = {"q4_k": "q4_k_m", "q5_k": "q5_k_m"}


def learn(place: Path, reports: Sequence[Report]) -> int:
    """Write down the memory predicted beside the memory measured, for each model that the catalogue knows.

    ``place`` is the folder of the journal. What is in it already is not written again; the number of new rows is given
    back. Latency is not compared: a report does not say how many tokens its texts had. Raises `StoreError` where the
    disk refuses.
    """
    known = calibrate.compared(place)
    new = 0
    for report in reports:
        said = _predicted(report.candidate)
        work = digest([report.spec, report.candidate.name])
        if said is None or report.profile is None or work in known:
            continue
        predicted = said.total_mb + said.reclaimable_mb
        calibrate.record(place, "memory", predicted, report.profile.memory_mb, work)
        known.add(work)
        new += 1
    return new


def _predicted(candidate: Candidate) -> Memory | None:
    settings = candidate.settings
    encoder = candidate.kind == "encoder"
    name = str(settings.get("encoder" if encoder else "model", "")).removesuffix(".gguf")
    stored = "int8" if encoder else str(settings.get("weights", ""))
    quantization = _MIXTURES.get(stored, stored)
    if candidate.kind not in ("encoder", "gguf") or quantization not in get_args(Quantization):
        return None
    try:
        shape = catalog.shape(name)
    except ConfigError:
        return None
    # A report does not say how long the texts were: an encoder is compared with the plan of usual ones.
    context = PlanSpec().input_tokens if encoder else int(settings.get("context", shape.context))
    engine = catalog.engine("cpu", encoders=encoder)
    return memory.serving(
        shape, cast("Quantization", quantization), context, 1 if encoder else int(settings.get("slots", 1)), engine
    )
