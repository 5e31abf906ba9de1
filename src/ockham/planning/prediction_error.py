"""Compare what was predicted of a model with what `ockham fit` measured of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from ockham import catalog
from ockham.catalog import Architecture, Device, ServingEngine
from ockham.errors import ConfigError
from ockham.planning import calibrate, memory, speed
from ockham.records import Candidate, Profile, Report, digest
from ockham.records.plan import PlanSpec, Quantization

# What most of the weights are stored as, and the mixture that is known by it.
_MIXTURES = {"q4_k": "q4_k_m", "q5_k": "q5_k_m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """What the catalogue knows of a candidate, and how it was served."""

    shape: Architecture
    quantization: Quantization
    engine: ServingEngine
    context: int | None
    slots: int


def learn(cache: Path, reports: Sequence[Report], device: Callable[[], Device | None]) -> int:
    """Write down memory and latency predicted beside those measured, for each model that the catalogue knows.

    ``cache`` is the folder of the journal; ``device`` gives this machine with its measured rates, and is asked only
    where there is something new (``None`` where the rates are not known: memory alone is then compared). What is in the
    journal already is not written again; the number of new rows is given back. Raises `StoreError` where the disk
    refuses.
    """
    recorded = calibrate.recorded_comparisons(cache)
    new = 0
    here: Device | None = None
    for report in reports:
        served, profile = _served_model(report.candidate), report.profile
        work = digest([report.spec, report.candidate.name])
        if served is None or profile is None or {("memory", work), ("speed", work)} <= recorded:
            continue
        here = here or device()
        pairs: dict[calibrate.What, tuple[float | None, float]] = {
            "memory": (_memory(served, profile, here), profile.memory_mb),
            "speed": (None if here is None else _latency(served, profile, here), profile.p50_ms.value),
        }
        for what, (predicted, measured) in pairs.items():
            if predicted is not None and (what, work) not in recorded:
                calibrate.record(cache, what, predicted, measured, work)
                recorded.add((what, work))
                new += 1
    return new


def _memory(served: _Served, profile: Profile, here: Device | None) -> float:
    """Predict the most memory a serving process took, in MB."""
    context, slots = served.context, served.slots
    if served.shape.kind == "encoder":
        # What was measured includes many texts at a time, on all cores.
        context = round(profile.tokens_in or PlanSpec().input_tokens)
        slots = 1 if here is None else speed.parallel_speed(served.shape, here)
    predicted = memory.serving(served.shape, served.quantization, context or served.shape.context, slots, served.engine)
    return predicted.total_mb + predicted.reclaimable_mb


def _latency(served: _Served, profile: Profile, here: Device) -> float | None:
    """Predict the milliseconds of one answer with as many tokens as those that were timed had in the mean.

    ``None`` where they were not counted. Each of the tokens written, or chosen among those allowed, is a step; the
    first of them comes with the prompt.
    """
    if profile.tokens_in is None or profile.tokens_in < 1:
        return None
    shape, stored, engine = served.shape, served.quantization, served.engine
    cached = round(profile.tokens_kept or 0)
    seconds = speed.prefill_seconds(shape, stored, max(1, round(profile.tokens_in) - cached), here, engine, cached)
    if shape.kind == "decoder":
        context = round(profile.tokens_in)
        step = speed.step_seconds(shape, stored, context, 1, here, engine)
        seconds += max(0.0, (profile.tokens_out or 1.0) - 1.0) * step
    return 1000 * seconds


def _served_model(candidate: Candidate) -> _Served | None:
    """Find a candidate's model in the catalogue; ``None`` where it is of no known kind, shape or format."""
    settings = candidate.settings
    encoder = candidate.kind == "encoder"
    name = str(settings.get("encoder" if encoder else "model", "")).removesuffix(".gguf")
    stored = "int8" if encoder else str(settings.get("weights", ""))
    quantization = _MIXTURES.get(stored, stored)
    if candidate.kind not in ("encoder", "gguf") or quantization not in get_args(Quantization):
        return None
    try:
        shape = catalog.find_architecture(name)
    except ConfigError:
        return None
    return _Served(
        shape=shape,
        quantization=cast("Quantization", quantization),
        engine=catalog.engine("cpu", encoders=encoder),
        context=None if encoder else int(settings.get("context", shape.context)),
        slots=1 if encoder else int(settings.get("slots", 1)),
    )
