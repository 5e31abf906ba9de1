"""Plan: from what is asked to forecasts, costs and what to know about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ockham.catalog import FRESH_DAYS, Architecture, Device, Prices, architectures, device, devices, find_architecture
from ockham.errors import ConfigError
from ockham.evals.cost import UTILISATION
from ockham.plan import serving_cost
from ockham.plan.forecasts import (
    USES,
    context_needed,
    forecast,
    largest,
    largest_per_device,
    quantizations,
    supports_task,
    usable_of,
)
from ockham.plan.local_models import find
from ockham.plan.memory import usable_gb
from ockham.plan.quantization import usual
from ockham.plan.this_machine import PlanTarget
from ockham.plan.tuning import METHODS, TRAIN_SHARE, tuning
from ockham.records.plan import LABEL_TOKENS, Cost, DeviceReach, Forecast, Plan, PlannedDevice, PlanSpec, Speed
from ockham.version import __version__

ELSEWHERE = ("iPhone 14 Pro (A16)", "Apple M2", "RTX 4060", "RTX 4090", "L4", "H100 SXM")
"""Devices for which it is said, beside the planned one, which model is fast enough."""

USUAL = "Qwen2.5-7B"
"""The model whose costs are given where none is named."""


def plan(spec: PlanSpec, prices: Prices, today: dt.date, here: PlanTarget | None = None) -> Plan:
    """Predict memory, speed and cost of models, before any of them is downloaded.

    A model is a name of the catalogue, or a folder or GGUF file that is here. ``here`` is this machine, where
    ``spec.device`` names none. Raises `ConfigError` (``E_CONFIG``) for an unknown
    model, device or API (with the nearest names), an impossible context and a price that is missing.
    """
    place = _place(spec, here)
    usable = usable_of(place.device, spec, place.free_gb)
    wanted = [find(name) for name in spec.models]
    chosen = tuple(one.shape for one in wanted) or architectures()
    stored = {one.shape.name: one.stored for one in wanted if one.stored is not None}
    found: tuple[Forecast, ...] = ()
    if spec.purpose == "serving":
        found = tuple(
            forecast(one, quantization, spec, place.device, usable)
            for one in chosen
            for quantization in quantizations(one, spec, stored.get(one.name))
        )
    can = {one.name for one in chosen if supports_task(one, spec)}
    best = largest([one for one in found if one.model in can])
    priced = _model_to_price(spec, chosen, best)
    costs, against = _costs(spec, prices, today, place, priced) if spec.requests_per_day is not None else ((), None)
    trained = [tuning(one, method, spec, place.device, usable) for one in chosen for method in METHODS]
    return Plan(
        ockham=__version__,
        purpose=spec.purpose,
        device=_describe_device(spec, place, usable),
        input_tokens=spec.input_tokens,
        output_tokens=spec.output_tokens,
        concurrency=spec.concurrency,
        requests_per_day=spec.requests_per_day,
        max_p95_ms=spec.max_p95_ms,
        forecasts=found,
        largest=None if best is None else best.model,
        tuning=tuple(trained) if spec.purpose == "tuning" else (),
        costs=costs,
        costs_of=priced.name if costs else None,
        costs_against=against,
        currency=prices.currency,
        reach=_reach(spec, place, usable, chosen) if spec.purpose == "serving" else (),
        past_error=place.past_error,
        notes=tuple(_notes(spec, prices, place, costs, found)),
    )


def _place(spec: PlanSpec, here: PlanTarget | None) -> PlanTarget:
    if spec.device is not None:
        return PlanTarget(device=device(spec.device))
    if here is None:
        raise ConfigError("E_CONFIG", "no device is named", fix="name it: --device NAME")
    return here


def _describe_device(spec: PlanSpec, place: PlanTarget, usable: float) -> PlannedDevice:
    one = place.device
    return PlannedDevice(
        name=one.name,
        kind=one.kind,
        count=spec.count,
        memory_gb=one.memory_gb,
        usable_gb=usable,
        bandwidth_gb_s=one.bandwidth_gb_s,
        tflops=one.tflops,
        threads=place.threads,
        features=place.features,
        gpus=place.gpus,
        measured=place.threads is not None,
        source=one.source,
    )


def _model_to_price(spec: PlanSpec, chosen: Sequence[Architecture], best: Forecast | None) -> Architecture:
    """Choose the model that costs are for: the first named, the largest that is fast enough, or a usual one."""
    if spec.models:
        return chosen[0]
    if spec.max_p95_ms is not None and best is not None:
        return next(one for one in chosen if one.name == best.model)
    return find_architecture(USUAL)


def _costs(
    spec: PlanSpec, prices: Prices, today: dt.date, place: PlanTarget, model: Architecture
) -> tuple[tuple[Cost, ...], str | None]:
    def serve(one: Device) -> Speed | None:
        if context_needed(model, spec) > model.context:
            return None
        usable = usable_of(one, spec, place.free_gb) if one == place.device else usable_gb(one)
        found = forecast(model, (spec.quantizations or (usual(model),))[0], spec, one, usable)
        return found.speed if found.fits else None

    asked = serving_cost.apis(spec, prices, today)
    known = devices() if spec.device is None else (place.device,)
    rented = serving_cost.rent_costs(spec, prices, serve, known, today)
    owned = serving_cost.ownership_costs(spec, prices, serve, known, today)
    speed = serve(place.device) if spec.device is None and place.device.kind == "cpu" else None
    if speed is not None:
        rented.insert(0, serving_cost.machine(spec, prices, speed, today))
    name = place.device.name
    if spec.device is not None and prices.rent(name) is None and prices.purchase(name) is None:
        fix = f'add it under [[rent]] or [[purchase]] in a table of your own (--prices FILE), with device = "{name}"'
        raise ConfigError("E_CONFIG", f"the price table has no price of {name}", fix=fix)
    here = rented[:1] if speed is not None and rented[0].machines == 1 else []
    against = min(here or rented or owned, key=lambda one: one.per_day, default=None)
    return tuple(
        serving_cost.compare_with_apis([*asked, *rented, *owned], against)
    ), None if against is None else against.name


def _reach(spec: PlanSpec, place: PlanTarget, usable: float, chosen: Sequence[Architecture]) -> tuple[DeviceReach, ...]:
    limit = spec.max_p95_ms or min(use.ms for use in USES)
    places = [(place.device.name, place.device, usable)]
    places += [(name, device(name), usable_gb(device(name))) for name in ELSEWHERE if name != place.device.name]
    return tuple(largest_per_device(limit, chosen, spec, places))


def _notes(
    spec: PlanSpec, prices: Prices, place: PlanTarget, costs: Sequence[Cost], found: Sequence[Forecast]
) -> list[str]:
    notes = []
    old = sorted({one.date for one in costs if one.stale})
    if old:
        number = sum(one.stale for one in costs)
        notes.append(
            f"{number} of the {len(costs)} prices are more than {FRESH_DAYS} days old (the oldest of {old[0]}); "
            "give your own with --prices FILE."
        )
    if found:
        spread = max(one.speed.spread for one in found)
        notes.append(f"Speeds are predictions: expect the truth within a factor of {spread:g}.")
    if found and spec.output_tokens > LABEL_TOKENS and any(one.kind == "encoder" for one in found):
        notes.append(f"Encoders give labels: they are no choice for answers of {spec.output_tokens:,} tokens.")
    if place.device.kind in ("server-gpu", "gpu", "apple", "phone") and spec.purpose == "serving":
        notes.append(f"The rates of {place.device.name} are published peaks, not measured here.")
    if costs:
        notes.append(
            f"Devices are planned to be busy {UTILISATION:.0%} of the time at most. Prices in {prices.currency}."
        )
    if spec.purpose == "tuning":
        notes.append(f"Hours of tuning assume {TRAIN_SHARE:.0%} of the peak rate; the first pass shows the truth.")
    return notes
