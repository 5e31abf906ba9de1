"""Plan: from what is asked to forecasts, costs and what to know about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ockham.catalog import FRESH_DAYS, Architecture, Device, Prices, architectures, device, devices, find_architecture
from ockham.errors import ConfigError
from ockham.evals.cost import UTILISATION
from ockham.plain_numbers import percent_limit
from ockham.planning import serving_cost
from ockham.planning.forecasts import (
    USES,
    context_needed,
    forecast,
    largest,
    largest_per_device,
    quantizations,
    supports_task,
    usable_of,
)
from ockham.planning.local_models import find_local_model
from ockham.planning.memory import usable_gb
from ockham.planning.quantization import usual
from ockham.planning.this_machine import PlanTarget
from ockham.planning.tuning_forecast import METHODS, TRAIN_SHARE, tuning
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
    target = _place(spec, here)
    usable = usable_of(target.device, spec, target.free_gb)
    models = [find_local_model(name) for name in spec.models]
    chosen = tuple(candidate.shape for candidate in models) or architectures()
    stored = {candidate.shape.name: candidate.stored for candidate in models if candidate.stored is not None}
    forecasts: tuple[Forecast, ...] = ()
    if spec.purpose == "serving":
        forecasts = tuple(
            forecast(candidate, quantization, spec, target.device, usable)
            for candidate in chosen
            for quantization in quantizations(candidate, spec, stored.get(candidate.name))
        )
    can = {candidate.name for candidate in chosen if supports_task(candidate, spec)}
    best = largest([candidate for candidate in forecasts if candidate.model in can])
    priced = _model_to_price(spec, chosen, best)
    costs, against = _costs(spec, prices, today, target, priced) if spec.requests_per_day is not None else ((), None)
    trained = [tuning(candidate, method, spec, target.device, usable) for candidate in chosen for method in METHODS]
    return Plan(
        ockham=__version__,
        purpose=spec.purpose,
        device=_describe_device(spec, target, usable),
        input_tokens=spec.input_tokens,
        output_tokens=spec.output_tokens,
        concurrency=spec.concurrency,
        requests_per_day=spec.requests_per_day,
        max_p95_ms=spec.max_p95_ms,
        forecasts=forecasts,
        largest=None if best is None else best.model,
        tuning=tuple(trained) if spec.purpose == "tuning" else (),
        costs=costs,
        costs_of=priced.name if costs else None,
        costs_against=against,
        currency=prices.currency,
        reach=_reach(spec, target, usable, chosen) if spec.purpose == "serving" else (),
        past_error=target.past_error,
        notes=tuple(_notes(spec, prices, target, costs, forecasts)),
    )


def _place(spec: PlanSpec, here: PlanTarget | None) -> PlanTarget:
    if spec.device is not None:
        return PlanTarget(device=device(spec.device))
    if here is None:
        raise ConfigError("E_CONFIG", "no device is given", fix="name it: --device NAME")
    return here


def _describe_device(spec: PlanSpec, target: PlanTarget, usable: float) -> PlannedDevice:
    device = target.device
    return PlannedDevice(
        name=device.name,
        kind=device.kind,
        count=spec.count,
        memory_gb=device.memory_gb,
        usable_gb=usable,
        bandwidth_gb_s=device.bandwidth_gb_s,
        tflops=device.tflops,
        threads=target.threads,
        features=target.features,
        gpus=target.gpus,
        measured=target.threads is not None,
        source=device.source,
    )


def _model_to_price(spec: PlanSpec, chosen: Sequence[Architecture], best: Forecast | None) -> Architecture:
    """Choose the model that costs are for: the first named, the largest that is fast enough, or a usual one."""
    if spec.models:
        return chosen[0]
    if spec.max_p95_ms is not None and best is not None:
        return next(shape for shape in chosen if shape.name == best.model)
    return find_architecture(USUAL)


def _costs(
    spec: PlanSpec, prices: Prices, today: dt.date, target: PlanTarget, model: Architecture
) -> tuple[tuple[Cost, ...], str | None]:
    def serve(device: Device) -> Speed | None:
        if context_needed(model, spec) > model.context:
            return None
        usable = usable_of(device, spec, target.free_gb) if device == target.device else usable_gb(device)
        predicted = forecast(model, (spec.quantizations or (usual(model),))[0], spec, device, usable)
        return predicted.speed if predicted.fits else None

    api_costs = serving_cost.apis(spec, prices, today)
    hardware = devices() if spec.device is None else (target.device,)
    rented = serving_cost.rent_costs(spec, prices, serve, hardware, today)
    owned = serving_cost.ownership_costs(spec, prices, serve, hardware, today)
    speed = serve(target.device) if spec.device is None and target.device.kind == "cpu" else None
    if speed is not None:
        rented.insert(0, serving_cost.machine(spec, prices, speed, today))
    name = target.device.name
    if spec.device is not None and prices.rent(name) is None and prices.purchase(name) is None:
        fix = f'add it under [[rent]] or [[purchase]] in a table of your own (--prices FILE), with device = "{name}"'
        raise ConfigError("E_CONFIG", f"the price table has no price of {name}", fix=fix)
    here = rented[:1] if speed is not None and rented[0].machines == 1 else []
    against = min(here or rented or owned, key=lambda cost: cost.per_day, default=None)
    return tuple(
        serving_cost.compare_with_apis([*api_costs, *rented, *owned], against)
    ), None if against is None else against.name


def _reach(
    spec: PlanSpec, target: PlanTarget, usable: float, chosen: Sequence[Architecture]
) -> tuple[DeviceReach, ...]:
    limit = spec.max_p95_ms or min(use.ms for use in USES)
    devices = [(target.device.name, target.device, usable)]
    devices += [(name, device(name), usable_gb(device(name))) for name in ELSEWHERE if name != target.device.name]
    return tuple(largest_per_device(limit, chosen, spec, devices))


def _notes(
    spec: PlanSpec, prices: Prices, target: PlanTarget, costs: Sequence[Cost], forecasts: Sequence[Forecast]
) -> list[str]:
    notes = []
    old = sorted({entry.date for entry in costs if entry.stale})
    if old:
        number = sum(entry.stale for entry in costs)
        notes.append(
            f"{number} of the {len(costs)} prices are more than {FRESH_DAYS} days old (the oldest from {old[0]}); "
            "supply your own with --prices FILE."
        )
    if forecasts:
        spread = max(entry.speed.spread for entry in forecasts)
        notes.append(f"Speeds are predictions: actual speeds should be within a factor of {spread:g}.")
    if forecasts and spec.output_tokens > LABEL_TOKENS and any(entry.kind == "encoder" for entry in forecasts):
        notes.append(f"Encoders predict labels: they cannot write answers of {spec.output_tokens:,} tokens.")
    if target.device.kind in ("server-gpu", "gpu", "apple", "phone") and spec.purpose == "serving":
        notes.append(f"The rates of {target.device.name} are published peak rates, not measured here.")
    if costs:
        notes.append(
            f"Devices are assumed to be busy at most {percent_limit(UTILISATION)} of the time. "
            f"Prices in {prices.currency}."
        )
    if spec.purpose == "tuning":
        notes.append(
            f"Hours of tuning assume {percent_limit(TRAIN_SHARE)} of the peak rate; the first epoch shows the actual "
            "figure."
        )
    return notes
