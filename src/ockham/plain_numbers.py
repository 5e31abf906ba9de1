"""Numbers as a person reads them: three digits, thousands separated, no powers of ten."""

from __future__ import annotations

SMALLEST = 0.01
"""What is smaller is said to be so: nobody chooses by it."""


def percent(share: float, decimals: int = 1) -> str:
    """Write a share in percent: ``89.1 %``."""
    return f"{100 * share:.{decimals}f} %"


def percent_range(low: float, high: float, decimals: int = 1) -> str:
    """Write what two shares bound, in percent and without its sign: ``87.6 to 90.4``."""
    return f"{100 * low:.{decimals}f} to {100 * high:.{decimals}f}"


def percent_limit(share: float) -> str:
    """Write a share that somebody named, with no more digits than it has: ``90 %``, ``99.5 %``."""
    return f"{100 * share:.4g} %"


def digits(number: float) -> str:
    """Write a number with three significant digits: ``1,630``, ``12.4``, ``0.35``, ``<0.01``."""
    if 0 < abs(number) < SMALLEST:
        return f"<{SMALLEST:g}"
    return f"{number:,.0f}" if abs(number) >= 99.95 else f"{number:.3g}"


def milliseconds(value: float) -> str:
    """Write a time given in milliseconds: ``12.4 ms``, ``1.63 s``."""
    return f"{digits(value)} ms" if value < 999.5 else f"{digits(value / 1000)} s"


def megabytes(value: float) -> str:
    """Write a size given in megabytes (10^6 bytes): ``0.7 kB``, ``131 MB``, ``2.1 GB``."""
    if value < 1:
        return f"{digits(1000 * value)} kB"
    return f"{digits(value)} MB" if value < 999.5 else f"{digits(value / 1000)} GB"


def rate(value: float) -> str:
    """Write a number of answers per second, with two digits: ``41``, ``2,100``, ``1.6 million``."""
    if value >= 999_500:
        return f"{value / 1e6:.2g} million" if value < 9.95e6 else f"{value / 1e6:,.0f} million"
    if value < 99.5:  # what rounds to 100 would be written with an exponent
        return f"{value:.2g}" if value >= SMALLEST else f"<{SMALLEST:g}"
    step = 10 ** (len(str(round(value))) - 2)
    return f"{round(value / step) * step:,}"
