"""Pictures of a plan: memory against the device, time against size."""

from __future__ import annotations

from collections.abc import Sequence

from ockham.records.plan import Forecast
from ockham.reporting.formatting import clean, megabytes, milliseconds
from ockham.reporting.html import Html, tag
from ockham.reporting.labels import SIZE, Anchor, Box, Label, Placed, fit, text_box, text_width
from ockham.reporting.scales import Scale, log_span, write_plain, write_seconds
from ockham.reporting.svg import (
    BOTTOM,
    COLORS,
    HALO,
    NARROW,
    TOP,
    Picture,
    axis_across,
    axis_up,
    dot,
    draw_across,
    draw_up,
    inset,
    key,
    labels,
    line,
    margin,
    rect,
    words_at,
)

_PARTS = (("weights", COLORS[0]), ("cache", COLORS[1]), ("buffers", COLORS[2]), ("engine", COLORS[4]))
_BAR = 24
_ABOVE = 17
_THICK = 13
_CUT = 3
_PALE = 0.45


def memory_chart(forecasts: Sequence[Forecast], limit_gb: float, width: int) -> Picture:
    """Draw bars of memory by part, in GB, with the limit dashed; the number beside each bar is the whole.

    Bars that are longer than three times the limit are cut there, so that the small ones stay visible.
    """
    rows, high = key([(part, rect(Box(0, -5, 12, 5), fill=color)) for part, color in _PARTS], width, 12)
    totals = [megabytes(forecast.memory.total_mb) for forecast in forecasts]
    names = [
        fit(clean(f"{forecast.model} {forecast.quantization}"), (0.4 if width > NARROW else 0.75) * width)
        for forecast in forecasts
    ]
    # On a narrow screen names and numbers stand above their bars, which then have the whole width.
    above = 0 if width > NARROW else _ABOVE
    left, right = (margin(names), width - max(map(text_width, totals)) - 6) if not above else (0.0, width)
    frame = Box(left, high, right, high + (_BAR + above) * len(forecasts) + 4)
    longest = max(forecast.memory.total_mb / 1000 for forecast in forecasts)
    scale = Scale(low=0, high=min(max(longest, limit_gb) * 1.05, limit_gb * _CUT), start=frame.left, end=frame.right)
    across = axis_across(scale, write_plain, "gigabytes", width)
    bars, words = [], []
    for row, (forecast, name, total) in enumerate(zip(forecasts, names, totals, strict=True)):
        middle = frame.top + (_BAR + above) * row + above + _BAR / 2 + 2
        stop, body = _bar(forecast, scale, middle)
        bars.append(tag("g", body, opacity=None if forecast.fits else _PALE))
        color = "var(--ink)" if forecast.fits else "var(--soft)"
        if above:
            words.append(words_at(name, 0, middle - _ABOVE, fill=color))
            words.append(words_at(total, width, middle - _ABOVE, "end", fill=color))
        else:
            words.append(words_at(name, frame.left - 8, middle, "end", fill=color))
            words.append(words_at(total, stop + 5, middle, fill=color))
    limit = scale.at(limit_gb)
    grid = [line((scale.at(tick), frame.top), (scale.at(tick), frame.bottom)) for tick in across.ticks]
    parts = (
        *rows,
        tag("g", grid, stroke="var(--line)"),
        draw_across(across, frame, width),
        *bars,
        line((limit, frame.top), (limit, frame.bottom), stroke="var(--ink)", stroke_dasharray="4 4"),
        tag("g", words, **HALO),
    )
    return Picture(width=width, height=frame.bottom + BOTTOM, parts=parts)


