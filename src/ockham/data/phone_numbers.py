"""Find telephone numbers in texts: by their shapes, and plain digits where words say that they are one.

A number with a plus (ITU-T E.164) must have a country's code and as many digits as numbers there have. A national one
is taken by its shape where that is seldom anything else: three, three and four digits, or a zero with groups behind it.
Other digits need a word for it before them ("call", "Tel.", "mobile is"). Years, dates, sums with their thousands
apart, times and what stands behind a word for something else (an order, a part) are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

# Every quantifier is bounded, so that no text costs more than a constant number of steps per character.
_GAP: Final = r"(?: ?[./-] ?| {1,2})"
_LEFT: Final = r"(?<![\w.,+/-])(?<![0-9][ -])"
_RIGHT: Final = r"(?![\w-]|[ .,/][0-9])"
_NUMBER: Final = re.compile(
    _LEFT + r"(?:"
    r"(?P<international>(?:\+|00(?=[1-9]))[1-9](?:[ .()/-]{0,3}[0-9]){6,15})"
    r"|(?P<american>(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ ./-])[0-9]{3}[ .-][0-9]{4})"
    rf"|(?P<national>(?:\(0[1-9][0-9]{{0,4}}\) ?|\(0\) ?[1-9][0-9]{{1,4}}{_GAP}|0[1-9][0-9]{{0,4}}{_GAP})"
    rf"[0-9]{{2,8}}(?:{_GAP}[0-9]{{2,6}}){{0,4}})"
    r"|(?P<bracketed>\([1-9][0-9]{1,4}\) ?[0-9]{3,5}[ .-]?[0-9]{3,4})"
    rf"|(?P<plain>[0-9]{{1,12}}(?:{_GAP}[0-9]{{1,8}}){{0,5}})"
    r")" + _RIGHT
)
_LONG_ENOUGH: Final = re.compile(r"[0-9](?:[ ()./-]{0,4}[0-9]){6}")
_MOBILE: Final = re.compile(r"0(?:[67][0-9]{8}|7[0-9]{9}|1[567][0-9]{8,9}|4[0-9]{8}|[789]0[0-9]{8})")
"""Mobile numbers of France, the Netherlands, Britain, Germany, Australia and Japan, written without gaps."""
_DATE: Final = re.compile(
    r"(?:(?:0?[1-9]|[12][0-9]|3[01])[./-]){2}(?:[0-9]{4}|[0-9]{2})(?![0-9]|[./-][0-9])|[12][0-9]{3}([./-])[01]?[0-9]\1"
)
_THOUSANDS: Final = re.compile(r"[0-9]{1,3}(?:([ .])[0-9]{3})(?:\1[0-9]{3})*")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9]")
_UNIT: Final = re.compile(r" ?(?:[kMG]?(?:B|b|Hz|m|W)|[cm]m|[kmµ]?[gs]|ms|px|dpi|rpm|%|€|\$|£|EUR|USD|kr|zł)(?!\w)")

CUES: Final = (
    "anruf", "appele", "call", "cell", "chiama", "dial", "dzwo", "fax", "fon", "gsm", "handy", "helpline", "hotline",
    "il mio numero", "llám", "llama", "ligar", "ligue", "meine nummer", "mi número", "mijn nummer", "mobi",
    "mon numéro", "móvil", "my number", "number is", "phone", "reach me", "reach us", "ring", "ruf", "sms", "tel",
    "text me", "text us", "tlf", "tél", "whatsapp", "звон", "тел", "電話", "电话", "手机", "手機", "전화",
)  # fmt: skip
"""How words begin that announce a telephone number."""
CUE_REACH: Final = 32
"""Characters before a number in which they may stand."""
_CUE: Final = re.compile(r"(?<![^\W_])(?:" + "|".join(CUES) + r")[^\W\d_]{0,12}(?:[^0-9\n]{0,24})\Z", re.IGNORECASE)
_OTHER: Final = re.compile(
    r"(?<![^\W_])(?:account|art(?:icle|ículo|ikel|\.)|auftrag|bestell|batch|build|case|code|commande|contract|control|"
    r"customer|docket|dossier|ean|id|invoice|isbn|issn|item|kennung|konto|kunden|lot|model|no\.|nr\.|nº|n°|"
    r"ord(?:em|er|ine|re)|parcel|part|pedido|policy|rechnung|[^\W\d_]{2,20}nummer|r[eé]f|rev|section|serial|sku|ticket|"
    r"tracking|vers|vertrag|zam[oó]wieni|zip)[^\W\d_]{0,14}[^0-9\n]{0,8}\Z",
    re.IGNORECASE,
)
"""Words for something else that has a number."""

# Country codes of two digits; those of three begin otherwise. And how many digits follow, where that is fixed.
_TWO: Final = frozenset(
    str(code)
    for block in ((20, 21), (27, 28), (30, 35), (36, 37), (39, 42), (43, 50), (51, 59), (60, 67), (81, 83), (84, 85),
                  (86, 87), (90, 96), (98, 99))
    for code in range(*block)
)  # fmt: skip
_LENGTHS: Final = {
    "1": (10, 10), "7": (10, 10), "20": (8, 10), "27": (9, 9), "30": (10, 10), "31": (9, 9), "32": (8, 9), "33": (9, 9),
    "34": (9, 9), "36": (8, 9), "39": (8, 11), "40": (9, 9), "41": (9, 9), "43": (7, 13), "44": (9, 10), "45": (8, 8),
    "46": (7, 10), "47": (8, 8), "48": (9, 9), "49": (7, 12), "55": (10, 11), "61": (9, 9), "65": (8, 8), "81": (9, 10),
    "86": (10, 11), "90": (10, 10), "91": (10, 10),
}  # fmt: skip
_ANY_LENGTH: Final = (6, 12)
_FEWEST, _MOST = 7, 12
_FEWEST_NATIONAL: Final = 9


_GAPS: Final = {0xA0: " ", 0x2007: " ", 0x2009: " ", 0x202F: " ", 0x2010: "-", 0x2011: "-"}
"""Blanks and hyphens at which no line breaks, as word processors write them into numbers, and the plain ones."""
_SOME_GAP: Final = re.compile("[" + "".join(map(chr, _GAPS)) + "]")
_GAPS_IN_BYTES: Final = re.compile(
    rb"(?<=[0-9A-Z)])(?:\xc2\xa0|\xe2\x80[\x87\x89\xaf]|(\xe2\x80[\x90\x91]))(?=[0-9A-Z(])"
)


def with_plain_gaps(text: str) -> str:
    """Return a text with plain blanks and hyphens for those that do not break; every character keeps its place."""
    return text.translate(_GAPS) if _SOME_GAP.search(text) else text


def with_plain_gap_bytes(data: bytes) -> bytes:
    """Return UTF-8 text as `with_plain_gaps` does where such a gap stands in a number; every byte keeps its place.

    Blanks fill what a plain sign leaves of the two or three bytes.
    """
    if b"\xc2\xa0" not in data and b"\xe2\x80" not in data:
        return data
    return _GAPS_IN_BYTES.sub(lambda gap: (b"-" if gap[1] else b" ").ljust(len(gap[0])), data)


def phone_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Find telephone numbers that stand in a stretch of a text; yields where each begins and ends, in characters."""
    end = len(text) if end is None else end
    if _LONG_ENOUGH.search(text, start, end) is None:
        return
    for match in _NUMBER.finditer(text, start, end):
        before = text[max(0, match.start() - CUE_REACH) : match.start()]
        if is_phone(match.lastgroup or "", match.group(), before) and _UNIT.match(text, match.end()) is None:
            yield match.span()


