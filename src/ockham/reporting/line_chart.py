"""Lines on axes, with their intervals: each line's name stands at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ockham.reporting.formatting import clean
from ockham.reporting.html import Attribute, Html, tag
from ockham.reporting.labels import Box, spread, text_width
from ockham.reporting.scales import Scale, Write
from ockham.reporting.svg import (
    BOTTOM,
    COLORS,
    HALO,
    NARROW,
    TOP,
    Axis,
    Picture,
    Plot,
    axis_across,
    axis_at,
    axis_up,
    dot,
    draw_across,
    draw_mark,
    draw_up,
    inset,
    key,
    line,
    margin,
    path,
    words_at,
)

_DASHES = (None, "7 3", "2 3", "9 3 2 3", "4 4")
_GAP = 15
_JOINTS = 12
_OWN = 6
_AWAY = 9
_SIDE = 6
_SIGN = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """A line: points (x, y, low, high), from left to right."""

    name: str
    points: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The axes' titles with units, how their numbers are written, a marked place on x with its name, ringed points."""

    x_title: str
    y_title: str
    write_x: Write
    write_y: Write
    x_log: bool = False
    y_log: bool = False
    y_zero: bool = False
    mark: float | None = None
    mark_name: str = ""
    rings: tuple[tuple[float, float], ...] = ()
    joints: bool = True
    whole: bool = False


def draw(lines: Sequence[ChartLine], chart: Chart, width: int) -> Picture:
    """Draw the chart for a width in pixels; long names stand in a key above, with their numbers at the lines' ends.

    A line without points is left out; without any lines only the axes are drawn.
    """
    lines = [curve for curve in lines if curve.points]
    names = [clean(curve.name) for curve in lines]
    room = max(map(text_width, names), default=0.0) + _AWAY + 2
    rows: tuple[list[Html], float] = ([], 0.0)
    if room > 0.3 * width:
        entries = [(f"{i} {name}", _sign(i - 1)) for i, name in enumerate(names, 1)]
        rows = key(entries, width, _SIGN)
        names = [str(i) for i in range(1, len(lines) + 1)]
        room = text_width(names[-1]) + _AWAY + 2
    plot = _plot(lines, chart, Box(0, rows[1] + TOP, width - room, rows[1] + TOP + _height(len(lines), width)))
    parts = (
        *rows[0],
        draw_up(plot.up, plot.frame),
        draw_across(_across(lines, chart, plot.x, width), plot.frame, width),
        *(
            draw_mark(chart.mark_name, plot.x.at(chart.mark), plot.frame, width, plot.up.title)
            if chart.mark is not None
            else ()
        ),
        *(_line(plot, curve, i, joints=chart.joints) for i, curve in enumerate(lines)),
        *_rings(plot, chart),
        _ends(plot, lines, names),
    )
    return Picture(width=width, height=plot.frame.bottom + BOTTOM, parts=parts)


def description(lines: Sequence[ChartLine], chart: Chart) -> str:
    """Say in words from where to where each line goes."""

    def at(point: tuple[float, float, float, float]) -> str:
        return f"{chart.write_y([point[1]])[0]} at {chart.write_x([point[0]])[0]}"

    ranges = [
        f"{curve.name}: {' to '.join(dict.fromkeys((at(curve.points[0]), at(curve.points[-1]))))}"
        for curve in lines
        if curve.points
    ]
    return f"{chart.y_title} against {chart.x_title}. {'; '.join(ranges)}."


def _height(count: int, width: int) -> float:
    return max(260 if width > NARROW else 230, (count + 1) * _GAP)


def _plot(lines: Sequence[ChartLine], chart: Chart, frame: Box) -> Plot:
    xs = [p[0] for curve in lines for p in curve.points] + ([chart.mark] if chart.mark is not None else [])
    ys = [v for curve in lines for p in curve.points for v in p[1:]]
    y0, y1 = _padded_range(ys or [1.0, 10.0], chart)
    bottom, top = inset(frame)
    y = Scale(low=y0, high=y1, start=frame.bottom if chart.y_zero else bottom, end=top, log=chart.y_log)
    up = axis_up(y, chart.write_y, chart.y_title)
    frame = frame._replace(left=margin(up.words))
    x0, x1 = _span(xs or [1.0, 10.0], log=chart.x_log)
    x = Scale(low=x0, high=x1, start=frame.left + _SIDE, end=frame.right - _SIDE, log=chart.x_log)
    return Plot(frame=frame, x=x, y=y, up=up)


