"""Plans and advice in a terminal: tables that fit its width, the most important columns first."""

from __future__ import annotations

from ockham.cli.terminal import fill, table, width
from ockham.plain_numbers import percent
from ockham.planning.advice import Advice
from ockham.planning.forecasts import USES, largest
from ockham.records.plan import Cost, DeviceReach, Forecast, Plan, PlannedDevice, TuningForecast

MOST = 6
_FINDINGS = {"meets": "yes", "misses": "no", "cannot tell": "perhaps", None: ""}


def plan_lines(plan: Plan) -> list[str]:
    """Return the lines a person reads of a plan."""
    columns = width()
    lines = [*fill(_device(plan.device), columns), ""]
    if plan.purpose == "tuning":
        lines += [*_tuning(plan.tuning, columns), ""]
    else:
        lines += [*fill(_work(plan), columns), "", *_forecasts(plan, columns), ""]
        lines += [*fill(_largest(plan), columns), "", *_reach(plan.reach, columns), ""]
    if plan.costs:
        lines += [*_costs(plan, columns), ""]
    # How wrong predictions were here says nothing of another device.
    for note in (*plan.notes, *([_past(plan)] if plan.device.measured or plan.past_error else [])):
        lines += fill(note, columns)
    return lines


def advice_lines(advice: Advice) -> list[str]:
    """Return the lines a person reads of a piece of advice."""
    columns = width()
    lines = [*fill(advice.sentence, columns), ""]
    for title, sentences in (("Because", advice.reasons), ("Still unknown", advice.missing)):
        lines += [f"{title}:", *(line for sentence in sentences for line in fill(f"- {sentence}", columns)), ""]
    return [*lines, "To find out:", f"  {advice.command}"]


def _device(device: PlannedDevice) -> str:
    many = f"{device.count} x " if device.count > 1 else ""
    rate = f"{device.tflops:.3g} TFLOP/s" if device.tflops >= 1 else f"{1000 * device.tflops:.0f} GFLOP/s"
    text = (
        f"{many}{device.name}: {device.usable_gb:.1f} of {device.memory_gb:.1f} GB usable, "
        f"{device.bandwidth_gb_s:.0f} GB/s, {rate}"
    )
    text += (
        f" with {device.threads} thread{'s' if device.threads != 1 else ''} (measured)"
        if device.threads
        else " (published)"
    )
    if device.features:
        text += f"; {', '.join(device.features)}"
    if device.gpus:
        text += f"; {', '.join(device.gpus)}"
    return f"{text}."


def _work(plan: Plan) -> str:
    at_once = f", {plan.concurrency} at a time" if plan.concurrency > 1 else ", one at a time"
    return f"Prompts of {plan.input_tokens:,} tokens, answers of {plan.output_tokens:,}{at_once}."


def _forecasts(plan: Plan, columns: int) -> list[str]:
    head = ["model", "format", "fits", "memory", "answer", "tokens/s", "answers/s", "first", *_SPLIT, "good for"]
    has_limit = plan.max_p95_ms is not None
    if has_limit:
        head.insert(4, f"<= {_time(plan.max_p95_ms or 0)}?")
    body = []
    for forecast in plan.forecasts:
        row = [
            forecast.model,
            forecast.quantization,
            "yes" if forecast.fits else "no" if plan.device.measured else f"needs {forecast.devices}",
            _memory(forecast.memory.total_mb),
            _time(forecast.speed.answer_ms),
            "-" if forecast.speed.tokens_per_s is None else _number(forecast.speed.tokens_per_s),
            _number(forecast.speed.answers_per_s),
            _time(forecast.speed.first_token_ms),
            *_split(forecast),
            ", ".join(forecast.good_for) or "-",
        ]
        if has_limit:
            row.insert(4, _FINDINGS[forecast.max_p95_ms])
        body.append(row)
    return table(head, body, columns, left=2)


_SPLIT = ("weights", "cache", "buffers", "rest")


def _split(forecast: Forecast) -> list[str]:
    parts = (
        forecast.memory.weights_mb,
        forecast.memory.kv_cache_mb,
        forecast.memory.activations_mb,
        forecast.memory.overhead_mb,
    )
    return [_memory(part) for part in parts]


