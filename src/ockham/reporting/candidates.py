"""The candidates one by one: what was measured, what it says about the requirements, and how they compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ockham.plain_numbers import digits
from ockham.records import Comparison, Estimate, RunResult
from ockham.reporting.candidate_view import CandidateView, candidate_views, focus
from ockham.reporting.formatting import (
    amount,
    count,
    dollars,
    finite,
    finite_estimate,
    interval,
    megabytes,
    metric_name,
    milliseconds,
    milliseconds_between,
    minus,
    p_value,
    points,
    quantity_name,
    rate,
    seconds,
)
from ockham.reporting.html import Child, Html, note, prose, scroll, section, tag
from ockham.reporting.html import table as grid
from ockham.verdict.sentences import rounded_rows

_SIGNS = {"meets": "✓", "misses": "✕", "cannot tell": "?"}
_CLASSES = {"meets": "yes", "misses": "no", "cannot tell": "open"}


def table(run_result: RunResult) -> Html:
    """List every candidate, the skipped and failed ones with their reason; what none was measured for is left out."""
    views = candidate_views(run_result)
    columns = _columns(run_result, views)
    head = tag("tr", [tag("th", column.head, scope="col") for column in columns])
    body = [_row(run_result, line, columns) for line in views]
    caption = tag("caption", "Candidates", class_="unseen")
    grid_ = tag("table", caption, tag("thead", head), tag("tbody", body), class_="cards")
    priced = any(line.cost_per_million is not None for line in views)
    return section(
        "candidates",
        "Candidates, smallest first",
        note(
            f"All measured on the same {count(run_result.verdict.dataset.test)} test rows, as they would be served. "
            "Bars: 95 % intervals on a scale from 0 to 100 %.",
            " Cost per million requests: on a machine that is busy half of the time." if priced else None,
        ),
        scroll(tag("div", grid_, class_="candidates"), "Candidates"),
    )


def comparisons(run_result: RunResult) -> Html | None:
    """Compare candidates pair by pair on the same rows: those with the chosen one, the others behind a fold."""
    pairs = [c for c in run_result.comparisons if finite_estimate(c.difference)]
    if not pairs:
        return None
    line = focus(run_result)
    name = line.name if line else ""
    first = [_turn(c, name) for c in pairs if name in (c.first, c.second)]
    others = [c for c in pairs if name not in (c.first, c.second)]
    widest = max(max(abs(c.difference.low), abs(c.difference.high)) for c in pairs) or 1.0
    return section(
        "comparisons",
        f"{name} against the others" if first else "Compared on the same rows",
        note(
            "Differences in points, first minus second, with their 95 % interval, paired: the rows are the same for "
            f"both. {count(len(pairs))} comparisons were made; p-values are corrected for that "
            "(Holm, 1979)."
            if len(pairs) > 1
            else "The difference in points, first minus second, with its 95 % interval, paired on the same test rows."
        ),
        _pairs_table(first, widest, "Paired comparisons") if first else None,
        tag(
            "details",
            tag("summary", f"All other comparisons ({count(len(others))})" if first else "All comparisons"),
            _pairs_table(others, widest, "Other paired comparisons"),
            open=not first,
        )
        if others
        else None,
    )


def _turn(c: Comparison, name: str) -> Comparison:
    """Write a comparison with the named candidate first."""
    if c.first == name:
        return c
    d = c.difference
    turned = Estimate(value=-d.value, low=-d.high, high=-d.low, n=d.n)
    return replace(c, first=c.second, second=c.first, difference=turned)


def _pairs_table(pairs: Sequence[Comparison], widest: float, label: str) -> Html:
    heads = ("Pair", "Metric", "Difference", "", "p", "p, corrected", "Reading")
    return grid(heads, [_pair(c, widest) for c in pairs], label=label, numbers=(2, 4, 5))


def _metrics(run_result: RunResult, views: tuple[CandidateView, ...]) -> list[str]:
    names = {name for line in views for name in line.result.metrics}
    first = run_result.verdict.metric
    return [first, *sorted(names - {first})]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A column of the table: its head, and what stands in it for a candidate."""

    head: str
    cell: Callable[[CandidateView], Child]


def _columns(run_result: RunResult, views: tuple[CandidateView, ...]) -> list[_Column]:
    """Choose the columns that hold something for at least one candidate."""
    measured = [line for line in views if line.result.status == "measured"]
    columns = [
        _Column(head=metric_name(m), cell=partial(_measure, m, run_result.verdict.dataset.test))
        for m in _metrics(run_result, views)
        if any(line.metric(m) is not None for line in measured)
    ]
    if any(line.result.meets or line.result.why for line in measured):
        columns.insert(0, _Column(head="Requirements", cell=_findings))
    if any(line.latency("p95") or (line.report and line.report.at_rate) for line in measured):
        columns.append(_Column(head="p95 latency", cell=_latencies))
    if any(line.memory_mb is not None or finite(line.result.artifact_mb) is not None for line in measured):
        columns.append(_Column(head="Memory", cell=_sizes))
    if any(line.throughput for line in measured):
        columns.append(_Column(head="Answers per second", cell=_speed))
    if any(line.cost_per_day is not None for line in measured):
        columns.append(_Column(head="Cost per day", cell=_day_price))
    elif any(line.cost_per_million is not None for line in measured):
        columns.append(_Column(head="Cost per million requests", cell=_million_price))
    return [_Column(head="Candidate", cell=lambda line: line.name), *columns]