def _across(lines: Sequence[ChartLine], chart: Chart, x: Scale, width: int) -> Axis:
    """Put ticks where the points are, if these are few; else at round numbers."""
    own = sorted({p[0] for curve in lines for p in curve.points})
    if chart.x_log and chart.joints and 0 < len(own) <= _OWN:
        axis = axis_at(x, own, chart.write_x, chart.x_title, width)
        if axis is not None:
            return axis
    return axis_across(x, chart.write_x, chart.x_title, width, whole=chart.whole)


def _span(values: Sequence[float], *, log: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return (low / 2, high * 2) if log else (low - 1, high + 1)
    return low, high


def _padded_range(values: Sequence[float], chart: Chart) -> tuple[float, float]:
    low, high = min(values), max(values)
    if chart.y_log:
        return low / 1.3, high * 1.3
    if chart.y_zero:
        low = 0.0
    pad = 0.04 * ((high - low) or 0.1)
    share = low >= 0 and high <= 1
    return (max(0.0, low - pad) if low >= 0 else low - pad), (min(1.0, high + pad) if share else high + pad)


def _line(plot: Plot, curve: ChartLine, i: int, *, joints: bool) -> Html:
    color = COLORS[i % len(COLORS)]
    points = [(plot.x.at(x), plot.y.at(y)) for x, y, _, _ in curve.points]
    parts: list[Html] = []
    if any(high > low for _, _, low, high in curve.points):
        parts.append(_band(plot, curve, color))
    if len(points) > 1:
        parts.append(path(points, fill="none", stroke=color, stroke_width=2, stroke_dasharray=_dash(i)))
    if (joints and len(points) <= _JOINTS) or len(points) == 1:
        parts += [dot(x, y, 3.5, fill=color) for x, y in points]
    return tag("g", parts)


def _band(plot: Plot, curve: ChartLine, color: str) -> Html:
    """Draw the intervals: as an area, or as an upright line where there is one point only."""
    above = [(plot.x.at(x), plot.y.at(high)) for x, _, _, high in curve.points]
    below = [(plot.x.at(x), plot.y.at(low)) for x, _, low, _ in curve.points]
    if len(above) == 1:
        return line(above[0], below[0], stroke=color, stroke_width=1.4)
    return path([*above, *reversed(below)], closed=True, fill=color, fill_opacity=0.13)


def _rings(plot: Plot, chart: Chart) -> list[Html]:
    style: dict[str, Attribute] = {"fill": "none", "stroke": "var(--ink)", "stroke_width": 1.5}
    return [dot(plot.x.at(x), plot.y.at(y), 5, **style) for x, y in chart.rings]


def _ends(plot: Plot, lines: Sequence[ChartLine], names: Sequence[str]) -> Html:
    """Write each name at the right end of its line, moved apart where they would touch."""
    ends = [(plot.x.at(curve.points[-1][0]), plot.y.at(curve.points[-1][1])) for curve in lines]
    heights = spread([y for _, y in ends], _GAP, plot.frame.top, plot.frame.bottom)
    words = [
        words_at(name, x + _AWAY, y, fill=COLORS[i % len(COLORS)])
        for i, (name, (x, _), y) in enumerate(zip(names, ends, heights, strict=True))
    ]
    return tag("g", words, **HALO)


def _sign(i: int) -> Html:
    return line((0, 0), (_SIGN, 0), stroke=COLORS[i % len(COLORS)], stroke_width=2, stroke_dasharray=_dash(i))


def _dash(i: int) -> str | None:
    return _DASHES[(i + i // len(COLORS)) % len(_DASHES)]
