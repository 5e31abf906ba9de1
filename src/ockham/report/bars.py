"""Bars beside each other, written as SVG by hand: what a report needs whose page must not take longer than its data.

Vega would take a tenth of a second for them; the look is that of its charts on the other pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ockham.report.markup import Html, tag
from ockham.report.text import count

_LEFT, _TOP = 53, 34
_HEIGHT = 180
_TEXT = 10
_GRID, _LINE, _INK = "#ddd", "#888", "#000"


class Series(NamedTuple):
    """One number for each group, with their name and color."""

    name: str
    color: str
    values: Sequence[int]


def bars(groups: Sequence[str], series: Sequence[Series], titles: tuple[str, str], width: int) -> Html:
    """Draw for each group a bar of each series; ``titles`` are those of the groups and of what is counted.

    ``width`` is that of the whole drawing in pixels. Numbers must not be negative.
    """
    inner = width - _LEFT - 27
    ticks = _ticks(max((value for one in series for value in one.values), default=0))
    parts = [_legend(series), *_scale(ticks, inner), *_names(groups, inner), *_bodies(series, ticks[-1], inner)]
    words, rows = titles
    below = 5 * max(map(len, groups), default=0) + 16
    parts.append(_said(words, inner / 2, _HEIGHT + below, bold=True))
    parts.append(_said(rows, -40, _HEIGHT / 2, turned=True, bold=True))
    high = _TOP + _HEIGHT + below + 8
    # Half a pixel aside, so that a line of one pixel fills one.
    picture = tag("g", parts, transform=f"translate({_LEFT + 0.5},{_TOP + 0.5})")
    shape: dict[str, str | float] = {"width": width, "height": high, "viewBox": f"0 0 {width} {high}"}
    return tag("svg", picture, aria_hidden="true", focusable="false", **shape)


def _ticks(most: int) -> list[int]:
    """Give whole numbers from 0 to at least the largest one, in at most six steps of 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if most <= 6 * step:
                return list(range(0, max(1, -(-most // step)) * step + 1, step))
        power *= 10


def _scale(ticks: Sequence[int], inner: float) -> list[Html]:
    parts: list[Html] = []
    for tick in ticks:
        y = _HEIGHT * (1 - tick / ticks[-1])
        parts.append(_line((0, inner), (y, y), _LINE if tick == 0 else _GRID))
        parts.append(_said(count(tick), -7, y + 3, anchor="end"))
    return [*parts, _line((0, 0), (0, _HEIGHT), _LINE)]


def _names(groups: Sequence[str], inner: float) -> list[Html]:
    step = inner / max(1, len(groups))
    return [
        _said(name, step * (place + 0.5) + 3, _HEIGHT + 7, anchor="end", turned=True)
        for place, name in enumerate(groups)
    ]


def _bodies(series: Sequence[Series], most: int, inner: float) -> list[Html]:
    parts: list[Html] = []
    for place, one in enumerate(series):
        step = inner / max(1, len(one.values))
        wide = 0.8 * step / len(series)
        for group, value in enumerate(one.values):
            high = _HEIGHT * value / most
            x = step * (group + 0.1) + wide * place
            size = {"width": _n(wide), "height": _n(high)}
            parts.append(tag("rect", x=_n(x), y=_n(_HEIGHT - high), fill=one.color, **size))
    return parts


def _legend(series: Sequence[Series]) -> Html:
    parts: list[Html] = []
    x = 0
    for one in series:
        parts.append(tag("rect", x=x + 1, y=-28, width=_TEXT, height=_TEXT, fill=one.color))
        parts.append(_said(one.name, x + 16, -20, anchor="start"))
        x += 34 + 5 * len(one.name)
    return tag("g", parts)


def _line(x: tuple[float, float], y: tuple[float, float], color: str) -> Html:
    return tag("line", x1=_n(x[0]), x2=_n(x[1]), y1=_n(y[0]), y2=_n(y[1]), stroke=color)


def _said(words: str, x: float, y: float, *, anchor: str = "middle", turned: bool = False, bold: bool = False) -> Html:
    place = f"translate({_n(x)},{_n(y)})" + (" rotate(-90)" if turned else "")
    style = {"font_size": f"{_TEXT + bold}px", "font_weight": "bold" if bold else None, "fill": _INK}
    return tag("text", words, text_anchor=anchor, transform=place, **style)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
