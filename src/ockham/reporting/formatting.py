"""Words and numbers as a reader sees them: foreign text made harmless, numbers with their unit and interval.

Text from the user's data may hold what a page must not act on: terminal escapes, marks that turn the reading direction
round, characters nobody can see. `clean` takes the first out and shows the others as ⟦RLO⟧, ⟦ZWSP⟧ and the like.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ockham import plain_numbers
from ockham.records import Estimate
from ockham.records.quantities import FIELD, LIMITS, QUANTITIES, find_quantity, is_share

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system command, up to its end
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # device control and other strings
    r"|[\x1b]\[[0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"  # control sequence
    r"|\x1b[ -/]*[0-~]"  # two-character escape
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_NAMES = {
    "\u00ad": "SHY",
    "\u061c": "ALM",
    "\u200b": "ZWSP",
    "\u200c": "ZWNJ",
    "\u200d": "ZWJ",
    "\u200e": "LRM",
    "\u200f": "RLM",
    "\u2028": "LS",
    "\u2029": "PS",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202c": "PDF",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2060": "WJ",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\u2068": "FSI",
    "\u2069": "PDI",
    "\ufeff": "BOM",
    "\r": "CR",
    "\x00": "NUL",
    "\x07": "BEL",
    "\x08": "BS",
    "\x1b": "ESC",
    "\x7f": "DEL",
}
NBSP = "\u00a0"
_MINUS = "\N{MINUS SIGN}"


def clean(text: str) -> str:
    r"""Take terminal escapes out of a text and show characters that cannot be seen as ⟦NAME⟧.

    Line ends become ``\n``. Joiners between letters of scripts that need them (and inside emoji) stay as they are.
    """
    text = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    return _UNSEEN.sub(_name_character, text)


def shorten(text: str, most: int) -> str:
    """Cut a text to ``most`` characters and say how long it was."""
    if len(text) <= most:
        return text
    return f"{text[:most]} … ({count(len(text))} characters)"


def finite(value: float | None) -> float | None:
    """Return the number, or ``None`` where there is none (missing, infinite, not a number)."""
    return value if value is not None and math.isfinite(value) else None


def finite_estimate(estimate: Estimate | None) -> Estimate | None:
    """Return the estimate, or ``None`` where its numbers cannot be shown."""
    if estimate is None or any(finite(v) is None for v in (estimate.value, estimate.low, estimate.high)):
        return None
    return estimate


def estimate_of(value: object) -> Estimate | None:
    """Read an estimate from a record, a plain mapping of one, or a bare number (then without an interval: n = 0)."""
    if isinstance(value, Estimate):
        return finite_estimate(value)
    if isinstance(value, Mapping) and {"value", "low", "high"} <= set(value):
        try:
            return finite_estimate(
                Estimate(
                    value=float(value["value"]),
                    low=float(value["low"]),
                    high=float(value["high"]),
                    n=int(value.get("n") or 0),
                )
            )
        except (TypeError, ValueError):
            return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return Estimate(value=float(value), low=float(value), high=float(value), n=0)
    return None


def settings_text(settings: Mapping[str, object]) -> str:
    """Write the settings of a plug: ``most = 0.5; words = a, b``."""
    texts = {
        name: ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        for name, value in settings.items()
    }
    return "; ".join(f"{name} = {text}" for name, text in texts.items())


def count(number: float) -> str:
    """Write a whole number with thousands separated: ``4,500``."""
    return f"{round(number):,}"


def rows(number: int) -> str:
    """Write a number of rows."""
    return f"{count(number)} row" if number == 1 else f"{count(number)} rows"


def percent(value: float, digits: int = 1) -> str:
    """Write a share in percent: ``91.4 %``."""
    return _unbroken(plain_numbers.percent(value, digits))


def figures(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits, never in powers of ten: ``0.0123``, ``1,230``."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{round(value, decimals):,.{min(decimals, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text and decimals > digits else text


def milliseconds(value: float) -> str:
    """Write a time given in milliseconds: ``1.83 ms``, ``2.4 s``."""
    return _unbroken(plain_numbers.milliseconds(value))


def milliseconds_between(low: float, high: float) -> str:
    """Write an interval of times given in milliseconds, the unit once: ``1.8 to 2.1 ms``; both ends alike once."""
    first, last = milliseconds(low), milliseconds(high)
    if first == last:
        return first
    same = first.rpartition(NBSP)[2] == last.rpartition(NBSP)[2]
    return f"{first.rpartition(NBSP)[0] if same else first} to {last}"


def seconds(value: float) -> str:
    """Write a time given in seconds: ``0.41 s``, ``12 min``, ``1.3 h``."""
    least = plain_numbers.SMALLEST
    if value < least:
        return f"<{least:g}{NBSP}s"
    if value < 90:
        return f"{figures(value, 2)}{NBSP}s"
    return f"{value / 60:.0f}{NBSP}min" if value < 5400 else f"{value / 3600:.1f}{NBSP}h"


def megabytes(value: float) -> str:
    """Write a size given in megabytes (10^6): ``412 MB``, ``2.1 GB``."""
    return _unbroken(plain_numbers.megabytes(value))


def rate(value: float) -> str:
    """Write a number of answers per second: ``41``, ``2,100``, ``1.6 million``."""
    return _unbroken(plain_numbers.rate(value))


def dollars(value: float) -> str:
    """Write an amount in US dollars: ``$2.40``, ``$0.0031``, ``$1,230``."""
    if value == 0:
        return "$0"
    return f"${figures(value, 2)}" if abs(value) < 0.1 else f"${value:,.2f}" if abs(value) < 1000 else f"${value:,.0f}"


def amount(metric: str, value: float) -> str:
    """Write a value of a task metric: shares in percent, other scales as they are."""
    return percent(value) if is_share(metric) or 0 <= value <= 1 else figures(value)


def interval(metric: str, estimate: Estimate) -> str:
    """Write the interval of a task metric: ``90.1 to 92.2``."""
    if amount(metric, estimate.value).endswith("%"):
        return share_interval(estimate)
    return f"{figures(estimate.low)} to {figures(estimate.high)}"


def share_interval(estimate: Estimate) -> str:
    """Write the interval of a share, in percent without the sign."""
    return plain_numbers.percent_range(estimate.low, estimate.high)


def full(metric: str, estimate: Estimate) -> str:
    """Write an estimate whole: ``91.2 % (90.1 to 92.2, n = 4,500)``."""
    spread = f"{interval(metric, estimate)}, n{NBSP}={NBSP}{count(estimate.n)}"
    return f"{amount(metric, estimate.value)} ({spread})"


def points(difference: float) -> str:
    """Write a difference of shares in points, with its sign: ``+1.2``; one that rounds to nothing has none: ``0.0``."""
    tenths = round(1000 * difference)
    return f"{tenths / 10:+.1f}".replace("-", _MINUS) if tenths else "0.0"


def minus(first: str, second: str) -> str:
    """Write what a difference is of."""
    return f"{first} {_MINUS} {second}"


def p_value(value: float) -> str:
    """Write a p-value: three decimals, and never a bare zero."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def metric_name(metric: str) -> str:
    """Name a metric for a reader."""
    if metric.startswith(FIELD):
        return find_quantity(metric).title
    return QUANTITIES[metric].title if metric in QUANTITIES else metric.replace("_", " ").strip().capitalize()


