"""The picture of the ladder, as a Vega-Lite specification: quality with its interval against what serving takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ockham.records import Account, Estimate
from ockham.report.draw import NARROW, Spec
from ockham.report.text import (
    NBSP,
    amount,
    clean,
    interval,
    limit_value,
    metric_name,
)
from ockham.report.view import Line

_TITLES = {
    "latency": "p95 latency in milliseconds",
    "memory": "memory while serving, in megabytes",
    "cost": "cost of a million requests in US dollars",
    "cost_day": "cost a day in US dollars",
}
_MARGIN = 62
_Box: TypeAlias = tuple[float, float, float, float]
_TEXT = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A candidate's place in the picture."""

    name: str
    x: Estimate
    y: Estimate
    baseline: bool
    per_day: bool = False


def spots(lines: Sequence[Line], metric: str, key: str) -> tuple[Spot, ...]:
    """Find the candidates that have both quality and ``key`` (``latency``, ``memory`` or ``cost``)."""
    per_day = key == "cost" and any(line.cost_per_million is None for line in lines)
    found = []
    for line in lines:
        x, y = _across(line, key, per_day), line.metric(metric)
        if x is not None and x.value > 0 and y is not None:
            found.append(Spot(name=line.name, x=x, y=y, baseline=line.result.rung == 0, per_day=per_day))
    return tuple(found)


def told(found: Sequence[Spot], metric: str, word: str) -> str:
    """Say in words what the picture shows."""
    listed = "; ".join(f"{s.name} {amount(metric, s.y.value)} ({interval(metric, s.y)})" for s in found)
    return f"{metric_name(metric)} against {word}. {listed}."


def caption(account: Account, found: Sequence[Spot], word: str) -> str:
    """Say what the lines and marks mean, and who lies outside the picture."""
    metric = account.verdict.metric
    shown = _visible(found)
    below = [f"{s.name} ({amount(metric, s.y.value)})" for s in found if s not in shown]
    words = ["Lines through the dots are 95 % intervals; the axis below is logarithmic."]
    if any(k in account.verdict.requirements for k in (f"min_{metric}", _limit(word, found))):
        words.append("Dashed: what was asked for; the tinted field fulfils it.")
    if _crowded(shown):
        words.append(f"{', '.join(f'{i}{NBSP}{s.name}' for i, s in enumerate(shown, 1))}.")
    if below:
        words.append(f"Below the picture: {', '.join(below)}.")
    return " ".join(words)


def ladder(account: Account, found: Sequence[Spot], key: str, width: int) -> Spec:
    """Specify the picture for a width in pixels."""
    metric, asked = account.verdict.metric, account.verdict.requirements
    shown = _visible(found)
    least, most = asked.get(f"min_{metric}"), asked.get(_limit(key, found))
    x0, x1 = _log_domain([v for s in shown for v in (s.x.low, s.x.high)] + ([most] if most else []))
    y0, y1 = _share_domain([v for s in shown for v in (s.y.low, s.y.high)] + ([least] if least is not None else []))
    inner, height = width - _MARGIN, 300 if width > NARROW else 290
    frame = _Frame(x0=x0, x1=x1, y0=y0, y1=y1, width=inner, height=height)
    said = (
        f"asked: at least {limit_value(f'min_{metric}', least)}" if least is not None else "",
        f"asked: at most {limit_value(_limit(key, found), most)}" if most is not None else "",
    )
    layers = [
        *_wishes(frame, least, most, said),
        *_bars(shown, account.verdict.chosen),
        *_names(frame, shown, account.verdict.chosen, _reserved(frame, least, most)),
    ]
    title = _TITLES["cost_day" if key == "cost" and any(s.per_day for s in shown) else key]
    x_axis = {"values": log_ticks(x0, x1), "format": ",~f", "title": title, "labelOverlap": True}
    y_axis = {"format": ".0%", "title": None, "tickCount": 6}
    for layer in layers:
        layer["encoding"]["x"].update(
            type="quantitative", scale={"type": "log", "domain": [x0, x1], "nice": False}, axis=x_axis
        )
        layer["encoding"]["y"].update(type="quantitative", scale={"domain": [y0, y1], "nice": False}, axis=y_axis)
    return base(inner, height, layers)


