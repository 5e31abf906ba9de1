"""Values that do not stand in a text as such, but follow from what stands there: dates, amounts, case.

A form is a rule with a name, learnt from pairs: ``date:dmy:%Y-%m-%d`` reads 25/12/2018, day first, and writes
2018-12-25; ``amount`` takes RM 9.00 as 9.00. It imports nothing of ockham, so that an exported program can hold it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date

AS_IT_STANDS = "text"
ORDERS = ("dmy", "mdy", "ymd")
DATE_FORMATS = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d.%m.%Y", "%Y/%m/%d", "%d/%m/%y", "%d-%m-%y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y%m%d",
)  # fmt: skip
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_GAP = r"[ ]?[-/., ][ ]?"
_DATE = re.compile(
    rf"\d{{1,4}}{_GAP}(?:\d{{1,2}}|[A-Za-z]{{3,9}}){_GAP}\d{{2,4}}(?!\d)"
    r"|[A-Za-z]{3,9}[. ]{1,2}\d{1,2}(?:,[ ]?|[ ])\d{4}"
)
_AMOUNT = re.compile(r"(?:(?:[A-Za-z]{1,3}|[$€£¥])[ ]?)?-?\d[\d.,']{0,18}(?:[ ]?(?:[A-Za-z]{3}|[$€£¥])(?![A-Za-z]))?")
_PLAIN_AMOUNT = re.compile(r"-?\d+(?:\.\d+)?")


def write_as(form: str, text: str) -> str | None:
    """Return what a form makes of a part of a text; ``None`` where it cannot read it."""
    kind, _, rest = form.partition(":")
    if kind == "date":
        order, _, style = rest.partition(":")
        day = _read_date(text, order)
        return None if day is None else _write_date(day, style)
    return _PLAIN[kind](text) if kind in _PLAIN else None


def forms() -> Iterator[str]:
    """Return the names of all forms, the simplest first."""
    yield from _PLAIN
    for order in ORDERS:
        yield from (f"date:{order}:{style}" for style in DATE_FORMATS)


def parts_for(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Return the parts of a text that a form may be tried on, from the left."""
    pattern = _DATE if form.startswith("date") else _AMOUNT if form == "amount" else None
    if pattern is not None:
        yield from (match.span() for match in pattern.finditer(text))


def _amount(text: str) -> str | None:
    match = re.search(r"-?\d[\d.,' ]*", text)
    if match is None:
        return None
    number = match[0].strip(" .,'").replace(" ", "").replace("'", "")
    last = max(number.rfind("."), number.rfind(","))
    before, other = number[:last], "," if number[last] == "." else "."
    # Three digits behind the last mark are thousands, unless nought or the other mark stands before: 0.125, 1,234.567.
    is_thousands = len(number) - last - 1 == 3 and before.lstrip("-") != "0" and other not in before
    if last >= 0 and not is_thousands:
        whole, part = re.sub(r"[.,]", "", number[:last]), number[last + 1 :]
        number = f"{whole}.{part}"
    else:
        number = re.sub(r"[.,]", "", number)
    return number if _PLAIN_AMOUNT.fullmatch(number) else None


def _read_date(text: str, order: str) -> date | None:
    parts = re.findall(r"\d+|[A-Za-z]+", text)
    if len(parts) != 3:
        return None
    named = next((index for index, part in enumerate(parts) if part.isalpha()), None)
    if named is not None:
        month = parts.pop(named)[:3].lower()
        if month not in _MONTHS or not all(part.isdigit() for part in parts):
            return None
        day, year = (parts[1], parts[0]) if len(parts[0]) == 4 else (parts[0], parts[1])
        numbers = {"d": int(day), "m": _MONTHS.index(month) + 1, "y": int(year)}
    else:
        order = "ymd" if len(parts[0]) == 4 else order
        numbers = dict(zip(order, map(int, parts), strict=True))
    year_number = numbers["y"]
    if year_number < 100:  # as POSIX reads two digits
        year_number += 1900 if year_number > 68 else 2000
    try:
        return date(year_number, numbers["m"], numbers["d"])
    except (ValueError, OverflowError):
        return None


def _write_date(day: date, style: str) -> str:
    # Not strftime: the names of months are English, whatever the locale.
    month = _MONTHS[day.month - 1].title()
    names = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
             "November", "December")  # fmt: skip
    out = (
        style.replace("%Y", f"{day.year:04d}").replace("%y", f"{day.year % 100:02d}").replace("%m", f"{day.month:02d}")
    )
    return out.replace("%d", f"{day.day:02d}").replace("%B", names[day.month - 1]).replace("%b", month)


_PLAIN: Mapping[str, Callable[[str], str | None]] = {
    AS_IT_STANDS: lambda text: text,
    "amount": _amount,
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "digits": lambda text: re.sub(r"\D", "", text) or None,
}
