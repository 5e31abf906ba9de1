"""Bars beside each other: for each group, one of each series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ockham.reporting.html import Html, tag
from ockham.reporting.labels import Box, text_width
from ockham.reporting.scales import Scale, write_plain
from ockham.reporting.svg import TOP, Axis, Picture, draw_up, key, line, margin, number, rect, words_at

_HEIGHT = 200
_TICKS = 6
_UPRIGHT = 14


class Series(NamedTuple):
    """One number for each group, with their name and color."""

    name: str
    color: str
    values: Sequence[int]


def bars(groups: Sequence[str], series: Sequence[Series], titles: tuple[str, str], width: int) -> Picture:
    """Draw for each group a bar of each series; ``titles`` are those of the groups and of what is counted.

    ``width`` is that of the whole drawing in pixels. Numbers must not be negative.
    """
    rows, high = key([(entry.name, rect(Box(0, -5, 12, 5), fill=entry.color)) for entry in series], width, 12)
    ticks = _ticks(max((value for entry in series for value in entry.values), default=0))
    top = high + TOP + 4
    y = Scale(low=0, high=ticks[-1], start=top + _HEIGHT, end=top)
    up = Axis(scale=y, ticks=tuple(ticks), words=tuple(write_plain(ticks)), title=titles[1])
    frame = Box(margin(up.words), top, width - 2, top + _HEIGHT)
    names, below = _names(groups, frame)
    title = words_at(titles[0], (frame.left + frame.right) / 2, frame.bottom + below + 14, "middle", fill="var(--soft)")
    parts = (
        *rows,
        draw_up(up, frame),
        *_bodies(series, y, frame),
        line((frame.left, frame.bottom), (frame.right, frame.bottom), stroke="var(--faint)"),
        names,
        title,
    )
    return Picture(width=width, height=frame.bottom + below + 24, parts=parts)


def _ticks(most: int) -> list[int]:
    """Return whole numbers from 0 to at least ``most``, in at most six steps of 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if most <= _TICKS * step:
                return list(range(0, max(1, -(-most // step)) * step + 1, step))
        power *= 10


def _names(groups: Sequence[str], frame: Box) -> tuple[Html, float]:
    """Write the groups' names under their bars, turned where they would touch; also return their height."""
    step = (frame.right - frame.left) / max(1, len(groups))
    middles = [frame.left + step * (i + 0.5) for i in range(len(groups))]
    if all(text_width(name) + 6 <= step for name in groups):
        words = [words_at(name, x, frame.bottom + 13, "middle") for name, x in zip(groups, middles, strict=True)]
        return tag("g", words, fill="var(--soft)"), 20
    every = math.ceil(_UPRIGHT / step)
    words = [
        words_at(name, 0, 0, "end", transform=f"translate({number(x)} {number(frame.bottom + 7)}) rotate(-90)")
        for name, x in list(zip(groups, middles, strict=True))[::every]
    ]
    return tag("g", words, fill="var(--soft)"), max(text_width(name) for name in groups) + 10


def _bodies(series: Sequence[Series], y: Scale, frame: Box) -> list[Html]:
    parts: list[Html] = []
    for index, entry in enumerate(series):
        step = (frame.right - frame.left) / max(1, len(entry.values))
        wide = 0.8 * step / len(series)
        for group, value in enumerate(entry.values):
            left = frame.left + step * (group + 0.1) + wide * index
            parts.append(rect(Box(left, y.at(value), left + wide, frame.bottom), fill=entry.color))
    return parts
