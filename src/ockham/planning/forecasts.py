"""Forecasts: each model on a device, whether it fits, how fast it answers, what it is good for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ockham.catalog import Architecture, Device, ServingEngine, engine
from ockham.errors import ConfigError
from ockham.planning.memory import devices_needed, serving, usable_gb
from ockham.planning.quantization import usual
from ockham.planning.speed import parallel_speed, speed
from ockham.records import Finding
from ockham.records.plan import LABEL_TOKENS, DeviceReach, Forecast, PlanSpec, Quantization, Speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What an answer may take in a use: to its first token, where it is read or heard as it is written, or whole."""

    name: str
    ms: float
    whole: bool


USES: Final = (
    Use(name="voice", ms=200.0, whole=False),
    Use(name="games, code", ms=200.0, whole=True),
    Use(name="chat", ms=1000.0, whole=False),
    Use(name="mail, tickets", ms=10_000.0, whole=True),
)
"""Under 200 ms an answer feels instant, over 1,000 ms a person notices the wait, over 10,000 ms they turn to something
else (Nielsen 1993, "Response times: the three important limits", gives 100, 1,000 and 10,000)."""

SPEECH = 5.0
"""Tokens a second that keep up with speaking or reading: about 200 words a minute, 1.3 tokens a word."""

_SERVED: Final[tuple[Quantization, ...]] = ("f16", "q8_0", "q4_k_m", "q4_0")
_ENCODED: Final[tuple[Quantization, ...]] = ("f32", "int8")


def quantizations(shape: Architecture, spec: PlanSpec, stored: Quantization | None = None) -> tuple[Quantization, ...]:
    """Return the formats to forecast: those asked for, the one a file is ``stored`` in, all usual, or the usual one.

    All usual ones are listed of a model that was named.
    """
    if spec.quantizations:
        return spec.quantizations
    if stored is not None:
        return (stored,)
    if spec.models:
        return _ENCODED if shape.kind == "encoder" else _SERVED
    return (usual(shape),)


def context_of(shape: Architecture, spec: PlanSpec) -> int:
    """Return the context to plan for: the one asked for, or what prompt and answer need.

    Raises `ConfigError` (``E_CONFIG``) where a model that was named was not made for so long a context.
    """
    needed = spec.input_tokens + (spec.output_tokens if shape.kind == "decoder" else 0)
    context = spec.context or needed
    if spec.context is not None and spec.context < needed and shape.kind == "decoder":
        raise ConfigError(
            "E_CONFIG",
            f"a context of {spec.context:,} tokens cannot hold a prompt of {spec.input_tokens:,} and an answer of "
            f"{spec.output_tokens:,}",
            fix=f"give --context {needed} or more, or shorter --input-tokens and --output-tokens",
        )
    if context > shape.context and spec.models:
        raise ConfigError(
            "E_CONFIG",
            f"{shape.name} was made for {shape.context:,} tokens at most, not {context:,}",
            fix=f"give --context {shape.context} or less, or name another model",
        )
    return context


def forecast(
    shape: Architecture,
    quantization: Quantization,
    spec: PlanSpec,
    device: Device,
    usable: float,
    how: ServingEngine | None = None,
) -> Forecast:
    """Predict memory and speed of a model on ``spec.count`` devices with ``usable`` GB each.

    ``how`` are the engine's numbers, where they were measured; the catalogue's otherwise. Layers are spread over
    several devices one after the other, so that one answer is no faster than on a single one that held them all.
    """
    how = how or engine(device.kind, encoders=shape.kind == "encoder")
    context = context_of(shape, spec)
    batches = min(spec.concurrency, parallel_speed(shape, device)) if shape.kind == "encoder" else spec.concurrency
    memory = serving(shape, quantization, context, batches, how)
    needed = devices_needed(memory.total_mb, usable)
    pace = speed(shape, quantization, (spec.input_tokens, spec.output_tokens), spec.concurrency, device, how)
    too_long = context > shape.context
    fits = needed <= spec.count and not too_long
    why = _why(memory.total_mb / 1000, usable, needed, spec.count)
    if too_long:
        why = f"it was made for {shape.context:,} tokens at most"
    return Forecast(
        model=shape.name,
        kind=shape.kind,
        parameters_m=shape.parameters / 1e6,
        licence=shape.licence,
        quantization=quantization,
        context=context,
        fits=fits,
        devices=needed,
        why=why,
        memory=memory,
        speed=pace,
        max_p95_ms=None if spec.max_p95_ms is None else judge(pace.answer_ms, pace.spread, spec.max_p95_ms),
        good_for=tuple(use.name for use in USES if fits and supports_task(shape, spec) and fast_enough_for(pace, use)),
        engine=how.name,
    )


