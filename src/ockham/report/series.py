"""Lines on axes, as Vega-Lite specifications: names at the ends of the lines instead of a legend."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ockham.report.charts import base, log_ticks
from ockham.report.draw import NARROW, Spec
from ockham.report.text import clean

_COLOURS = ("var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)")
_DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4])


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line: points (x, y, low, high), from left to right."""

    name: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What the axes are: titles, d3 number formats, a marked place on x, ringed points, whole numbers only."""

    x_title: str
    x_format: str
    y_format: str
    x_log: bool = False
    y_log: bool = False
    y_zero: bool = False
    mark: float | None = None
    dots: tuple[tuple[float, float], ...] = ()
    joints: bool = True
    whole: bool = False


def word(name: str) -> str:
    """Make a name fit to be part of an identifier."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-") or "x"


def spec(lines: Sequence[Line], chart: Chart, width: int) -> Spec:
    """Specify the chart for a width in pixels."""
    longest = max(len(line.name) for line in lines)
    room = min(130, int(7 * longest) + 14)
    xs = [p[0] for line in lines for p in line.points] + ([chart.mark] if chart.mark is not None else [])
    ys = [v for line in lines for p in line.points for v in p[1:]]
    # A browser's letters may be wider than those the chart was measured with: long numbers get more room.
    more = 10 if max(map(abs, ys)) >= 10_000 else 0
    inner, height = width - 62 - more - room, 280 if width > NARROW else 240
    x_domain, y_domain = _span(xs, log=chart.x_log), _padded(ys, chart)
    layers = _marked(chart, y_domain)
    for i, line in enumerate(lines):
        layers += _line(line, _COLOURS[i % 5], _DASHES[i % 5], joints=chart.joints and len(line.points) <= 12)
    layers += _ends(lines, y_domain, chart.y_log, height)
    x_axis: Spec = {"format": chart.x_format, "title": chart.x_title, "labelOverlap": True, "labelFlush": False}
    if chart.whole:
        x_axis["tickMinStep"] = 1
    y_axis: Spec = {"format": chart.y_format, "title": None, "tickCount": 6}
    if chart.x_log:
        x_axis["values"] = _places(lines, x_domain)
    if chart.y_log:
        y_axis["values"] = log_ticks(*y_domain)
    for layer in layers:
        x_scale = {"type": "log" if chart.x_log else "linear", "domain": list(x_domain), "nice": False, "zero": False}
        y_scale = {"type": "log" if chart.y_log else "linear", "domain": list(y_domain), "nice": False, "zero": False}
        layer["encoding"]["x"].update(type="quantitative", scale=x_scale, axis=x_axis)
        layer["encoding"]["y"].update(type="quantitative", scale=y_scale, axis=y_axis)
    made = base(inner, height, layers)
    made["padding"]["right"] = room
    made["padding"]["left"] += more
    return made


def _places(lines: Sequence[Line], domain: tuple[float, float]) -> list[float]:
    """Put ticks where the points are, if these are few; else at round numbers."""
    own = sorted({p[0] for line in lines for p in line.points})
    return own if len(own) <= 6 and len(lines[0].points) <= 6 and len(own) > 2 else log_ticks(*domain)


def _span(values: Sequence[float], *, log: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return (low / 2, high * 2) if log else (low - 1, high + 1)
    return low, high


def _padded(values: Sequence[float], chart: Chart) -> tuple[float, float]:
    low, high = min(values), max(values)
    if chart.y_log:
        return low / 1.3, high * 1.3
    if chart.y_zero:
        low = 0.0
    pad = 0.06 * ((high - low) or 0.1)
    share = low >= 0 and high <= 1
    return (max(0.0, low - pad) if low else 0.0), (min(1.0, high + pad) if share else high + pad)


def _marked(chart: Chart, y: tuple[float, float]) -> list[Spec]:
    layers: list[Spec] = []
    if chart.mark is not None:
        values = [{"x": chart.mark, "y": y[0], "y2": y[1]}]
        mark = {"type": "rule", "strokeDash": [4, 4], "color": "var(--soft)"}
        layers.append(_layer(values, mark, ("y2",)))
    if chart.dots:
        ring = {"type": "point", "filled": False, "size": 90, "color": "var(--ink)", "strokeWidth": 1.5}
        layers.append(_layer([{"x": x, "y": v} for x, v in chart.dots], ring, ()))
    return layers


def _line(line: Line, colour: str, dash: list[int], *, joints: bool) -> list[Spec]:
    values = [{"x": x, "y": y, "low": low, "high": high} for x, y, low, high in line.points]
    layers: list[Spec] = []
    if any(v["high"] > v["low"] for v in values):
        band = _layer(values, {"type": "area", "color": colour, "opacity": 0.13}, ())
        band["encoding"]["y"] = {"field": "low"}
        band["encoding"]["y2"] = {"field": "high"}
        layers.append(band)
    layers.append(_layer(values, {"type": "line", "color": colour, "strokeWidth": 2, "strokeDash": dash}, ()))
    if joints:
        layers.append(_layer(values, {"type": "point", "filled": True, "size": 36, "opacity": 1, "color": colour}, ()))
    return layers


def _ends(lines: Sequence[Line], y: tuple[float, float], log: bool, height: int) -> list[Spec]:
    """Write each name at the right end of its line, moved apart where they would touch."""

    def down(value: float) -> float:
        a, b, v = (math.log(y[0]), math.log(y[1]), math.log(value)) if log else (y[0], y[1], value)
        return (1 - (v - a) / ((b - a) or 1.0)) * height

    wanted = sorted((down(line.points[-1][1]), i) for i, line in enumerate(lines))
    placed: dict[int, float] = {}
    last = -math.inf
    for want, i in wanted:
        last = placed[i] = max(want, last + 16)
    layers = []
    for want, i in wanted:
        x, end = lines[i].points[-1][:2]
        mark = {"type": "text", "align": "left", "baseline": "middle", "dx": 9, "dy": placed[i] - want, "fontSize": 12}
        layer = _layer([{"x": x, "y": end, "t": clean(lines[i].name)[:18]}], {**mark, "color": _COLOURS[i % 5]}, ())
        layer["encoding"]["text"] = {"field": "t", "type": "nominal"}
        layers.append(layer)
    return layers


def _layer(values: Sequence[Spec], mark: Spec, more: Sequence[str]) -> Spec:
    encoding: Spec = {"x": {"field": "x"}, "y": {"field": "y"}}
    for name in more:
        encoding[name] = {"field": name}
    return {"data": {"values": list(values)}, "mark": mark, "encoding": encoding}
