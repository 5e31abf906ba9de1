"""The page of a plan: does it fit, is it fast enough, what does it cost, and how that was predicted."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.evals.cost import machines
from ockham.plan.forecasts import USES, largest
from ockham.records.plan import Cost, Forecast, Plan
from ockham.report import line_chart
from ockham.report.formatting import count, figures, megabytes, milliseconds
from ockham.report.html import Child, Html, join, note, section, table, tag
from ockham.report.page import document
from ockham.report.plan_charts import memory_chart, memory_words, time_chart, time_words
from ockham.report.scales import write_dollars, write_plain, write_short
from ockham.report.svg import figure

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
        "a roofline: reading a prompt waits for arithmetic, writing waits for memory; what engines reach of a device's "
        "peak rates was measured, and the truth is expected within the factor that is named",
    ),
    ("Fits", "all parts together in the memory that a model may take of the device"),
    ("Costs", "devices run all day and are planned to be busy half of the time at most; APIs are paid by the token"),
    ("Good for", "surely within 200 ms for voice (to the first token), games and code, 1 s for chat, 10 s for mail"),
)


def render_plan(found: Plan) -> str:
    """Write a plan as one HTML file that needs nothing outside itself. Equal plans give equal pages."""
    main = join(
        part
        for part in (
            _opening(found),
            tag("div", _memory(found), _times(found), class_="pair") if found.forecasts else None,
            _reach(found),
            _costs(found),
            _tuning(found),
            _method(found),
        )
        if part
    )
    banner = tag("header", tag("p", tag("span", "Ockham", class_="wordmark"), tag("span", "A plan", class_="of")))
    banner = Html(banner.replace("<header>", '<header class="banner">', 1))
    foot = tag("footer", tag("p", f"Ockham {found.ockham}"), tag("p", "This file loads nothing from anywhere."))
    return document(f"Ockham: plan for {found.device.name}", ("Skip to the plan", "#plan"), banner, main, foot)


def _opening(found: Plan) -> Html:
    device = found.device
    if found.purpose == "tuning":
        title: Child = f"Tuning on {device.name}"
    elif found.largest is None:
        title = "None of these models fits" + ("" if found.max_p95_ms is None else " and is surely fast enough")
    else:
        title = (tag("strong", found.largest), " is the largest that fits", _within(found))
    uses = [(use.name, largest([one for one in found.forecasts if use.name in one.good_for])) for use in USES]
    said = "; ".join(f"{name}: {best.model if best else 'none'}" for name, best in uses)
    fast = tag("p", f"The largest that is surely fast enough for {said}.") if found.forecasts else None
    many = f"{device.count} x " if device.count > 1 else ""
    facts = (
        ("Device", f"{many}{device.name}"),
        ("Memory that can be used", f"{figures(device.usable_gb * device.count)} GB"),
        ("Bandwidth", f"{figures(device.bandwidth_gb_s)} GB/s"),
        (
            "Arithmetic",
            f"{figures(tera)} TFLOP/s" if (tera := device.tflops) >= 1 else f"{figures(1000 * tera)} GFLOP/s",
        ),
    )
    work = (
        f"Prompts of {count(found.input_tokens)} tokens, answers of {count(found.output_tokens)}, "
        f"{count(found.concurrency)} at a time."
    )
    listed = [tag("div", tag("dt", name), tag("dd", tag("span", value, class_="big"))) for name, value in facts]
    notes = tag("ul", [tag("li", one) for one in found.notes]) if found.notes else None
    return tag("section", tag("h1", title), tag("p", work), fast, tag("dl", listed, class_="figures"), notes, id="plan")


def _within(found: Plan) -> str:
    return "" if found.max_p95_ms is None else f" and surely answers within {milliseconds(found.max_p95_ms)}"


def _memory(found: Plan) -> Html | None:
    if not found.forecasts:
        return None
    shown = _spread(found.forecasts, BARS)
    body = [
        (
            one.model,
            one.quantization,
            "yes" if one.fits else "no" if found.device.measured else f"needs {one.devices}",
            megabytes(one.memory.total_mb),
            megabytes(one.memory.weights_mb),
            megabytes(one.memory.kv_cache_mb),
            megabytes(one.memory.activations_mb),
            megabytes(one.memory.overhead_mb),
        )
        for one in found.forecasts
    ]
    limit = found.device.usable_gb * found.device.count
    picture = figure(
        "memory",
        "Memory of each model by part, against what the device has",
        memory_words(shown, limit),
        lambda width: memory_chart(shown, limit, width),
        "Memory by part, and in all. Dashed: what can be used of the device. Pale: does not fit."
        + ("" if len(shown) == len(found.forecasts) else " A selection; the table has them all."),
    )
    heads = ("Model", "Format", "Fits", "Memory", "Weights", "Cache", "Buffers", "Engine")
    listed = table(heads, body, label="Memory", numbers=(3, 4, 5, 6, 7))
    return section("memory", "Does it fit?", picture, _numbers(listed))


def _times(found: Plan) -> Html | None:
    if not found.forecasts:
        return None
    asked = found.max_p95_ms is not None
    body = [
        (
            one.model,
            one.quantization,
            milliseconds(one.speed.answer_ms),
            *((_FINDINGS[one.max_p95_ms],) if asked else ()),
            milliseconds(one.speed.first_token_ms),
            "-" if one.speed.tokens_per_s is None else figures(one.speed.tokens_per_s),
            figures(one.speed.answers_per_s),
            ", ".join(one.good_for) or "-",
        )
        for one in found.forecasts
    ]
    limits = [(milliseconds(found.max_p95_ms), found.max_p95_ms)] if found.max_p95_ms is not None else []
    limits += [(name, ms) for name, ms in (("200 ms", 200.0), ("1 s", 1000.0), ("10 s", 10_000.0)) if not limits]
    picture = figure(
        "times",
        "Time of an answer against the size of the model",
        time_words(found.forecasts),
        lambda width: time_chart(found.forecasts, limits, width),
        "Time of a whole answer, with the range in which the truth is expected. Hollow: does not fit.",
    )
    limit_head = (f"within {milliseconds(found.max_p95_ms)}?",) if found.max_p95_ms is not None else ()
    heads = ("Model", "Format", "Answer", *limit_head, "First token", "Tokens/s", "Answers/s", "Good for")
    numbers = tuple(i for i, head in enumerate(heads) if head in ("Answer", "First token", "Tokens/s", "Answers/s"))
    return section("times", "Is it fast enough?", picture, _numbers(table(heads, body, label="Times", numbers=numbers)))


def _reach(found: Plan) -> Html | None:
    if not found.reach:
        return None
    body = [
        (one.device, one.model or "none", one.quantization or "-", "-" if one.ms is None else milliseconds(one.ms))
        for one in found.reach
    ]
    limit = milliseconds(found.reach[0].limit_ms)
    uses = ", ".join(use.name for use in USES if use.ms == found.reach[0].limit_ms)
    heads = ("Device", "Largest model", "Format", "Answer")
    return section(
        "reach",
        f"Who answers within {limit}, where?",
        note(f"As {uses} need it." if uses else "As asked."),
        table(heads, body, label="Largest model by device", numbers=(3,)),
    )


def _costs(found: Plan) -> Html | None:
    if not found.costs or found.requests_per_day is None:
        return None
    body = [
        (
            one.name,
            _KINDS[one.kind],
            _money(one.per_day, found),
            _money(one.per_year, found),
            "-" if one.per_million is None else _money(one.per_million, found),
            "-" if one.machines is None else count(one.machines),
            "-" if one.break_even_per_day is None else f"{count(one.break_even_per_day)} a day",
            one.date + (" (old)" if one.stale else ""),
            one.how,
        )
        for one in sorted(found.costs, key=lambda one: one.per_day)
    ]
    heads = ("Where", "Kind", "A day", "A year", "A million", "Devices", "Even from", "Price of", "How")
    return section(
        "cost",
        f"What do {count(found.requests_per_day)} requests a day cost?",
        tag("p", f"Devices run {found.costs_of}.{_even(found)}"),
        _cost_figure(found),
        table(heads, body, label="Costs", numbers=(2, 3, 4, 5, 6)),
    )


def _even(found: Plan) -> str:
    if found.costs_against is None:
        return ""
    return f" An API costs the same as {found.costs_against} from the traffic under “even from”; below it, less."


def _cost_figure(found: Plan) -> Html | None:
    traffic = found.requests_per_day or 1.0
    low, high = traffic / 100, traffic * 100
    steps = [low * (high / low) ** (i / 120) for i in range(121)]
    cheapest = _few(found.costs)
    lines = [line_chart.ChartLine(name=_machine_name(one), points=_line(one, steps)) for one in cheapest]
    if not lines:
        return None
    chart = line_chart.Chart(
        x_title="requests a day (logarithmic)",
        x_log=True,
        y_title="Cost a day" if found.currency == "USD" else f"Cost a day in {found.currency}",
        write_x=write_short,
        write_y=write_dollars if found.currency == "USD" else write_plain,
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


def _line(one: Cost, steps: Sequence[float]) -> tuple[tuple[float, float, float, float], ...]:
    if one.machines is None or one.answers_per_s is None:
        costs = [(one.per_million or 0.0) * requests / 1e6 for requests in steps]
    else:
        each = one.per_day / one.machines
        costs = [each * machines(one.answers_per_s, requests) for requests in steps]
    return tuple((requests, cost, cost, cost) for requests, cost in zip(steps, costs, strict=True))


def _few(costs: Sequence[Cost]) -> list[Cost]:
    """Choose five lines: the cheapest and the dearest API, the cheapest rented and owned device, the first rented."""
    of = {kind: sorted((c for c in costs if c.kind == kind), key=lambda one: one.per_day) for kind in _KINDS}
    chosen = [*of["api"][:1], *of["api"][-1:], *of["rent"][:1], *of["own"][:1]]
    first = next((one for one in costs if one.kind == "rent"), None)
    chosen += [first] if first is not None else []
    return list(dict.fromkeys(one for one in chosen if (one.per_million or 0) > 0))


def _machine_name(one: Cost) -> str:
    # "cloud machine, 2 virtual cores, 8 GB" is named in full in the table.
    name, of, _ = one.name.partition(",")
    return name if one.kind == "api" or of else f"{name}, {_KINDS[one.kind]}"


def _tuning(found: Plan) -> Html | None:
    if not found.tuning:
        return None
    body = [
        (
            one.model,
            one.method,
            "yes" if one.fits else f"needs {one.devices}",
            megabytes(one.total_mb),
            megabytes(one.weights_mb),
            megabytes(one.gradients_mb),
            megabytes(one.optimizer_mb),
            megabytes(one.activations_mb),
            f"{figures(one.hours)} h",
            f"{one.saves:.0%}",
        )
        for one in found.tuning
    ]
    heads = ("Model", "Method", "Fits", "Memory", "Weights", "Gradients", "Optimizer", "Activations", "Hours", "Saves")
    listed = table(heads, body, label="Tuning", numbers=range(3, 10))
    return section("tuning", "What does tuning take?", note("Saves: of the memory of full tuning."), listed)


def _method(found: Plan) -> Html:
    facts = [*_METHOD, ("Device's numbers", found.device.source)]
    past = found.past_error
    said = "no prediction was compared with a measurement on this machine yet"
    if past is not None:
        kinds = (("memory", past.memory, past.n_memory), ("speed", past.speed, past.n_speed))
        parts = [f"{what} {value:.0%} (of {number})" for what, value, number in kinds if value is not None]
        said = f"median error so far: {', '.join(parts)}"
    facts.append(("Past errors", said))
    listed = [tag("div", tag("dt", term), tag("dd", value)) for term, value in facts]
    return section("method", "How it was predicted", tag("dl", listed, class_="facts"))


def _spread(found: Sequence[Forecast], most: int) -> list[Forecast]:
    """Choose forecasts evenly from the smallest to the largest."""
    if len(found) <= most:
        return list(found)
    return [found[round(i * (len(found) - 1) / (most - 1))] for i in range(most)]


def _money(value: float, found: Plan) -> str:
    text = f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    return f"${text}" if found.currency == "USD" else f"{text} {found.currency}"


def _numbers(content: Html) -> Html:
    return tag("details", tag("summary", "The numbers"), content)
