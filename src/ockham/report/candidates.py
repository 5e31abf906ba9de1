"""The candidates one by one: what was measured, what it says about the requirements, and how they compare."""

from __future__ import annotations

from ockham.records import Comparison, Estimate, LabelScore, RunResult
from ockham.report.candidate_view import CandidateView, candidate_views, confusions, focus
from ockham.report.formatting import (
    amount,
    count,
    dollars,
    figures,
    finite,
    finite_estimate,
    interval,
    megabytes,
    metric_name,
    milliseconds,
    milliseconds_between,
    minus,
    p_value,
    percent,
    points,
    quantity_name,
    seconds,
    share_interval,
)
from ockham.report.html import Child, Html, note, scroll, section, tag
from ockham.report.html import table as grid
from ockham.verdict.sentences import rounded_rows

_SIGNS = {"meets": "✓", "misses": "✕", "cannot tell": "?"}
_CLASSES = {"meets": "yes", "misses": "no", "cannot tell": "open"}


def table(account: RunResult) -> Html:
    """List every candidate, the skipped and failed ones with their reason."""
    views = candidate_views(account)
    metrics = _metrics(account, views)
    heads: list[Child] = ["Candidate", "Requirements", *(metric_name(m) for m in metrics)]
    heads += ["Latency p95", "Memory", "Answers per second", "Cost per day"]
    head = tag("tr", [tag("th", h, scope="col") for h in heads])
    body = [_row(account, line, metrics) for line in views]
    grid_ = tag("table", tag("caption", "Candidates", class_="unseen"), tag("thead", head), tag("tbody", body))
    return section(
        "candidates",
        "Candidates, smallest first",
        note(
            "All measured on the same test rows, the way they would be served. Bars: 95 % intervals on a scale from 0 "
            "to 100 %. A million requests: the price on a machine that is busy half of the time."
        ),
        scroll(tag("div", grid_, class_="candidates"), "Candidates"),
    )


def comparisons(account: RunResult) -> Html | None:
    """Compare candidates pair by pair on the same rows."""
    pairs = [c for c in account.comparisons if finite_estimate(c.difference)]
    if not pairs:
        return None
    widest = max(max(abs(c.difference.low), abs(c.difference.high)) for c in pairs) or 1.0
    return section(
        "comparisons",
        "Compared on the same rows",
        note(
            "Differences in points, first minus second, with their 95 % interval, paired: the rows are the same for "
            f"both. {count(len(pairs))} comparisons were made; p-values are corrected for that "
            "(Holm, 1979)."
            if len(pairs) > 1
            else "The difference in points, first minus second, with its 95 % interval, paired on the same test rows."
        ),
        grid(
            ("Pair", "Metric", "Difference", "", "p", "p, corrected", "Reading"),
            [_pair(c, widest) for c in pairs],
            label="Paired comparisons",
            numbers=(2, 4, 5),
        ),
    )


def labels(account: RunResult) -> Html | None:
    """Show the measured candidate label by label (or field by field), and which labels it takes for which."""
    line = focus(account)
    if line is None or line.report is None or not (line.report.per_label or line.scores):
        return None
    parts: list[Child] = []
    if line.report.per_label:
        parts.append(_per_label(line.report.per_label))
    pairs = confusions(line.scores)
    if pairs and account.verdict.task in ("classify", "choose"):
        of = {label.label: label.n for label in line.report.per_label}
        parts.append(_confusion_table(pairs, of))
    if not parts:
        return None
    part = "Field" if account.verdict.task == "extract" else "Label"
    return section("labels", f"{part} by {part.lower()}: {line.name}", tag("div", parts, class_="blocks"))


def _metrics(account: RunResult, views: tuple[CandidateView, ...]) -> list[str]:
    names = {name for line in views for name in line.result.metrics}
    first = account.verdict.metric
    return [first, *sorted(names - {first})]


def _row(account: RunResult, line: CandidateView, metrics: list[str]) -> Html:
    chosen = line.name == account.verdict.chosen
    name = tag(
        "th",
        tag("span", line.name, class_="name"),
        tag("span", "chosen", class_="badge") if chosen else None,
        tag("span", line.gloss, class_="small") if line.gloss else None,
        scope="row",
    )
    if line.result.status != "measured":
        why = f"{line.result.status}, because {line.result.why or 'no reason was recorded'}"
        return tag("tr", name, tag("td", why, colspan=len(metrics) + 5), class_="skipped")
    cells = [tag("td", _findings(line))]
    cells += [tag("td", _measure(m, line.metric(m))) for m in metrics]
    cells += [tag("td", _latencies(line)), tag("td", _sizes(line)), tag("td", _speed(line)), tag("td", _price(line))]
    return tag("tr", name, cells, class_="chosen" if chosen else None)


