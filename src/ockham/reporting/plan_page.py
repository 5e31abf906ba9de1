"""The page of a plan: does it fit, is it fast enough, what does it cost, and how that was predicted."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.evals.cost import machines
from ockham.planning.forecasts import USES, largest
from ockham.readers.row_sample import evenly_spaced
from ockham.records.plan import Cost, Plan
from ockham.reporting import line_chart
from ockham.reporting.formatting import count, figures, megabytes, milliseconds, percent
from ockham.reporting.html import Child, Html, fold_numbers, join, note, prose, section, table, tag
from ockham.reporting.page import document
from ockham.reporting.plan_charts import memory_chart, memory_words, time_chart, time_words
from ockham.reporting.scales import write_dollars, write_plain, write_short
from ockham.reporting.svg import figure

BARS = 14
_KINDS = {"api": "API", "rent": "rented", "own": "owned"}
_FINDINGS = {"meets": "yes", "misses": "no", "cannot tell": "perhaps", None: "-"}
_METHOD = (
    (
        "Memory",
        "weights by the block structure of their format, tensor by tensor; the cache of keys and values; the largest "
        "buffer; what the engine itself takes",
    ),
    (
        "Speed",
        "a roofline model: reading a prompt is limited by compute, writing by memory bandwidth; the share of the "
        "device's peak rates that engines reach was measured; actual speeds should be within the factor given above",
    ),
    ("Fits", "all parts together fit into the usable memory of the device"),
    ("Costs", "devices run all day and are assumed to be busy at most half of the time; APIs are paid by the token"),
    (
        "Good for",
        "certainly within 200 ms for voice (to the first token), games and code, 1 s for chat, 10 s for email",
    ),
)


def render_plan(plan: Plan) -> str:
    """Write a plan as one HTML file that needs nothing outside itself. Equal plans give equal pages."""
    main = join(
        part
        for part in (
            _opening(plan),
            tag("div", _memory(plan), _times(plan), class_="pair") if plan.forecasts else None,
            _reach(plan),
            _costs(plan),
            _tuning(plan),
            _method(plan),
        )
        if part
    )
    banner = tag("header", tag("p", tag("span", "Ockham", class_="wordmark"), tag("span", "A plan", class_="of")))
    banner = Html(banner.replace("<header>", '<header class="banner">', 1))
    foot = tag("footer", tag("p", f"Ockham {plan.ockham}"), tag("p", "This file loads nothing from outside."))
    return document(f"Ockham: plan for {plan.device.name}", ("Skip to the plan", "#plan"), banner, main, foot)


def _opening(plan: Plan) -> Html:
    device = plan.device
    if plan.purpose == "tuning":
        title: Child = f"Tuning on {device.name}"
    elif plan.largest is None:
        title = "None of these models fits" + ("" if plan.max_p95_ms is None else " and is certainly fast enough")
    else:
        title = (tag("strong", plan.largest), " is the largest that fits", _within(plan))
    uses = [(use.name, largest([entry for entry in plan.forecasts if use.name in entry.good_for])) for use in USES]
    choices = "; ".join(f"{name}: {best.model if best else 'none'}" for name, best in uses)
    fast = tag("p", f"The largest that is certainly fast enough, by use: {choices}.") if plan.forecasts else None
    many = f"{device.count} x " if device.count > 1 else ""
    facts = (
        ("Device", f"{many}{device.name}"),
        ("Usable memory", f"{figures(device.usable_gb * device.count)} GB"),
        ("Bandwidth", f"{figures(device.bandwidth_gb_s)} GB/s"),
        (
            "Arithmetic",
            f"{figures(tera)} TFLOP/s" if (tera := device.tflops) >= 1 else f"{figures(1000 * tera)} GFLOP/s",
        ),
    )
    work = (
        f"Prompts of {count(plan.input_tokens)} tokens, answers of {count(plan.output_tokens)}, "
        f"{count(plan.concurrency)} at a time."
    )
    listed = [tag("div", tag("dt", name), tag("dd", tag("span", value, class_="big"))) for name, value in facts]
    notes = tag("ul", [tag("li", prose(entry)) for entry in plan.notes]) if plan.notes else None
    return tag("section", tag("h1", title), tag("p", work), fast, tag("dl", listed, class_="figures"), notes, id="plan")


def _within(plan: Plan) -> str:
    return "" if plan.max_p95_ms is None else f" and certainly answers within {milliseconds(plan.max_p95_ms)}"


def _memory(plan: Plan) -> Html | None:
    if not plan.forecasts:
        return None
    shown = evenly_spaced(plan.forecasts, BARS)
    body = [
        (
            forecast.model,
            forecast.quantization,
            "yes" if forecast.fits else "no" if plan.device.measured else f"needs {forecast.devices}",
            megabytes(forecast.memory.total_mb),
            megabytes(forecast.memory.weights_mb),
            megabytes(forecast.memory.kv_cache_mb),
            megabytes(forecast.memory.activations_mb),
            megabytes(forecast.memory.overhead_mb),
        )
        for forecast in plan.forecasts
    ]
    limit = plan.device.usable_gb * plan.device.count
    picture = figure(
        "memory",
        "Memory of each model by part, against what the device has",
        memory_words(shown, limit),
        lambda width: memory_chart(shown, limit, width),
        "Memory by part, and in total. Dashed: the usable memory of the device. Pale: does not fit."
        + ("" if len(shown) == len(plan.forecasts) else " A selection; the table has them all."),
    )
    heads = ("Model", "Format", "Fits", "Memory", "Weights", "Cache", "Buffers", "Engine")
    listed = table(heads, body, label="Memory", numbers=(3, 4, 5, 6, 7))
    return section("memory", "Does it fit?", picture, fold_numbers(listed))


def _times(plan: Plan) -> Html | None:
    if not plan.forecasts:
        return None
    has_limit = plan.max_p95_ms is not None
    body = [
        (
            forecast.model,
            forecast.quantization,
            milliseconds(forecast.speed.answer_ms),
            *((_FINDINGS[forecast.max_p95_ms],) if has_limit else ()),
            milliseconds(forecast.speed.first_token_ms),
            "-" if forecast.speed.tokens_per_s is None else figures(forecast.speed.tokens_per_s),
            figures(forecast.speed.answers_per_s),
            ", ".join(forecast.good_for) or "-",
        )
        for forecast in plan.forecasts
    ]
    limits = [(milliseconds(plan.max_p95_ms), plan.max_p95_ms)] if plan.max_p95_ms is not None else []
    limits += [(name, ms) for name, ms in (("200 ms", 200.0), ("1 s", 1000.0), ("10 s", 10_000.0)) if not limits]
    picture = figure(
        "times",
        "Time of an answer against the size of the model",
        time_words(plan.forecasts),
        lambda width: time_chart(plan.forecasts, limits, width),
        "Time of a whole answer, with the range in which the truth is expected. Hollow: does not fit.",
    )
    limit_head = (f"within {milliseconds(plan.max_p95_ms)}?",) if plan.max_p95_ms is not None else ()
    heads = ("Model", "Format", "Answer", *limit_head, "First token", "Tokens/s", "Answers/s", "Good for")
    numbers = tuple(i for i, head in enumerate(heads) if head in ("Answer", "First token", "Tokens/s", "Answers/s"))
    return section(
        "times", "Is it fast enough?", picture, fold_numbers(table(heads, body, label="Times", numbers=numbers))
    )


def _reach(plan: Plan) -> Html | None:
    if not plan.reach:
        return None
    body = [
        (row.device, row.model or "none", row.quantization or "-", "-" if row.ms is None else milliseconds(row.ms))
        for row in plan.reach
    ]
    limit = milliseconds(plan.reach[0].limit_ms)
    uses = ", ".join(use.name for use in USES if use.ms == plan.reach[0].limit_ms)
    heads = ("Device", "Largest model", "Format", "Answer")
    return section(
        "reach",
        f"What answers within {limit} on each device?",
        note(f"The limit for {uses}." if uses else "The limit you set."),
        table(heads, body, label="Largest model by device", numbers=(3,)),
    )


def _costs(plan: Plan) -> Html | None:
    if not plan.costs or plan.requests_per_day is None:
        return None
    body = [
        (
            cost.name,
            _KINDS[cost.kind],
            _money(cost.per_day, plan),
            _money(cost.per_year, plan),
            "-" if cost.per_million is None else _money(cost.per_million, plan),
            "-" if cost.machines is None else count(cost.machines),
            "-" if cost.break_even_per_day is None else f"{count(cost.break_even_per_day)} a day",
            cost.date + (" (old)" if cost.stale else ""),
            cost.how,
        )
        for cost in sorted(plan.costs, key=lambda cost: cost.per_day)
    ]
    heads = ("Where", "Kind", "Per day", "Per year", "Per million", "Devices", "Break-even", "Price date", "How")
    return section(
        "cost",
        f"What do {count(plan.requests_per_day)} requests per day cost?",
        tag("p", f"Devices run {plan.costs_of}.{_even(plan)}"),
        _cost_figure(plan),
        table(heads, body, label="Costs", numbers=(2, 3, 4, 5, 6)),
    )


def _even(plan: Plan) -> str:
    if plan.costs_against is None:
        return ""
    return f" An API costs the same as {plan.costs_against} from the traffic under “break-even”; below it, less."


def _cost_figure(plan: Plan) -> Html | None:
    traffic = plan.requests_per_day or 1.0
    low, high = traffic / 100, traffic * 100
    steps = [low * (high / low) ** (i / 120) for i in range(121)]
    cheapest = _few(plan.costs)
    lines = [line_chart.ChartLine(name=_machine_name(cost), points=_line(cost, steps)) for cost in cheapest]
    if not lines:
        return None
    chart = line_chart.Chart(
        x_title="requests a day (logarithmic)",
        x_log=True,
        y_title="Cost a day" if plan.currency == "USD" else f"Cost a day in {plan.currency}",
        write_x=write_short,
        write_y=write_dollars if plan.currency == "USD" else write_plain,
        y_log=True,
        mark=traffic,
        mark_name="your traffic",
        joints=False,
    )
    return figure(
        "cost",
        "Cost a day against requests a day",
        line_chart.description(lines, chart),
        lambda width: line_chart.draw(lines, chart, width),
        "Cost a day, both axes logarithmic. Dashed: your traffic.",
    )


def _line(offer: Cost, steps: Sequence[float]) -> tuple[tuple[float, float, float, float], ...]:
    if offer.machines is None or offer.answers_per_s is None:
        costs = [(offer.per_million or 0.0) * requests / 1e6 for requests in steps]
    else:
        per_machine = offer.per_day / offer.machines
        costs = [per_machine * machines(offer.answers_per_s, requests) for requests in steps]
    return tuple((requests, cost, cost, cost) for requests, cost in zip(steps, costs, strict=True))


def _few(costs: Sequence[Cost]) -> list[Cost]:
    """Choose five lines: the cheapest and the dearest API, the cheapest rented and owned device, the first rented."""
    of = {kind: sorted((c for c in costs if c.kind == kind), key=lambda cost: cost.per_day) for kind in _KINDS}
    chosen = [*of["api"][:1], *of["api"][-1:], *of["rent"][:1], *of["own"][:1]]
    first = next((cost for cost in costs if cost.kind == "rent"), None)
    chosen += [first] if first is not None else []
    return list(dict.fromkeys(cost for cost in chosen if (cost.per_million or 0) > 0))


def _machine_name(cost: Cost) -> str:
    # "cloud machine, 2 virtual cores, 8 GB" is named in full in the table.
    name, of, _ = cost.name.partition(",")
    return name if cost.kind == "api" or of else f"{name}, {_KINDS[cost.kind]}"


def _tuning(plan: Plan) -> Html | None:
    if not plan.tuning:
        return None
    body = [
        (
            forecast.model,
            forecast.method,
            "yes" if forecast.fits else f"needs {forecast.devices}",
            megabytes(forecast.total_mb),
            megabytes(forecast.weights_mb),
            megabytes(forecast.gradients_mb),
            megabytes(forecast.optimizer_mb),
            megabytes(forecast.activations_mb),
            f"{figures(forecast.hours)} h",
            percent(forecast.saves, 0),
        )
        for forecast in plan.tuning
    ]
    heads = ("Model", "Method", "Fits", "Memory", "Weights", "Gradients", "Optimizer", "Activations", "Hours", "Saves")
    listed = table(heads, body, label="Tuning", numbers=range(3, 10))
    return section("tuning", "What does tuning take?", note("Saves: of the memory of full tuning."), listed)


def _method(plan: Plan) -> Html:
    facts = [*_METHOD, ("Device's numbers", plan.device.source)]
    past = plan.past_error
    errors = "no prediction has been checked against a measurement on this machine yet"
    if past is not None:
        kinds = (("memory", past.memory, past.n_memory), ("speed", past.speed, past.n_speed))
        parts = [f"{what} {percent(value, 0)} (of {number})" for what, value, number in kinds if value is not None]
        errors = f"median error so far: {', '.join(parts)}"
    facts.append(("Past errors", errors))
    listed = [tag("div", tag("dt", term), tag("dd", value)) for term, value in facts]
    return section("method", "How it was predicted", tag("dl", listed, class_="facts"))


def _money(value: float, plan: Plan) -> str:
    text = f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    return f"${text}" if plan.currency == "USD" else f"{text} {plan.currency}"