def _largest(plan: Plan) -> str:
    does = "fits" if plan.max_p95_ms is None else f"fits and certainly answers within {_time(plan.max_p95_ms)}"
    if plan.largest is None:
        return f"No model {does}."
    uses = [
        (use.name, largest([forecast for forecast in plan.forecasts if use.name in forecast.good_for])) for use in USES
    ]
    by_use = "; ".join(f"{name}: {best.model if best else 'none'}" for name, best in uses)
    return f"Largest model that {does}: {plan.largest}. Largest that is certainly fast enough, by use: {by_use}."


def _reach(reaches: tuple[DeviceReach, ...], columns: int) -> list[str]:
    if not reaches:
        return []
    limit = _time(reaches[0].limit_ms)
    body = [
        [reach.device, reach.model or "none", reach.quantization or "-", "-" if reach.ms is None else _time(reach.ms)]
        for reach in reaches
    ]
    return [
        *fill(f"Largest model that certainly answers within {limit}, by device:", columns),
        *table(("device", "model", "format", "answer"), body, columns, left=3),
    ]


def _tuning(forecasts: tuple[TuningForecast, ...], columns: int) -> list[str]:
    head = ("model", "method", "fits", "memory", "time", "saves", "weights", "gradients", "optimizer", "activations")
    body = [
        [
            forecast.model,
            forecast.method,
            "yes" if forecast.fits else f"needs {forecast.devices}",
            _memory(forecast.total_mb),
            _time(forecast.hours * 3.6e6),
            percent(forecast.saves, 0),
            _memory(forecast.weights_mb),
            _memory(forecast.gradients_mb),
            _memory(forecast.optimizer_mb),
            _memory(forecast.activations_mb),
        ]
        for forecast in forecasts
    ]
    return table(head, body, columns, left=2)


def _costs(plan: Plan, columns: int) -> list[str]:
    kinds = {"api": "API", "rent": "rented", "own": "owned"}
    shown: list[Cost] = []
    for kind in kinds:
        of = sorted((cost for cost in plan.costs if cost.kind == kind), key=lambda cost: cost.per_day)
        shown += of[:MOST]
    body = [
        [
            cost.name,
            kinds[cost.kind],
            _money(cost.per_day),
            _money(cost.per_year),
            "-" if cost.break_even_per_day is None else f"{cost.break_even_per_day:,.0f}",
            "-" if cost.machines is None else str(cost.machines),
            "-" if cost.per_million is None else _money(cost.per_million),
            cost.date + ("!" if cost.stale else ""),
            cost.how,
        ]
        for cost in shown
    ]
    head = ("where", "kind", "per day", "per year", "break-even", "devices", "per million", "price from", "how")
    rest = len(plan.costs) - len(shown)
    traffic = plan.requests_per_day or 0.0
    return [
        *fill(
            f"Cost of {traffic:,.0f} requests per day, on devices with {plan.costs_of}, in {plan.currency}:", columns
        ),
        *table(head, body, columns, left=2),
        *([f"{rest} more expensive ones are not shown (--json lists all)"] if rest else []),
        *fill(_remarks(plan, shown), columns),
    ]


def _remarks(plan: Plan, shown: list[Cost]) -> str:
    remarks = []
    if any(cost.break_even_per_day is not None for cost in shown):
        remarks.append(f"Break-even: the requests per day at which an API costs as much as {plan.costs_against}.")
    if any(cost.stale for cost in shown):
        remarks.append("!: price more than 90 days old.")
    return " ".join(remarks)


def _past(plan: Plan) -> str:
    past = plan.past_error
    if past is None:
        return "No prediction has been checked against a measurement on this machine yet."
    kinds = (("memory", past.memory, past.n_memory), ("speed", past.speed, past.n_speed))
    parts = [f"{what} {percent(error, 0)} (median of {number})" for what, error, number in kinds if error is not None]
    return f"Error of earlier predictions on this machine: {', '.join(parts)}."


def _memory(megabytes: float) -> str:
    return f"{megabytes:.0f} MB" if megabytes < 999.5 else f"{megabytes / 1000:.{_places(megabytes / 1000)}f} GB"


def _time(milliseconds: float) -> str:
    if milliseconds < 999.5:
        return f"{milliseconds:.{_places(milliseconds)}f} ms"
    seconds = milliseconds / 1000
    if seconds < 99.5:
        return f"{seconds:.{_places(seconds)}f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _places(value: float) -> int:
    return 2 if value < 9.995 else 1 if value < 99.95 else 0


def _number(value: float) -> str:
    return f"{value:,.{_places(value)}f}" if value >= 0.01 else f"{value:.1g}"


def _money(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.5 else f"{value:.2f}"