def _row(run_result: RunResult, line: CandidateView, columns: Sequence[_Column]) -> Html:
    chosen = line.name == run_result.verdict.chosen
    name = tag(
        "th",
        tag("span", line.name, class_="name"),
        tag("span", "chosen", class_="badge") if chosen else None,
        tag("span", line.summary, class_="small") if line.summary else None,
        _rows_needed(line) if columns[1:2] and columns[1].cell is not _findings else None,
        scope="row",
    )
    if line.result.status != "measured":
        why = f"{line.result.status}, because {line.result.why or 'no reason was recorded'}"
        return tag("tr", name, tag("td", prose(why), colspan=max(1, len(columns) - 1)), class_="skipped")
    cells = [tag("td", column.cell(line), data_head=column.head) for column in columns[1:]]
    return tag("tr", name, cells, class_="chosen" if chosen else None)


def _measure(metric: str, rows_of_test: int, line: CandidateView) -> Child:
    e = line.metric(metric)
    if e is None:
        return _none()
    bar = whisker(e, 0.0, 1.0) if 0 <= e.low <= e.high <= 1 else None
    return (
        tag("span", amount(metric, e.value), class_="value"),
        bar,
        _small(interval(metric, e)),
        _small(f"n = {count(e.n)}") if e.n != rows_of_test else None,
    )


def _latencies(line: CandidateView) -> Child:
    p50, p95, p99 = (line.latency(q) for q in ("p50", "p95", "p99"))
    at_rate = line.report.at_rate if line.report else None
    if p95 is None:
        return (_none(), _small("requests arrive faster than it answers them one at a time")) if at_rate else _none()
    spread = milliseconds_between(p95.low, p95.high) if p95.n else "no interval"
    rest = [_small(f"{q} {milliseconds(e.value)}") for q, e in (("p50", p50), ("p99", p99)) if e]
    if line.report and line.report.profile and line.report.profile.contention:
        rest.append(_small("measured on a busy machine"))
    if at_rate:
        rest.append(_small(_rate_words(at_rate.requests_per_second)))
    return tag("span", milliseconds(p95.value), class_="value"), _small(spread), rest


def _rate_words(per_second: float) -> str:
    """Say how often requests arrive: by the second, or how many seconds apart where they are rare."""
    if per_second >= 1:
        return f"at {digits(per_second)} requests per second"
    return f"at one request every {digits(1 / per_second)} s"


def _sizes(line: CandidateView) -> Child:
    disk = finite(line.result.artifact_mb)
    memory = tag("span", megabytes(line.memory_mb), class_="value") if line.memory_mb is not None else _none()
    return memory, _small(f"{megabytes(disk)} on disk") if disk is not None else None


def _speed(line: CandidateView) -> Child:
    fit = finite(line.result.fit_seconds)
    fit_time = _small(f"trained in {seconds(fit)}") if fit is not None else None
    e = line.throughput
    if e is None:
        return _none(), fit_time
    spread = _small(f"{rate(e.low)} to {rate(e.high)}") if e.n else None
    return tag("span", rate(e.value), class_="value"), spread, fit_time


def _day_price(line: CandidateView) -> Child:
    if line.cost_per_day is None:
        return _none()
    million = line.cost_per_million
    return (
        tag("span", dollars(line.cost_per_day), class_="value"),
        _small(f"{dollars(million)} per million requests") if million is not None else None,
    )


def _million_price(line: CandidateView) -> Child:
    million = line.cost_per_million
    return _none() if million is None else tag("span", dollars(million), class_="value")


def _findings(line: CandidateView) -> Child:
    items = []
    for limit, finding in line.result.meets.items():
        sign = tag("span", _SIGNS[finding], aria_hidden="true", class_="sign")
        items.append(tag("li", sign, tag("b", finding), f" {quantity_name(limit)}", class_=_CLASSES[finding]))
    return (
        tag("ul", items, class_="findings") if items else _small("none was set"),
        _rows_needed(line),
        _small(prose(line.result.why)) if line.result.why else None,
    )


def _rows_needed(line: CandidateView) -> Html | None:
    """Say how many test rows would tell whether a candidate does the job."""
    need = line.result.rows_needed
    return _small(f"about {rounded_rows(need)} more test rows would tell") if need else None


def _pair(c: Comparison, widest: float) -> list[Child]:
    d = c.difference
    spread = f"{points(d.low)} to {points(d.high)}"
    if d.low > 0 and c.p_holm < 0.05:
        reading = f"{c.first} is better"
    elif d.high < 0 and c.p_holm < 0.05:
        reading = f"{c.second} is better"
    else:
        reading = "no difference shown"
    value = tag("span", points(d.value), class_="value"), _small(f"{spread}, n = {count(d.n)}")
    bar = whisker(d, -widest, widest, zero=True)
    return [
        minus(c.first, c.second),
        metric_name(c.metric),
        value,
        bar,
        p_value(c.p_value),
        p_value(c.p_holm),
        reading,
    ]


def whisker(e: Estimate, low: float, high: float, *, zero: bool = False) -> Html:
    """Draw an interval as a line with its value as a dot, on a scale from ``low`` to ``high``."""

    def at(value: float) -> str:
        return f"{4 + 92 * (value - low) / ((high - low) or 1.0):.1f}"

    middle = tag("line", x1=at(0), x2=at(0), y1=1, y2=13, class_="zero") if zero else None
    return tag(
        "svg",
        tag("line", x1=4, x2=96, y1=7, y2=7, class_="track"),
        middle,
        tag("line", x1=at(e.low), x2=at(e.high), y1=7, y2=7, class_="range"),
        tag("line", x1=at(e.value), x2=at(e.value), y1=2, y2=12, class_="dot"),
        viewBox="0 0 100 14",
        class_="whisker",
        aria_hidden="true",
        focusable="false",
    )


def _small(words: str) -> Html:
    return tag("span", words, class_="small")


def _none(words: str = "not measured") -> Html:
    return tag("span", words, class_="none")
