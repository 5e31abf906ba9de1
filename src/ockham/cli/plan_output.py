"""Plans and advice in a terminal: tables that fit its width, the most important columns first."""

from __future__ import annotations

from ockham.cli.terminal import fill, table, width
from ockham.plan.advice import Advice
from ockham.plan.forecasts import USES, largest
from ockham.records.plan import Cost, DeviceReach, Forecast, Plan, PlannedDevice, TuningForecast

MOST = 6
_FINDINGS = {"meets": "yes", "misses": "no", "cannot tell": "perhaps", None: ""}


def plan_lines(found: Plan) -> list[str]:
    """Return the lines a person reads of a plan."""
    columns = width()
    lines = [*fill(_device(found.device), columns), ""]
    if found.purpose == "tuning":
        lines += [*_tuning(found.tuning, columns), ""]
    else:
        lines += [*fill(_work(found), columns), "", *_forecasts(found, columns), ""]
        lines += [*fill(_largest(found), columns), "", *_reach(found.reach, columns), ""]
    if found.costs:
        lines += [*_costs(found, columns), ""]
    # How wrong predictions were here says nothing of another device.
    for note in (*found.notes, *([_past(found)] if found.device.measured or found.past_error else [])):
        lines += fill(note, columns)
    return lines


def advice_lines(found: Advice) -> list[str]:
    """Return the lines a person reads of a piece of advice."""
    columns = width()
    lines = [*fill(found.sentence, columns), ""]
    for title, said in (("Because", found.reasons), ("Not known yet", found.missing)):
        lines += [f"{title}:", *(line for one in said for line in fill(f"- {one}", columns)), ""]
    return [*lines, "Find out:", f"  {found.command}"]


def _device(one: PlannedDevice) -> str:
    many = f"{one.count} x " if one.count > 1 else ""
    rate = f"{one.tflops:.3g} TFLOP/s" if one.tflops >= 1 else f"{1000 * one.tflops:.0f} GFLOP/s"
    said = (
        f"{many}{one.name}: {one.usable_gb:.1f} of {one.memory_gb:.1f} GB can be used, {one.bandwidth_gb_s:.0f} GB/s, "
        f"{rate}"
    )
    said += f" with {one.threads} thread{'s' if one.threads != 1 else ''} (measured)" if one.threads else " (published)"
    if one.features:
        said += f"; {', '.join(one.features)}"
    if one.gpus:
        said += f"; {', '.join(one.gpus)}"
    return f"{said}."


def _work(found: Plan) -> str:
    at_once = f", {found.concurrency} at a time" if found.concurrency > 1 else ", one at a time"
    return f"Prompts of {found.input_tokens:,} tokens, answers of {found.output_tokens:,}{at_once}."


def _forecasts(found: Plan, columns: int) -> list[str]:
    head = ["model", "format", "fits", "memory", "answer", "tokens/s", "answers/s", "first", *_SPLIT, "good for"]
    asked = found.max_p95_ms is not None
    if asked:
        head.insert(4, f"<= {_time(found.max_p95_ms or 0)}?")
    body = []
    for one in found.forecasts:
        row = [
            one.model,
            one.quantization,
            "yes" if one.fits else "no" if found.device.measured else f"needs {one.devices}",
            _memory(one.memory.total_mb),
            _time(one.speed.answer_ms),
            "-" if one.speed.tokens_per_s is None else _number(one.speed.tokens_per_s),
            _number(one.speed.answers_per_s),
            _time(one.speed.first_token_ms),
            *_split(one),
            ", ".join(one.good_for) or "-",
        ]
        if asked:
            row.insert(4, _FINDINGS[one.max_p95_ms])
        body.append(row)
    return table(head, body, columns, left=2)


_SPLIT = ("weights", "cache", "buffers", "rest")


def _split(one: Forecast) -> list[str]:
    parts = (one.memory.weights_mb, one.memory.kv_cache_mb, one.memory.activations_mb, one.memory.overhead_mb)
    return [_memory(part) for part in parts]


def _largest(found: Plan) -> str:
    does = "fits" if found.max_p95_ms is None else f"fits and surely answers within {_time(found.max_p95_ms)}"
    if found.largest is None:
        return f"None of them {does}."
    uses = [(use.name, largest([one for one in found.forecasts if use.name in one.good_for])) for use in USES]
    said = "; ".join(f"{name}: {best.model if best else 'none'}" for name, best in uses)
    return f"Largest that {does}: {found.largest}. Largest that is surely fast enough for {said}."


def _reach(found: tuple[DeviceReach, ...], columns: int) -> list[str]:
    if not found:
        return []
    limit = _time(found[0].limit_ms)
    body = [
        [one.device, one.model or "none", one.quantization or "-", "-" if one.ms is None else _time(one.ms)]
        for one in found
    ]
    return [
        *fill(f"Largest that surely answers within {limit}, by device:", columns),
        *table(("device", "model", "format", "answer"), body, columns, left=3),
    ]


def _tuning(found: tuple[TuningForecast, ...], columns: int) -> list[str]:
    head = ("model", "method", "fits", "memory", "time", "saves", "weights", "gradients", "optimizer", "activations")
    body = [
        [
            one.model,
            one.method,
            "yes" if one.fits else f"needs {one.devices}",
            _memory(one.total_mb),
            _time(one.hours * 3.6e6),
            f"{one.saves:.0%}",
            _memory(one.weights_mb),
            _memory(one.gradients_mb),
            _memory(one.optimizer_mb),
            _memory(one.activations_mb),
        ]
        for one in found
    ]
    return table(head, body, columns, left=2)


def _costs(found: Plan, columns: int) -> list[str]:
    kinds = {"api": "API", "rent": "rented", "own": "owned"}
    shown: list[Cost] = []
    for kind in kinds:
        of = sorted((one for one in found.costs if one.kind == kind), key=lambda one: one.per_day)
        shown += of[:MOST]
    body = [
        [
            one.name,
            kinds[one.kind],
            _money(one.per_day),
            _money(one.per_year),
            "-" if one.break_even_per_day is None else f"{one.break_even_per_day:,.0f}",
            "-" if one.machines is None else str(one.machines),
            "-" if one.per_million is None else _money(one.per_million),
            one.date + ("!" if one.stale else ""),
            one.how,
        ]
        for one in shown
    ]
    head = ("where", "kind", "a day", "a year", "even from", "devices", "a million", "price of", "how")
    rest = len(found.costs) - len(shown)
    traffic = found.requests_per_day or 0.0
    return [
        *fill(f"{traffic:,.0f} requests a day; devices with {found.costs_of}, in {found.currency}:", columns),
        *table(head, body, columns, left=2),
        *([f"and {rest} dearer ones (--json lists them all)"] if rest else []),
        *fill(_remarks(found, shown), columns),
    ]


def _remarks(found: Plan, shown: list[Cost]) -> str:
    said = []
    if any(one.break_even_per_day is not None for one in shown):
        said.append(f"Even from: the traffic from which an API costs as much as {found.costs_against}.")
    if any(one.stale for one in shown):
        said.append("!: a price that is more than 90 days old.")
    return " ".join(said)


def _past(found: Plan) -> str:
    past = found.past_error
    if past is None:
        return "No prediction was compared with a measurement on this machine yet."
    kinds = (("memory", past.memory, past.n_memory), ("speed", past.speed, past.n_speed))
    parts = [f"{what} {error:.0%} (median of {number})" for what, error, number in kinds if error is not None]
    return f"Predictions on this machine were off so far: {', '.join(parts)}."


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