def limit_name(limit: str) -> str:
    """Name a requirement for a reader, without its number."""
    side, _, name = limit.partition("_")
    words = find_quantity(name).short if limit in LIMITS or name.startswith(FIELD) else name.replace("_", " ")
    return f"{words} {'at least' if side == 'min' else 'at most'}"


def quantity_name(limit: str) -> str:
    """Name what a requirement is about: ``accuracy``, ``p95 latency``."""
    return limit_name(limit).removesuffix(" at least").removesuffix(" at most")


def limit_value(limit: str, value: float) -> str:
    """Write the number of a requirement in its unit."""
    unit = LIMITS[limit].unit if limit in LIMITS else None
    if unit == "ms":
        return f"{value:,g}{NBSP}ms" if value < 1000 else f"{value / 1000:,g}{NBSP}s"
    if unit == "MB":
        return f"{value:,g}{NBSP}MB" if value < 1000 else f"{value / 1000:,g}{NBSP}GB"
    if unit == "USD":
        return dollars(value)
    return _unbroken(plain_numbers.percent_limit(value)) if unit == "share" else f"{value:,g}"


def reason_name(reason: str) -> str:
    """Name a rule or class for a reader: ``exact_duplicate`` becomes ``exact duplicate``."""
    return reason.replace("_", " ").strip()


def _unbroken(text: str) -> str:
    """Keep a number and its unit on one line."""
    return text.replace(" ", NBSP)


def _name_character(match: re.Match[str]) -> str:
    char = match.group()
    text, index = match.string, match.start()
    joins = char in "\u200c\u200d" and 0 < index < len(text) - 1
    if joins and ord(text[index - 1]) > 0x2FF and ord(text[index + 1]) > 0x2FF:
        return char
    return f"⟦{_NAMES.get(char) or f'U+{ord(char):04X}'}⟧"