def base(width: int, height: int, layers: Sequence[Spec]) -> Spec:
    """Put layers into a chart in the page's style; colours are the page's own, so that it follows light and dark."""
    axis = {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "labelFontSize": _TEXT,
        "titleFontSize": _TEXT,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "labelPadding": 6,
        "gridColor": "var(--line)",
        "domainColor": "var(--faint)",
        "tickColor": "var(--faint)",
        "ticks": False,
        "domain": False,
    }
    return {
        "width": width,
        "height": height,
        "padding": {"left": 2, "right": 12, "top": 10, "bottom": 2},
        "background": None,
        "layer": list(layers),
        "config": {
            "font": "sans-serif",
            "view": {"stroke": None},
            "axis": axis,
            "axisX": {"grid": False, "domain": True, "ticks": True},
        },
    }


def log_ticks(low: float, high: float) -> list[float]:
    """Give round numbers between two positive ones: 1, 2, 5 in each decade, or powers of ten where there are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = math.log10(high / low)
    steps = (1.0, 2.0, 5.0) if decades <= 2.2 else (1.0, 3.0) if decades <= 3.2 else (1.0,)
    every = [round(m * 10.0**e, 12) for e in range(first, last + 1) for m in steps]
    return [v for v in every if low <= v <= high]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    x0: float
    x1: float
    y0: float
    y1: float
    width: int
    height: int

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = math.log(x / self.x0) / math.log(self.x1 / self.x0)
        return across * self.width, (1 - (y - self.y0) / (self.y1 - self.y0)) * self.height


def _across(line: Line, key: str, per_day: bool) -> Estimate | None:
    if key == "latency":
        return line.latency("p95")
    value = line.memory_mb if key == "memory" else line.cost_per_day if per_day else line.cost_per_million
    return None if value is None else Estimate(value=value, low=value, high=value, n=0)


def _limit(key: str, found: Sequence[Spot]) -> str:
    if key == "cost":
        return "max_cost_per_day" if any(s.per_day for s in found) else ""
    return {"latency": "max_p95_ms", "memory": "max_memory_mb"}[key]


def _visible(found: Sequence[Spot]) -> tuple[Spot, ...]:
    """Leave a baseline out of the picture where it would squeeze all others into a strip."""
    others = [s for s in found if not s.baseline]
    if not others or len(others) == len(found):
        return tuple(found)
    low, high = min(s.y.low for s in others), max(s.y.high for s in others)
    return tuple(s for s in found if not s.baseline or low - s.y.high < max(0.1, 0.5 * (high - low)))


def _crowded(shown: Sequence[Spot]) -> bool:
    """Tell whether names would cover each other, so that numbers have to stand for them."""
    return len(shown) > 6 or any(len(s.name) > 18 for s in shown)


def _log_domain(values: Sequence[float]) -> tuple[float, float]:
    positive = [v for v in values if v > 0] or [1.0]
    low, high = min(positive), max(positive)
    pad = max(1.35, (high / low) ** 0.08)
    return low / pad, high * pad


def _share_domain(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low < 0 or high > 1:
        pad = 0.1 * (high - low or 1.0)
        return low - pad, high + pad
    return max(0.0, math.floor(20 * low - 0.2) / 20), min(1.0, math.ceil(20 * high + 0.2) / 20)


def _wishes(frame: _Frame, least: float | None, most: float | None, said: tuple[str, str]) -> list[Spec]:
    layers: list[Spec] = []
    low, right = frame.y0 if least is None else least, frame.x1 if most is None else most
    if least is not None or most is not None:
        field = {"x": frame.x0, "x2": right, "y": low, "y2": frame.y1}
        layers.append(_mark({"type": "rect", "color": "var(--tint)"}, field, x2=True, y2=True))
    dash = {"type": "rule", "strokeDash": [4, 4], "color": "var(--soft)", "strokeWidth": 1}
    word = {"type": "text", "fontSize": _TEXT, "color": "var(--soft)"}
    if least is not None:
        layers.append(_mark(dash, {"x": frame.x0, "x2": frame.x1, "y": least}, x2=True))
        mark = {**word, "align": "right", "dy": 11, "dx": -5}
        layers.append(_mark(mark, {"x": right, "y": least, "t": said[0]}, text=True))
    if most is not None:
        layers.append(_mark(dash, {"x": most, "y": frame.y0, "y2": frame.y1}, y2=True))
        mark = {**word, "align": "right", "dx": -5, "dy": -8}
        layers.append(_mark(mark, {"x": most, "y": frame.y0, "t": said[1]}, text=True))
    return layers


def _reserved(frame: _Frame, least: float | None, most: float | None) -> list[_Box]:
    """Keep names off the lines of the requirements and off their captions."""
    boxes: list[_Box] = []
    right = frame.width if most is None else frame.at(most, frame.y0)[0]
    if least is not None:
        y = frame.at(frame.x0, least)[1]
        boxes += [(0, y - 2, frame.width, y + 2), (right - 130, y, right, y + 20)]
    if most is not None:
        boxes += [(right - 2, 0, right + 2, frame.height), (right - 130, frame.height - 18, right, frame.height)]
    return boxes


def _mark(
    mark: dict[str, Any], value: dict[str, Any], *, x2: bool = False, y2: bool = False, text: bool = False
) -> Spec:
    encoding: dict[str, Any] = {"x": {"field": "x"}, "y": {"field": "y"}}
    if x2:
        encoding["x2"] = {"field": "x2"}
    if y2:
        encoding["y2"] = {"field": "y2"}
    if text:
        encoding["text"] = {"field": "t", "type": "nominal"}
    return {"data": {"values": [value]}, "mark": mark, "encoding": encoding}


def _bars(shown: Sequence[Spot], chosen: str | None) -> list[Spec]:
    layers: list[Spec] = []
    for s in sorted(shown, key=lambda s: s.name == chosen):
        colour, wide = ("var(--accent)", 2.2) if s.name == chosen else ("var(--mid)", 1.4)
        rule = {"type": "rule", "color": colour, "strokeWidth": wide}
        layers.append(_mark(rule, {"x": s.x.value, "y": s.y.low, "y2": s.y.high}, y2=True))
        if s.x.high > s.x.low > 0:
            layers.append(_mark(rule, {"x": s.x.low, "x2": s.x.high, "y": s.y.value}, x2=True))
        dot = {"type": "point", "filled": True, "opacity": 1, "size": 110 if s.name == chosen else 60, "color": colour}
        layers.append(_mark(dot, {"x": s.x.value, "y": s.y.value}))
    return layers


def _names(frame: _Frame, shown: Sequence[Spot], chosen: str | None, reserved: Sequence[_Box]) -> list[Spec]:
    """Write each name beside its dot, where it covers the least."""
    taken = list(reserved)
    for s in shown:
        x, top = frame.at(s.x.value, s.y.high)
        left, y = frame.at(max(s.x.low, frame.x0), s.y.value)
        bottom, right = frame.at(s.x.value, s.y.low)[1], frame.at(s.x.high, s.y.value)[0]
        taken += [(x - 2, top, x + 2, bottom), (left, y - 2, right, y + 2), (x - 6, y - 6, x + 6, y + 6)]
    layers: list[Spec] = []
    numbers = {s.name: str(i) for i, s in enumerate(shown, 1)} if _crowded(shown) else {}
    for s in sorted(shown, key=lambda s: s.name != chosen):
        name = numbers.get(s.name, clean(s.name))
        x, y = frame.at(s.x.value, s.y.value)
        top, bottom = frame.at(s.x.value, s.y.high)[1], frame.at(s.x.value, s.y.low)[1]
        long = 6.7 * len(name) + (4 if s.name == chosen else 0)
        places = [
            (9.0, -9.0, "left"),
            (9.0, 11.0, "left"),
            (-9.0, -9.0, "right"),
            (-9.0, 11.0, "right"),
            (0.0, top - y - 9, "center"),
            (0.0, bottom - y + 11, "center"),
            (9.0, top - y - 6, "left"),
            (-9.0, top - y - 6, "right"),
            (9.0, bottom - y + 6, "left"),
            (-9.0, bottom - y + 6, "right"),
        ]
        boxes = [_box(x + dx, y + dy, long, align) for dx, dy, align in places]
        costs = [_covered(box, taken, frame) + 0.01 * i for i, box in enumerate(boxes)]
        best = costs.index(min(costs))
        dx, dy, align = places[best]
        taken.append(boxes[best])
        mark = {
            "type": "text",
            "align": align,
            "baseline": "middle",
            "dx": dx,
            "dy": dy,
            "fontSize": _TEXT + 1,
            "fontWeight": "bold" if s.name == chosen else "normal",
            "color": "var(--accent)" if s.name == chosen else "var(--ink)",
        }
        layers.append(_mark(mark, {"x": s.x.value, "y": s.y.value, "t": name}, text=True))
    return layers


def _box(x: float, y: float, long: float, align: str) -> _Box:
    left = x if align == "left" else x - long if align == "right" else x - long / 2
    return left, y - 7, left + long, y + 7


def _covered(box: _Box, taken: Sequence[_Box], frame: _Frame) -> float:
    total = 0.0
    for other in taken:
        wide = min(box[2], other[2]) - max(box[0], other[0])
        high = min(box[3], other[3]) - max(box[1], other[1])
        total += max(0.0, wide) * max(0.0, high)
    outside = max(0.0, -box[0]) + max(0.0, box[2] - frame.width) + max(0.0, -box[1]) + max(0.0, box[3] - frame.height)
    return total + 40 * outside