def fast_enough_for(pace: Speed, use: Use) -> bool:
    """Say whether an answer is surely fast enough for a use."""
    if use.whole or pace.tokens_per_s is None:
        return pace.answer_ms * pace.spread <= use.ms
    return pace.first_token_ms * pace.spread <= use.ms and pace.tokens_per_s / pace.spread >= SPEECH


def judge(predicted: float, spread: float, limit: float) -> Finding:
    """Say whether a limit is met: surely, surely not, or within what the prediction may be wrong by."""
    if predicted * spread <= limit:
        return "meets"
    return "misses" if predicted / spread > limit else "cannot tell"


def largest(forecasts: Sequence[Forecast]) -> Forecast | None:
    """Return the largest model that fits, and surely meets the limit where there is one; of two formats the finer."""
    does = [forecast for forecast in forecasts if forecast.fits and forecast.max_p95_ms in (None, "meets")]
    return max(does, key=lambda forecast: (forecast.parameters_m, forecast.memory.weights_mb), default=None)


def largest_per_device(
    limit: float, shapes: Sequence[Architecture], spec: PlanSpec, devices: Sequence[tuple[str, Device, float]]
) -> list[DeviceReach]:
    """Find the largest model that surely answers within a limit, on each device."""
    reaches = []
    for name, device, usable in devices:
        best: Forecast | None = None
        for shape in shapes:
            if context_needed(shape, spec) > shape.context or not supports_task(shape, spec):
                continue
            candidate = forecast(shape, usual(shape), spec, device, usable)
            if candidate.fits and candidate.speed.answer_ms * candidate.speed.spread <= limit:
                best = candidate if best is None or candidate.parameters_m > best.parameters_m else best
        reaches.append(
            DeviceReach(
                device=name,
                limit_ms=limit,
                model=None if best is None else best.model,
                quantization=None if best is None else best.quantization,
                ms=None if best is None else best.speed.answer_ms,
            )
        )
    return reaches


def supports_task(shape: Architecture, spec: PlanSpec) -> bool:
    """Say whether a model can give the answers asked for: an encoder gives labels, and no text. One named is taken."""
    return shape.kind == "decoder" or spec.output_tokens <= LABEL_TOKENS or bool(spec.models)


def context_needed(shape: Architecture, spec: PlanSpec) -> int:
    """Return the tokens that prompt and answer take together, or the context asked for."""
    return spec.context or spec.input_tokens + (spec.output_tokens if shape.kind == "decoder" else 0)


def usable_of(device: Device, spec: PlanSpec, free_gb: float | None) -> float:
    """Return the memory of one device that a model may take: as named, as free, or the usual share."""
    return usable_gb(device, spec.memory_gb if spec.memory_gb is not None else free_gb)


def _why(total: float, usable: float, needed: int, count: int) -> str:
    if needed <= count:
        return f"{total:.1f} of {usable * count:.1f} GB" if count > 1 else f"{total:.1f} of {usable:.1f} GB"
    return f"needs {total:.1f} GB, {usable * count:.1f} GB can be used: {needed} such devices would do"
