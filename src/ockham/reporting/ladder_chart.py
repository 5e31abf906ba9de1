"""The picture of the ladder: quality with its interval against what serving takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ockham.records import Estimate, RunResult
from ockham.reporting.candidate_view import CandidateView
from ockham.reporting.formatting import amount, clean, interval, limit_value, metric_name
from ockham.reporting.html import Html, tag
from ockham.reporting.labels import Anchor, Box, Label, Placed, place, text_box
from ockham.reporting.scales import Scale, log_span, share_span, write_plain, write_shares
from ockham.reporting.svg import (
    BOTTOM,
    NARROW,
    TOP,
    Picture,
    Plot,
    axis_across,
    axis_up,
    dot,
    draw_across,
    draw_mark,
    draw_up,
    inset,
    labels,
    line,
    margin,
    rect,
)

_TITLES = {
    "latency": "p95 latency in milliseconds (logarithmic)",
    "memory": "memory while serving in megabytes (logarithmic)",
    "cost": "cost of a million requests in US dollars (logarithmic)",
    "cost_day": "cost per day in US dollars (logarithmic)",
}
_NAMES_REACH, _NUMBERS_REACH = 40.0, 250.0
_MOST_NAMES, _MOST_NUMBERS = 24, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A candidate's place in the picture."""

    name: str
    x: Estimate
    y: Estimate
    baseline: bool
    per_day: bool = False


def spots(lines: Sequence[CandidateView], metric: str, key: str) -> tuple[Spot, ...]:
    """Find the candidates that have both quality and ``key`` (``latency``, ``memory`` or ``cost``)."""
    per_day = key == "cost" and any(line.cost_per_million is None for line in lines)
    candidates = []
    for candidate in lines:
        x, y = _across(candidate, key, per_day), candidate.metric(metric)
        if x is not None and x.value > 0 and y is not None:
            baseline = candidate.result.rung == 0
            candidates.append(Spot(name=candidate.name, x=x, y=y, baseline=baseline, per_day=per_day))
    return tuple(candidates)


def description(candidates: Sequence[Spot], metric: str, word: str) -> str:
    """Say in words what the picture shows."""
    listed = "; ".join(f"{s.name} {amount(metric, s.y.value)} ({interval(metric, s.y)})" for s in candidates)
    return f"{metric_name(metric)} against {word}. {listed}."


def caption(run_result: RunResult, candidates: Sequence[Spot], key: str) -> str:
    """Say what the lines and marks mean, and who lies outside the picture."""
    metric = run_result.verdict.metric
    shown = visible(candidates)
    below = [f"{s.name} ({amount(metric, s.y.value)})" for s in candidates if s not in shown]
    words = ["Lines through the dots are 95 % intervals."]
    if any(limit in run_result.verdict.requirements for limit in (f"min_{metric}", _limit(key, candidates))):
        words.append("Dashed: the requirement; the tinted area meets it.")
    if below:
        words.append(f"Below the picture: {', '.join(below)}.")
    return " ".join(words)


def visible(candidates: Sequence[Spot]) -> tuple[Spot, ...]:
    """Leave a baseline out of the picture where it would squeeze all others into a strip."""
    others = [s for s in candidates if not s.baseline]
    if not others or len(others) == len(candidates):
        return tuple(candidates)
    low, high = min(s.y.low for s in others), max(s.y.high for s in others)
    return tuple(s for s in candidates if not s.baseline or low - s.y.high < max(0.1, 0.5 * (high - low)))