def _measure(metric: str, e: Estimate | None) -> Child:
    if e is None:
        return _none()
    bar = whisker(e, 0.0, 1.0) if 0 <= e.low <= e.high <= 1 else None
    return (
        tag("span", amount(metric, e.value), class_="value"),
        bar,
        _small(interval(metric, e)),
        _small(f"n = {count(e.n)}"),
    )


def _latencies(line: CandidateView) -> Child:
    p50, p95, p99 = (line.latency(q) for q in ("p50", "p95", "p99"))
    at_rate = line.report.at_rate if line.report else None
    if p95 is None:
        return (_none(), _small("requests come faster than one at a time is answered")) if at_rate else _none()
    spread = milliseconds_between(p95.low, p95.high) if p95.n else "no interval"
    rest = [_small(f"{q} {milliseconds(e.value)}") for q, e in (("p50", p50), ("p99", p99)) if e]
    if line.report and line.report.profile and line.report.profile.lost:
        rest.append(_small("measured on a busy machine"))
    if at_rate:
        rest.append(_small(f"at {at_rate.requests_per_second:.3g} requests a second"))
    return tag("span", milliseconds(p95.value), class_="value"), _small(spread), rest


def _sizes(line: CandidateView) -> Child:
    disk = finite(line.result.artifact_mb)
    memory = tag("span", megabytes(line.memory_mb), class_="value") if line.memory_mb is not None else _none()
    return memory, _small(f"{megabytes(disk)} on disk") if disk is not None else None


def _speed(line: CandidateView) -> Child:
    fit = finite(line.result.fit_seconds)
    fit_time = _small(f"made in {seconds(fit)}") if fit is not None else None
    e = line.throughput
    if e is None:
        return _none(), fit_time
    spread = _small(f"{figures(e.low)} to {figures(e.high)}") if e.n else None
    return tag("span", figures(e.value), class_="value"), spread, fit_time


def _price(line: CandidateView) -> Child:
    if line.cost_per_day is None:
        return _none()
    million = line.cost_per_million
    return (
        tag("span", dollars(line.cost_per_day), class_="value"),
        _small(f"{dollars(million)} a million") if million is not None else None,
    )


def _findings(line: CandidateView) -> Child:
    items = []
    for limit, finding in line.result.meets.items():
        sign = tag("span", _SIGNS[finding], aria_hidden="true", class_="sign")
        items.append(tag("li", sign, tag("b", finding), f" {quantity_name(limit)}", class_=_CLASSES[finding]))
    need = line.result.rows_needed
    return (
        tag("ul", items, class_="findings") if items else _small("none was set"),
        _small(f"about {rounded_rows(need)} more test rows would tell") if need else None,
        _small(line.result.why) if line.result.why else None,
    )


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


def _per_label(scores: tuple[LabelScore, ...]) -> Html:
    heads = ("Label", "Test rows", "Precision", "Recall", "F1")
    head = [
        tag("th", tag("button", h, type="button"), scope="col", class_="n" if i else None) for i, h in enumerate(heads)
    ]
    body = [
        tag(
            "tr",
            tag("th", tag("bdi", s.label, dir="auto"), scope="row", data_v=s.label.casefold()),
            tag("td", count(s.n), class_="n", data_v=s.n),
            [_share(e) for e in (s.precision, s.recall, s.f1)],
        )
        for s in scores
    ]
    caption = tag("caption", "Precision, recall and F1 of each label", class_="unseen")
    grid_ = tag("table", caption, tag("thead", tag("tr", head)), tag("tbody", body), class_="sortable")
    return tag("div", scroll(grid_, "Scores of each label"), class_="tall" if len(scores) > 30 else None)


def _share(estimate: Estimate | None) -> Html:
    e = finite_estimate(estimate)
    if e is None:
        return tag("td", _none("undefined"), class_="n", data_v=-1)
    return tag("td", percent(e.value), _small(share_interval(e)), class_="n", data_v=e.value)


def _confusion_table(pairs: list[tuple[str, str | None, int]], of: dict[str, int]) -> Html:
    shown = pairs[:20]
    rest = sum(n for _, _, n in pairs[20:])
    body = [
        (
            tag("bdi", target, dir="auto"),
            tag("bdi", answer, dir="auto") if answer is not None else _none("no valid answer"),
            count(n),
            f"{count(n)} of {count(of[target])}" if target in of else "",
        )
        for target, answer, n in shown
    ]
    return tag(
        "div",
        tag("h3", "Confusions"),
        grid(("The label is", "It answered", "Rows", "Of the label's"), body, label="Confusions", numbers=(2, 3)),
        note(f"{count(rest)} more wrong answers are spread over rarer pairs.") if rest else None,
    )


def _small(words: str) -> Html:
    return tag("span", words, class_="small")


def _none(words: str = "not measured") -> Html:
    return tag("span", words, class_="none")
