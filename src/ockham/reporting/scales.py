"""Scales: where a number lies in a picture, which round numbers its axis shows, and how these are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from ockham.reporting.formatting import NBSP, percent

Write: TypeAlias = Callable[[Sequence[float]], list[str]]

_LOG_STEPS = ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,))
_MOST = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """An axis from ``low`` to ``high``, from pixel ``start`` to pixel ``end``; logarithmic where ``log`` is set."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value; a value beyond the axis lies at its end."""
        share = _log_share(value, self.low, self.high) if self.log else (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def linear_ticks(low: float, high: float, most: int = _MOST, *, whole: bool = False) -> list[float]:
    """Return at most ``most`` round numbers from ``low`` to ``high``, in steps of 1, 2 or 5 times a power of ten."""
    least = (high - low) / max(1, most)
    power = math.floor(math.log10(least))
    while True:
        for factor in (1, 2, 5):
            step = factor * 10.0**power
            first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
            if last - first < most and not (whole and step < 1):
                return [round(i * step, max(0, -power)) for i in range(first, last + 1)]
        power += 1


def tick_choices(scale: Scale, *, whole: bool = False) -> Iterator[list[float]]:
    """Yield lists of ticks for an axis, from many to few."""
    if scale.log:
        first = _least_sparse(scale.low, scale.high)
        choices = [_log_ticks(scale.low, scale.high, sparse) for sparse in range(first, first + 12)]
        yield from (ticks for ticks in choices if len(ticks) > 1)
    for most in range(_MOST, 1, -1):
        ticks = linear_ticks(scale.low, scale.high, most, whole=whole)
        yield [tick for tick in ticks if scale.low <= tick or not scale.log]


def log_span(values: Sequence[float], *, least: float = 1.0) -> tuple[float, float]:
    """Return the ends of a logarithmic axis around the positive values, at least a factor of ``least`` apart."""
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive), max(positive)
    margin = max(1.35, (high / low) ** 0.08, math.sqrt(least / (high / low)))
    return low / margin, high * margin


def share_span(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis of shares, at multiples of 5 %; other values get a tenth of their span around them."""
    low, high = min(values), max(values)
    if low < 0 or high > 1:
        margin = 0.1 * (high - low or 1.0)
        return low - margin, high + margin
    low, high = max(0.0, math.floor(20 * low - 0.2) / 20), min(1.0, math.ceil(20 * high + 0.2) / 20)
    return low, high


def write_shares(ticks: Sequence[float]) -> list[str]:
    """Write shares in percent, with as many decimals as their distance asks for."""
    gap = min((abs(b - a) for a, b in pairwise(ticks)), default=1.0)
    digits = max(0, math.ceil(-math.log10(100 * gap) - 1e-9)) if gap else 0
    return [percent(tick, digits) for tick in ticks]


def write_plain(ticks: Sequence[float]) -> list[str]:
    """Write numbers in full: ``0.01``, ``1,000``."""
    return [_plain(tick) for tick in ticks]


def write_dollars(ticks: Sequence[float]) -> list[str]:
    """Write amounts in US dollars: ``$0.1``, ``$1,000``."""
    return [f"${_plain(tick)}" for tick in ticks]


def write_short(ticks: Sequence[float]) -> list[str]:
    """Write large numbers in short: ``300``, ``10k``, ``2M``."""
    return [_short(tick) for tick in ticks]


def write_seconds(ticks: Sequence[float]) -> list[str]:
    """Write times that are given in seconds: ``0.1 ms``, ``10 s``."""
    return [f"{_plain(tick)}{NBSP}s" if tick >= 1 else f"{_plain(1000 * tick)}{NBSP}ms" for tick in ticks]


def _log_share(value: float, low: float, high: float) -> float:
    if value <= low:
        return 0.0
    return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))


def _least_sparse(low: float, high: float) -> int:
    decades = math.log10(high) - math.log10(low)
    return 0 if decades <= 2.2 else 1 if decades <= 3.2 else 2


def _log_ticks(low: float, high: float, sparse: int) -> list[float]:
    """Return ticks of a density: 0 for 1, 2, 5; 1 for 1, 3; 2 for powers of ten; more for every second, third power."""
    steps = _LOG_STEPS[min(sparse, 2)]
    every = max(1, sparse - 1)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [
        float(f"{step * 10.0**power:.12g}") for power in range(first, last) if power % every == 0 for step in steps
    ]
    values += [10.0**last] if last % every == 0 else []
    return [value for value in values if low <= value <= high]


def _plain(value: float) -> str:
    if value and abs(value) < 1e-9:
        return f"{value:g}"
    written = f"{value:,.12f}" if abs(value) < 1 else f"{value:,.3f}"
    return written.rstrip("0").rstrip(".")


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{_plain(value / size)}{unit}"
    return _plain(value)