def ladder(run_result: RunResult, candidates: Sequence[Spot], key: str, width: int) -> Picture:
    """Draw the picture for a width in pixels."""
    metric, chosen = run_result.verdict.metric, run_result.verdict.chosen
    shown = visible(candidates)
    wish = _wish(run_result, candidates, key)
    plot = _plot(shown, wish, metric_name(metric), width)
    title = _TITLES["cost_day" if key == "cost" and any(s.per_day for s in shown) else key]
    across = axis_across(plot.x, write_plain, title, width)
    dots, strokes = _dots(plot, shown), _strokes(plot, shown)
    limit_label = _limit_label(plot, wish, [*dots, *strokes])
    blocked = [*dots, limit_label.box] if limit_label else dots
    names, listed = _names(plot, _labels_to_place(plot, shown, chosen), blocked, [*strokes, *_guides(plot, wish)])
    parts = (
        *_field(plot, wish),
        draw_up(plot.up, plot.frame),
        draw_across(across, plot.frame, width),
        *_limits(plot, wish, width),
        *_marks(plot, shown, chosen),
        labels((*names, limit_label) if limit_label else names),
    )
    return Picture(width=width, height=plot.frame.bottom + BOTTOM, parts=parts, key=listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is required: at least so much quality, at most so much of what serving takes, and how that is written."""

    least: float | None
    most: float | None
    least_words: str
    most_words: str


def _across(candidate: CandidateView, key: str, per_day: bool) -> Estimate | None:
    if key == "latency":
        return candidate.latency("p95")
    value = (
        candidate.memory_mb if key == "memory" else candidate.cost_per_day if per_day else candidate.cost_per_million
    )
    return None if value is None else Estimate(value=value, low=value, high=value, n=0)


def _limit(key: str, candidates: Sequence[Spot]) -> str:
    if key == "cost":
        return "max_cost_per_day" if any(s.per_day for s in candidates) else ""
    return {"latency": "max_p95_ms", "memory": "max_memory_mb"}[key]


def _wish(run_result: RunResult, candidates: Sequence[Spot], key: str) -> _Wish:
    quality, taken = f"min_{run_result.verdict.metric}", _limit(key, candidates)
    least, most = run_result.verdict.requirements.get(quality), run_result.verdict.requirements.get(taken)
    return _Wish(
        least=least,
        most=most if most else None,
        least_words=f"required: at least {limit_value(quality, least)}" if least is not None else "",
        most_words=f"required: at most {limit_value(taken, most)}" if most else "",
    )


def _plot(shown: Sequence[Spot], wish: _Wish, title: str, width: int) -> Plot:
    xs = [v for s in shown for v in (s.x.low, s.x.value, s.x.high)] + ([wish.most] if wish.most is not None else [])
    ys = [v for s in shown for v in (s.y.low, s.y.value, s.y.high)] + ([wish.least] if wish.least is not None else [])
    (x0, x1), (y0, y1) = log_span(xs, least=8.0), share_span(ys)
    height = 300 if width > NARROW else 280
    frame = Box(0, TOP, width - 6, TOP + height)
    bottom, top = inset(frame)
    y = Scale(low=y0, high=y1, start=bottom, end=top)
    up = axis_up(y, write_shares if 0 <= y0 < y1 <= 1 else write_plain, title)
    frame = frame._replace(left=margin(up.words))
    x = Scale(low=x0, high=x1, start=frame.left, end=frame.right, log=True)
    return Plot(frame=frame, x=x, y=y, up=up)


def _field(plot: Plot, wish: _Wish) -> list[Html]:
    """Tint what meets all that is required."""
    if wish.least is None and wish.most is None:
        return []
    right = plot.frame.right if wish.most is None else plot.x.at(wish.most)
    bottom = plot.frame.bottom if wish.least is None else plot.y.at(wish.least)
    return [rect(plot.frame._replace(right=right, bottom=bottom), fill="var(--tint)")]


def _limits(plot: Plot, wish: _Wish, width: int) -> list[Html]:
    parts: list[Html] = []
    if wish.least is not None:
        y = plot.y.at(wish.least)
        ends = (plot.frame.left, y), (plot.frame.right, y)
        parts.append(line(*ends, stroke="var(--soft)", stroke_dasharray="4 4"))
    if wish.most is not None:
        parts += draw_mark(wish.most_words, plot.x.at(wish.most), plot.frame, width, plot.up.title)
    return parts


def _limit_label(plot: Plot, wish: _Wish, marks: Sequence[Box]) -> Placed | None:
    """Write the least quality at an end of its line, where it covers the least."""
    if wish.least is None:
        return None
    y = plot.y.at(wish.least)
    right = plot.frame.right if wish.most is None else plot.x.at(wish.most)
    corners: list[tuple[float, Anchor]] = [
        (plot.frame.right - 5, "end"),
        (right - 5, "end"),
        (plot.frame.left + 5, "start"),
    ]
    best: tuple[float, Placed] | None = None
    for rank, (x, anchor) in enumerate(corners):
        for under, down in enumerate((11, -11)):
            box = text_box(wish.least_words, x, y + down, anchor)
            if not plot.frame.holds(box):
                continue
            crosses = box.left < right < box.right and wish.most is not None
            cost = sum(box.overlap(mark) for mark in marks) + 500 * crosses + rank + 0.5 * under
            if best is None or cost < best[0]:
                label = Label(words=wish.least_words, x=x, y=y, color="var(--soft)")
                best = cost, Placed(label=label, x=x, y=y + down, anchor=anchor, box=box, led=False)
    return best[1] if best else None


def _marks(plot: Plot, shown: Sequence[Spot], chosen: str | None) -> list[Html]:
    parts: list[Html] = []
    for s in sorted(shown, key=lambda s: s.name == chosen):
        color, thick, radius = ("var(--accent)", 2.2, 6.0) if s.name == chosen else ("var(--mid)", 1.4, 4.5)
        x, y = plot.x.at(s.x.value), plot.y.at(s.y.value)
        lines = [line((x, plot.y.at(s.y.low)), (x, plot.y.at(s.y.high)))]
        if s.x.high > s.x.low:
            lines.append(line((plot.x.at(s.x.low), y), (plot.x.at(s.x.high), y)))
        parts.append(tag("g", lines, stroke=color, stroke_width=thick))
        parts.append(dot(x, y, radius, fill=color, stroke="var(--paper)", stroke_width=1))
    return parts


def _dots(plot: Plot, shown: Sequence[Spot]) -> list[Box]:
    centers = [(plot.x.at(s.x.value), plot.y.at(s.y.value)) for s in shown]
    return [Box(x - 6, y - 6, x + 6, y + 6) for x, y in centers]


def _strokes(plot: Plot, shown: Sequence[Spot]) -> list[Box]:
    boxes = []
    for s in shown:
        x, y = plot.x.at(s.x.value), plot.y.at(s.y.value)
        boxes.append(Box(x - 2, plot.y.at(s.y.high), x + 2, plot.y.at(s.y.low)))
        boxes.append(Box(plot.x.at(s.x.low), y - 2, plot.x.at(s.x.high), y + 2))
    return boxes


def _guides(plot: Plot, wish: _Wish) -> list[Box]:
    boxes = []
    if wish.least is not None:
        y = plot.y.at(wish.least)
        boxes.append(Box(plot.frame.left, y - 1, plot.frame.right, y + 1))
    if wish.most is not None:
        x = plot.x.at(wish.most)
        boxes.append(Box(x - 1, plot.frame.top, x + 1, plot.frame.bottom))
    return boxes


def _labels_to_place(plot: Plot, shown: Sequence[Spot], chosen: str | None) -> list[Label]:
    return [
        Label(
            words=clean(s.name),
            x=plot.x.at(s.x.value),
            y=plot.y.at(s.y.value),
            bold=s.name == chosen,
            color="var(--accent)" if s.name == chosen else "var(--ink)",
        )
        for s in shown
    ]


def _names(
    plot: Plot, labels: Sequence[Label], blocked: Sequence[Box], crossed: Sequence[Box]
) -> tuple[tuple[Placed, ...], tuple[str, ...]]:
    """Write each name beside its dot; where they have no room, write numbers, and return what these stand for."""
    order = sorted(range(len(labels)), key=lambda i: (not labels[i].bold, labels[i].x, i))
    if len(labels) <= _MOST_NAMES:
        names = place([labels[i] for i in order], plot.frame, blocked, crossed, reach=_NAMES_REACH)
        if None not in names:
            return tuple(placement for placement in names if placement is not None), ()
    listed = tuple(label.words for label in labels)
    numbers = [replace(labels[i], words=str(i + 1)) for i in order[:_MOST_NUMBERS]]
    placed = place(numbers, plot.frame, blocked, crossed, reach=_NUMBERS_REACH)
    return tuple(placement for placement in placed if placement is not None), listed