def is_phone(shape: str, number: str, before: str) -> bool:
    """Tell whether digits of a shape are a telephone number, from what stands before them."""
    groups = re.findall("[0-9]+", number)
    digits = "".join(groups)
    if shape == "international":
        return _is_international(number, digits)
    if not _FEWEST <= len(digits) <= _MOST or _DATE.match(number) or all(map(_YEAR.fullmatch, groups)):
        return False
    if _CUE.search(before):
        return not (_THOUSANDS.fullmatch(number) and digits.endswith("000")) and not _is_drawn(groups)
    return _OTHER.search(before) is None and _is_shaped(shape, number, groups)


def _is_shaped(shape: str, number: str, groups: list[str]) -> bool:
    """Tell whether digits are seldom anything else than a telephone number, with no word for it before them."""
    if shape == "american":
        return " " not in number.replace(") ", "") or not all(group.endswith("0") for group in groups)
    if shape == "plain":
        return _MOBILE.fullmatch(number) is not None
    long_enough = sum(map(len, groups)) >= _FEWEST_NATIONAL
    return long_enough and not (shape == "national" and _is_listed(groups))


def _is_listed(groups: list[str]) -> bool:
    """Tell whether groups are rather times of day, numbers with leading zeros, or drawn and sorted ones."""
    padded = len(groups) > 2 and all(group.startswith("0") for group in groups)
    return padded or all(map(_TIME.fullmatch, groups)) or _is_drawn(groups)


def _is_drawn(groups: list[str]) -> bool:
    """Tell whether four groups or more of as many digits rise, as numbers drawn in a lottery and sizes do."""
    return len(groups) > 3 and len(set(map(len, groups))) == 1 and all(a < b for a, b in pairwise(groups))


def _is_international(number: str, digits: str) -> bool:
    """Tell whether the digits behind a plus or two zeros are a country's code and a number as long as there."""
    if not number.startswith("+"):
        digits = digits[2:]
        if number.isdecimal() and len(digits) < 11:
            return False
    code = digits[0] if digits[0] in "17" else digits[:2] if digits[:2] in _TWO else digits[:3]
    national = digits[len(code) :]
    least, most = _LENGTHS.get(code, _ANY_LENGTH)
    # "+49 (0)30": the zero is dialled within the country alone.
    return least <= len(national) - ("(0)" in number) <= most and not _ends_in_thousands(number)


def _ends_in_thousands(number: str) -> bool:
    return _THOUSANDS.fullmatch(number.removeprefix("+")) is not None and number.endswith("000")
