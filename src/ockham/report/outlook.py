"""Pictures of a plan, as Vega-Lite specifications: memory against the device, time against size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ockham.plan.records import Forecast
from ockham.report.charts import base, log_ticks
from ockham.report.draw import NARROW, Spec

_PARTS = (("weights", "var(--c1)"), ("cache", "var(--c2)"), ("buffers", "var(--c3)"), ("engine", "var(--c5)"))
_ROW = 24
_NAMES = {True: 176, False: 140}


def memory_spec(found: Sequence[Forecast], limit_gb: float, width: int) -> Spec:
    """Specify bars of memory by part, in GB, with the limit dashed.

    Bars that are longer than three times the limit are cut there, so that the small ones stay visible.
    """
    wide = width > NARROW
    longest = max(one.memory.total_mb / 1000 for one in found)
    end = min(max(longest, limit_gb) * 1.05, limit_gb * 3)
    names = [_label(one) for one in found]
    bars: list[dict[str, Any]] = []
    for one, name in zip(found, names, strict=True):
        at = 0.0
        memory = one.memory
        sizes = (memory.weights_mb, memory.kv_cache_mb, memory.activations_mb, memory.overhead_mb)
        for (part, colour), size in zip(_PARTS, sizes, strict=True):
            to = min(end, at + size / 1000)
            bars.append({"name": name, "part": part, "colour": colour, "from": at, "to": to, "fits": one.fits})
            at = to
    y: Spec = {
        "field": "name",
        "type": "nominal",
        "sort": names,
        "axis": {"title": None, "labelLimit": _NAMES[wide], "grid": False},
    }
    scale = {"domain": [0, end], "nice": False}
    x: Spec = {"field": "from", "type": "quantitative", "scale": scale, "axis": {"title": "gigabytes", "format": ",~f"}}
    layers: list[Spec] = [
        {
            "data": {"values": bars},
            "mark": {"type": "bar", "height": 13},
            "encoding": {
                "y": y,
                "x": x,
                "x2": {"field": "to"},
                "color": {"field": "colour", "type": "nominal", "scale": None},
                "opacity": {"condition": {"test": "datum.fits", "value": 1}, "value": 0.45},
            },
        },
        {
            "data": {"values": [{"at": limit_gb}]},
            "mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink)"},
            "encoding": {"x": {"field": "at", "type": "quantitative", "scale": scale}},
        },
    ]
    at = 0
    for part, colour in _PARTS:
        word = {"type": "text", "align": "left", "fontSize": 12, "color": colour, "fontWeight": "bold"}
        at_top = {"x": {"value": at}, "y": {"value": -10}}
        at += 7 * len(part) + (18 if wide else 8)
        layers.append(
            {
                "data": {"values": [{"t": part}]},
                "mark": word,
                "encoding": {**at_top, "text": {"field": "t", "type": "nominal"}},
            }
        )
    # The reader's font may be wider than the one that names were measured with.
    made = base(width - _NAMES[wide] - 46, _ROW * len(found), layers)
    made["config"]["axisY"] = {"domain": False, "ticks": False}
    made["padding"] = {"left": 32, "right": 12, "top": 14, "bottom": 2}
    return made


def time_spec(found: Sequence[Forecast], limits: Sequence[tuple[str, float]], width: int) -> Spec:
    """Specify the time of an answer against the millions of weights, both logarithmic, with dashed lines at limits."""
    points = [
        {
            "x": one.parameters_m,
            "y": one.speed.answer_ms / 1000,
            "low": one.speed.answer_ms / one.speed.spread / 1000,
            "high": one.speed.answer_ms * one.speed.spread / 1000,
            "fits": one.fits,
        }
        for one in found
    ]
    x0, x1 = min(p["x"] for p in points) / 1.4, max(p["x"] for p in points) * 1.4
    y0 = min([p["low"] for p in points] + [ms / 1000 for _, ms in limits]) / 1.5
    y1 = max([p["high"] for p in points] + [ms / 1000 for _, ms in limits]) * 1.5
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [x0, x1], "nice": False},
        "axis": {"title": "millions of weights (logarithmic)", "format": ",~f", "values": log_ticks(x0, x1)},
    }
    y: Spec = {
        "field": "y",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [y0, y1], "nice": False},
        "axis": {"title": None, "format": ",~f", "values": log_ticks(y0, y1), "labelExpr": "datum.label + ' s'"},
    }
    rules = [{"y": ms / 1000, "t": name, "x": x1} for name, ms in limits]
    dash = {"type": "rule", "strokeDash": [4, 4], "color": "var(--soft)"}
    words = {"type": "text", "align": "right", "dx": -4, "dy": -7, "fontSize": 12, "color": "var(--soft)"}
    dot = {"type": "point", "size": 46, "strokeWidth": 1.6, "opacity": 1}
    layers: list[Spec] = [
        {"data": {"values": rules}, "mark": dash, "encoding": {"y": dict(y)}},
        {
            "data": {"values": rules},
            "mark": words,
            "encoding": {"x": dict(x), "y": dict(y), "text": {"field": "t", "type": "nominal"}},
        },
        {
            "data": {"values": points},
            "mark": {"type": "rule", "color": "var(--mid)", "strokeWidth": 1, "opacity": 0.6},
            "encoding": {"x": dict(x), "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": [p for p in points if p["fits"]]},
            "mark": {**dot, "filled": True, "color": "var(--accent)"},
            "encoding": {"x": dict(x), "y": dict(y)},
        },
        {
            "data": {"values": [p for p in points if not p["fits"]]},
            "mark": {**dot, "filled": False, "color": "var(--mid)"},
            "encoding": {"x": dict(x), "y": dict(y)},
        },
    ]
    return base(width - 62, 300 if width > NARROW else 260, layers)


def _label(one: Forecast) -> str:
    return f"{one.model} {one.quantization}"