def time_chart(forecasts: Sequence[Forecast], limits: Sequence[tuple[str, float]], width: int) -> Picture:
    """Draw the time of an answer against the millions of weights, both logarithmic, with dashed lines at limits."""
    lows, highs = ([_seconds(forecast, way) for forecast in forecasts] for way in (-1, 1))
    marks = [ms / 1000 for _, ms in limits]
    y0, y1 = log_span([*lows, *highs, *marks], least=10.0)
    frame = Box(0, TOP, width - 6, TOP + (300 if width > NARROW else 260))
    bottom, top = inset(frame)
    y = Scale(low=y0, high=y1, start=bottom, end=top, log=True)
    up = axis_up(y, write_seconds, "Time of an answer (logarithmic)")
    frame = frame._replace(left=margin(up.words))
    x0, x1 = log_span([forecast.parameters_m for forecast in forecasts], least=4.0)
    x = Scale(low=x0, high=x1, start=frame.left, end=frame.right, log=True)
    parts = (
        draw_up(up, frame),
        draw_across(axis_across(x, write_plain, "millions of parameters (logarithmic)", width), frame, width),
        *(
            line((frame.left, y.at(s)), (frame.right, y.at(s)), stroke="var(--soft)", stroke_dasharray="4 4")
            for s in marks
        ),
        *(_point(forecast, x, y) for forecast in sorted(forecasts, key=lambda forecast: forecast.fits)),
        _limit_names(limits, frame, forecasts, (x, y)),
    )
    return Picture(width=width, height=frame.bottom + BOTTOM, parts=parts)


def memory_words(forecasts: Sequence[Forecast], limit_gb: float) -> str:
    """Say in words what the picture of memory shows."""
    listed = "; ".join(
        f"{forecast.model} {forecast.quantization} {megabytes(forecast.memory.total_mb)}" for forecast in forecasts
    )
    return f"Memory of each model by part; the device can give {megabytes(1000 * limit_gb)}. {listed}."


def time_words(forecasts: Sequence[Forecast]) -> str:
    """Say in words what the picture of times shows."""
    ordered = sorted(forecasts, key=lambda forecast: forecast.speed.answer_ms)
    ends = [
        f"{forecast.model} {forecast.quantization} in {milliseconds(forecast.speed.answer_ms)}"
        for forecast in (ordered[0], ordered[-1])
    ]
    return f"Time of an answer against the size of the model, from {' to '.join(dict.fromkeys(ends))}."


def _seconds(forecast: Forecast, way: int) -> float:
    return forecast.speed.answer_ms * forecast.speed.spread**way / 1000


def _bar(forecast: Forecast, scale: Scale, middle: float) -> tuple[float, list[Html]]:
    memory = forecast.memory
    sizes = (memory.weights_mb, memory.kv_cache_mb, memory.activations_mb, memory.overhead_mb)
    start, parts = 0.0, []
    for (_, color), size in zip(_PARTS, sizes, strict=True):
        ends = scale.at(start), scale.at(start + size / 1000)
        if ends[1] > ends[0]:
            parts.append(rect(Box(ends[0], middle - _THICK / 2, ends[1], middle + _THICK / 2), fill=color))
        start += size / 1000
    return scale.at(start), parts


def _point(forecast: Forecast, x: Scale, y: Scale) -> Html:
    across, up = x.at(forecast.parameters_m), y.at(forecast.speed.answer_ms / 1000)
    whisker = line((across, y.at(_seconds(forecast, -1))), (across, y.at(_seconds(forecast, 1))), stroke="var(--mid)")
    if forecast.fits:
        return tag("g", whisker, dot(across, up, 4, fill="var(--accent)", stroke="var(--paper)", stroke_width=0.8))
    return tag("g", whisker, dot(across, up, 3.6, fill="var(--paper)", stroke="var(--mid)", stroke_width=1.6))


def _limit_names(
    limits: Sequence[tuple[str, float]], frame: Box, forecasts: Sequence[Forecast], scales: tuple[Scale, Scale]
) -> Html:
    """Name the limits above their lines, at the end where fewer marks are."""
    x, y = scales
    strokes = [
        Box(
            x.at(forecast.parameters_m) - 4,
            y.at(_seconds(forecast, 1)),
            x.at(forecast.parameters_m) + 4,
            y.at(_seconds(forecast, -1)),
        )
        for forecast in forecasts
    ]
    placed = []
    for name, ms in limits:
        up = y.at(ms / 1000) - 0.7 * SIZE
        ends: list[tuple[float, Anchor]] = [(frame.right - 4, "end"), (frame.left + 4, "start")]
        boxes = [text_box(name, at, up, anchor) for at, anchor in ends]
        covered = [sum(box.overlap(stroke) for stroke in strokes) for box in boxes]
        best = covered.index(min(covered))
        (at, anchor), box = ends[best], boxes[best]
        label = Label(words=name, x=at, y=up, color="var(--soft)")
        placed.append(Placed(label=label, x=at, y=up, anchor=anchor, box=box, led=False))
    return labels(placed)
