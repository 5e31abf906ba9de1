"""Curves: more training rows, epochs of tuning, the cascade, and cost against traffic; each with its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ockham.evals.cost import machines
from ockham.evals.curve_crossing import find_crossing
from ockham.readers.row_sample import evenly_spaced
from ockham.records import CoveragePoint, CurvePoint, EpochPoint, Estimate, RunResult
from ockham.reporting import line_chart
from ockham.reporting.candidate_view import TOO_WRONG, focus
from ockham.reporting.formatting import count, dollars, finite, finite_estimate, full, metric_name, percent, points
from ockham.reporting.html import Child, Html, fold_numbers, join, note, section, table, tag
from ockham.reporting.scales import write_dollars, write_plain, write_shares, write_short
from ockham.reporting.svg import figure

_EPOCHS = 60
_DRAWN = 4
"""So many APIs stand in the picture of costs: more lines cannot be told apart."""


def learning(run_result: RunResult) -> Html | None:
    """Show quality against the number of training rows: would more rows help? The chosen candidate comes first."""
    measured = [p for p in run_result.curve if finite_estimate(p.metric) and p.rows > 0]
    if not measured:
        return None
    line = focus(run_result)
    name = line.name if line else ""
    by_name = dict(sorted(_by_name(measured).items(), key=lambda item: item[0] != name))
    hosted = _hosted_scores(run_result)
    crossings = [
        _crossing(candidate, curve, name, value.value)
        for name, value in hosted.items()
        for candidate, curve in by_name.items()
    ]
    absent = f"The curve of {name} was not measured, because that takes as long as building it several times."
    return section(
        "learning",
        "Would more rows help?",
        tag("ul", [tag("li", _slope(candidate, curve)) for candidate, curve in by_name.items()]),
        tag("ul", [tag("li", sentence) for sentence in crossings]) if crossings else None,
        note(absent) if name and name not in by_name else None,
        _learning_figure(run_result.verdict.metric, by_name, hosted),
        _learning_numbers(run_result.verdict.metric, by_name, hosted),
    )


def _learning_figure(metric: str, by_name: Mapping[str, Sequence[CurvePoint]], hosted: Mapping[str, Estimate]) -> Html:
    """Draw the curve of each candidate, and what models behind an API reach as level lines."""
    lines = [
        line_chart.ChartLine(
            name=name, points=tuple((float(p.rows), p.metric.value, p.metric.low, p.metric.high) for p in curve)
        )
        for name, curve in by_name.items()
    ]
    sizes = [float(p.rows) for curve in by_name.values() for p in curve]
    lines += [
        line_chart.ChartLine(
            name=name, points=tuple((x, value.value, value.low, value.high) for x in (min(sizes), max(sizes)))
        )
        for name, value in hosted.items()
    ]
    chart = line_chart.Chart(
        x_title="training rows (logarithmic)",
        y_title=metric_name(metric),
        write_x=write_plain,
        write_y=write_shares,
        x_log=True,
    )
    level = (
        f"{' and '.join(hosted)}, which {'does' if len(hosted) == 1 else 'do'} not learn from them: on the test rows."
    )
    return figure(
        "learning",
        f"{metric_name(metric)} against the number of training rows",
        line_chart.description(lines, chart),
        lambda width: line_chart.draw(lines, chart, width),
        f"{metric_name(metric)} on the validation rows with 95 % intervals, by share of the training rows."
        + (f" {level}" if hosted else ""),
    )


def _learning_numbers(metric: str, by_name: Mapping[str, Sequence[CurvePoint]], hosted: Mapping[str, Estimate]) -> Html:
    body = [
        (p.candidate, count(p.rows), percent(p.share, 0), full(metric, p.metric))
        for curve in by_name.values()
        for p in curve
    ]
    body += [(name, "none", "", full(metric, value)) for name, value in hosted.items()]
    heads = ("Candidate", "Rows", "Share", metric_name(metric))
    return fold_numbers(table(heads, body, label="Learning curve", numbers=(1, 2)))


def training(run_result: RunResult) -> Html | None:
    """Show each tuning run: quality on the rows it learns from against rows it does not."""
    measured = {
        name: [point for point in points if finite(point.valid_metric) is not None]
        for name, points in run_result.training.items()
    }
    runs = {name: points for name, points in measured.items() if points}
    if not runs:
        return None
    return section(
        "training",
        "How tuning went",
        note("Where the training curve keeps rising and the validation curve does not, the model overfits."),
        [_run(run_result, name, points, number) for number, (name, points) in enumerate(runs.items(), 1)],
    )


def cascade(run_result: RunResult) -> Html | None:
    """Show how the error among the kept answers falls as doubtful ones are passed on."""
    curves = {n: [p for p in points if finite_estimate(p.error)] for n, points in run_result.coverage.items()}
    curves = {n: sorted(points, key=lambda p: p.share) for n, points in curves.items() if points}
    if not curves or min(p.error.value for points in curves.values() for p in points) >= TOO_WRONG:
        return None
    lines = [
        line_chart.ChartLine(
            name=name, points=tuple((p.share, p.error.value, p.error.low, p.error.high) for p in points)
        )
        for name, points in curves.items()
    ]
    chart = line_chart.Chart(
        x_title="share of answers kept",
        y_title="Error",
        write_x=write_shares,
        write_y=write_shares,
        y_zero=True,
    )
    body = [
        (name, percent(p.share, 0), percent(p.threshold, 0), full("accuracy", p.error))
        for name, points in curves.items()
        for p in points
    ]
    promises = [promise for name, points in curves.items() if (promise := _promise(name, points))]
    return section(
        "cascade",
        "Keep the confident answers, pass on the rest",
        tag("ul", [tag("li", promise) for promise in promises]) if promises else None,
        figure(
            "cascade",
            "Error among the kept answers against the share kept",
            line_chart.description(lines, chart),
            lambda width: line_chart.draw(lines, chart, width),
            "Error among the kept answers with its 95 % interval. All other answers go to a person or a larger model.",
        ),
        fold_numbers(
            table(
                ("Candidate", "Kept", "Confidence at least", "Error among kept"), body, label="Cascade", numbers=(1, 2)
            )
        ),
    )


def cost(run_result: RunResult) -> Html | None:
    """Show cost a day against traffic: serving here, and the listed APIs."""
    apis = [a for a in run_result.apis if a.per_million > 0 and math.isfinite(a.per_million)]
    here = run_result.machine_per_day
    line = focus(run_result)
    if not apis and here is None:
        return None
    parts: list[Child] = []
    if here is not None:
        name = line.name if line else "the chosen candidate"
        parts.append(
            tag(
                "p",
                f"A machine that serves {name} costs {dollars(here)} a day, however few requests there are. "
                "It is assumed to be busy at most half of the time; more traffic needs more machines.",
            )
        )
    if apis and here:  # an axis of costs that is logarithmic has no place for a machine that costs nothing
        parts.append(_cost_figure(run_result, here))
    if apis:
        at_traffic = any(a.per_day is not None for a in apis)
        body = [
            (
                a.name,
                dollars(a.per_million),
                *((dollars(a.per_day) if a.per_day is not None else "",) if at_traffic else ()),
                f"{count(a.break_even_per_day)} a day"
                if a.break_even_per_day is not None
                else tag("span", "never: the API stays cheaper", class_="none"),
                a.date,
            )
            for a in apis
        ]
        daily = ("Per day, at your traffic",) if at_traffic else ()
        heads = ("API", "Per million requests", *daily, "Break-even", "Price from")
        parts.append(
            note("List prices, for rows as long as those of this data set. Below the break-even, the API is cheaper.")
        )
        parts += _price_tables(heads, body)
    return section("cost", "Cost, compared with APIs", *parts)


def _price_tables(heads: Sequence[str], body: Sequence[Sequence[Child]]) -> list[Html]:
    """Show the APIs of the picture, and the others behind a fold."""
    numbers = tuple(range(1, len(heads) - 1))
    drawn, others = body[:_DRAWN], body[_DRAWN:]
    tables = [table(heads, drawn, label="Costs of APIs", numbers=numbers)]
    if others:
        listed = table(heads, others, label="Costs of other APIs", numbers=numbers)
        tables.append(tag("details", tag("summary", f"Other APIs ({count(len(others))})"), listed))
    return tables


def _by_name(measured: Sequence[CurvePoint]) -> Mapping[str, list[CurvePoint]]:
    curves: dict[str, list[CurvePoint]] = {}
    for p in sorted(measured, key=lambda p: p.rows):
        curves.setdefault(p.candidate, []).append(p)
    return curves


def _slope(name: str, curve: Sequence[CurvePoint]) -> str:
    if len(curve) < 2:
        return f"{name}: one size only, nothing to compare."
    last, before = curve[-1], curve[-2]
    gain = last.metric.value - before.metric.value
    step = f"from {count(before.rows)} to {count(last.rows)} rows"
    if last.metric.low > before.metric.value and gain > 0:
        return f"{name}: still rising ({points(gain)} points {step}); more rows would probably help."
    return f"{name}: {points(gain)} points {step}, within the interval; more rows would not clearly help."


def _hosted_scores(run_result: RunResult) -> dict[str, Estimate]:
    """Return what models behind an API reach on the test rows."""
    metric = run_result.verdict.metric
    return {
        report.candidate.name: value
        for report in run_result.reports
        if report.candidate.name in run_result.hosted and (value := finite_estimate(report.metrics.get(metric)))
    }


def _crossing(name: str, curve: Sequence[CurvePoint], hosted: str, value: float) -> str:
    """Say after how many training rows a candidate is as good as a model behind an API, if ever."""
    last = curve[-1]
    crossing = find_crossing([p.rows for p in curve], [p.metric.value for p in curve], value)
    if crossing is not None and not crossing.extrapolated:
        needed = (
            "with the fewest rows tried" if crossing.rows <= curve[0].rows else f"with about {_about(crossing.rows)}"
        )
        return f"{name} reaches {hosted} ({percent(value)}) {needed}."
    behind = f"{name} is {points(last.metric.value - value)} points from {hosted} with all {count(last.rows)} rows"
    if crossing is None:
        return f"{behind}, and its curve does not lead there within ten times as many."
    return f"{behind}; if its curve goes on as before, it needs about {_about(crossing.rows)} (not measured)."


def _about(number: float) -> str:
    """Write a number of rows to two digits."""
    return f"{count(round(number, 1 - math.floor(math.log10(number))))} rows"


def _run(run_result: RunResult, name: str, points: Sequence[EpochPoint], number: int) -> Html:
    metric = metric_name(run_result.verdict.metric)
    shown = evenly_spaced(points, _EPOCHS)
    seen = [(p.epoch, value) for p in shown if (value := _training_value(p, p.train_metric)) is not None]
    lines = [
        line_chart.ChartLine(name="training rows", points=tuple((x, y, y, y) for x, y in seen)),
        line_chart.ChartLine(name="validation rows", points=tuple((p.epoch, *(p.valid_metric,) * 3) for p in shown)),
    ]
    kept_epochs = [p.epoch for p in points if p.is_best]
    chart = line_chart.Chart(
        x_title="epochs",
        y_title=metric,
        write_x=write_plain,
        write_y=write_shares,
        mark=kept_epochs[-1] if kept_epochs else None,
        mark_name="kept",
        whole=all(float(p.epoch).is_integer() for p in shown),
    )
    body = [
        (
            f"{'start' if p.epoch == 0 else f'{p.epoch:g}'}{' (kept)' if p.is_best else ''}",
            _number(_training_value(p, p.train_loss)),
            _share(_training_value(p, p.train_metric)),
            percent(p.valid_metric),
        )
        for p in shown
    ]
    picture = figure(
        f"training-{number}",
        f"{metric} of {name} on training and validation rows after each epoch",
        line_chart.description(lines, chart),
        lambda width: line_chart.draw(lines, chart, width),
        f"{metric} after each epoch; 0 is the start. The dashed line marks the weights that were kept.",
    )
    heads = ("Epoch", "Training loss", f"{metric}, training", f"{metric}, validation")
    return join(
        (tag("h3", name), picture, fold_numbers(table(heads, body, label=f"Tuning of {name}", numbers=(1, 2, 3))))
    )


def _training_value(point: EpochPoint, value: float | None) -> float | None:
    """Return what an epoch says of the training rows; the start, of which older runs wrote 0, says nothing."""
    return None if point.epoch == 0 else finite(value)


def _number(value: float | None) -> Child:
    return tag("span", "not trained yet", class_="none") if value is None else f"{value:.3f}"


def _share(value: float | None) -> Child:
    return "" if value is None else percent(value)


def _promise(name: str, points: Sequence[CoveragePoint]) -> str | None:
    whole = max(points, key=lambda p: p.share)
    half = [p for p in points if p.error.high <= whole.error.value / 2]
    if not half or whole.error.value == 0:
        return None
    best = max(half, key=lambda p: p.share)
    return (
        f"{name}: of all answers {percent(whole.error.value)} are wrong; of the most confident "
        f"{percent(best.share, 0)} only "
        f"{percent(best.error.value)} (at most {percent(best.error.high)}, n = {count(best.error.n)})."
    )


def _cost_figure(run_result: RunResult, here: float) -> Html:
    apis = [a for a in run_result.apis if a.per_million > 0]
    traffic = run_result.verdict.requirements.get("requests_per_day")
    volumes = [a.break_even_per_day for a in apis if a.break_even_per_day] + ([traffic] if traffic else [])
    low, high = min(volumes or [1e3]) / 8, max(volumes or [1e5]) * 8
    line = focus(run_result)
    speed = line.throughput.value if line and line.throughput else None
    steps = [low * (high / low) ** (i / 120) for i in range(121)]
    mine = tuple((r, v, v, v) for r in steps for v in (here * (machines(speed, r) if speed else 1),))
    lines = [line_chart.ChartLine(name="here", points=mine)]
    for a in apis[:_DRAWN]:
        ends = tuple((r, a.per_million * r / 1e6) for r in (low, high))
        lines.append(line_chart.ChartLine(name=a.name, points=tuple((r, v, v, v) for r, v in ends)))
    rings = tuple((a.break_even_per_day, here) for a in apis[:_DRAWN] if a.break_even_per_day)
    chart = line_chart.Chart(
        x_title="requests per day (logarithmic)",
        x_log=True,
        y_title="Cost per day",
        write_x=write_short,
        write_y=write_dollars,
        y_log=True,
        mark=traffic,
        mark_name="your traffic",
        rings=rings,
        joints=False,
    )
    return figure(
        "cost",
        "Cost per day against requests per day, here and for the listed APIs",
        line_chart.description(lines, chart),
        lambda width: line_chart.draw(lines, chart, width),
        "Cost per day, both axes logarithmic. Rings: where serving here costs the same."
        + (" Dashed: your traffic." if traffic else ""),
    )
