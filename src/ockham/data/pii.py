"""How many rows seem to hold personal data or secrets: counts per class, never the values."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator

from ockham.data.phone_numbers import phone_spans, with_plain_gaps

# Every quantifier is bounded, so that no text costs more than a constant number of steps per character.
_EMAIL = re.compile(
    r"[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}(?![A-Za-z0-9_])"
    # Names of domains may have letters of any script (RFC 5890).
    r"|(?:[^\W_]|-){1,63}(?:\.(?:[^\W_]|-){1,63}){0,8}\.[^\W\d_]{2,24}\b)"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]\w)")
_IP6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?![\w:])")
# Four small numbers may be an address, or a version or a section of a document: the words before them tell.
_DOCUMENT = re.compile(
    r"(?<![^\W_])(?:(?:abschnitt|annex|appendix|article|artículo|artikel|build|chapter|chapitre|clause|driver|figure|"
    r"firmware|kapitel|paragraph|patch|release|revision|section|secci[oó]n|sezione|table|update|upgrade|vers[iãe])\w{0,3}"
    r"|ch|fig|rev|sec|v|ver)(?!\w)|§",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?<![^\W_])(?:addr|adress|dns|from|gateway|host|indirizzo|ip|ping|rout|serv)", re.IGNORECASE)
_CONTEXT = 40
_SECRET = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bgh[pousr]_[A-Za-z0-9]{36,255}\b"
    r"|\bgithub_pat_[A-Za-z0-9_]{22,255}\b"
    r"|\bhf_[A-Za-z0-9]{30,60}\b"
    r"|\bsk-[A-Za-z0-9_-]{20,200}"
    r"|\bxox[abeprs]-[A-Za-z0-9-]{10,200}"
    r"|\bAIza[A-Za-z0-9_-]{35}"
    r"|\b[rsp]k_(?:live|test)_[A-Za-z0-9]{16,120}\b"
    r"|\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"
    r"|\b(?:api[_-]?key|secret|passwo?r?d|passwd|token)\b[\"']?\s{0,3}[:=]\s{0,3}[\"']?[^\s\"',;]{8,200}",
    re.IGNORECASE,
)


def count(texts: Iterable[str]) -> dict[str, int]:
    """Count the texts that seem to hold each class: email, phone, iban, card, ip, secret.

    IBANs must pass their check digits (ISO 13616, mod 97), card numbers theirs (Luhn, ISO/IEC 7812), addresses must
    parse. Classes that no text holds are left out. Linear in the length of the texts.
    """
    counts = dict.fromkeys(_CLASSES, 0)
    for text in texts:
        plain = with_plain_gaps(text)
        for name, holds in _CLASSES.items():
            counts[name] += holds(plain)
    return {name: number for name, number in counts.items() if number}


def spans(text: str, start: int, end: int, names: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Find classes in a stretch of a text: class, where it begins and where it ends, in characters.

    ``names`` are those of `count`, with "ip4" and "ip6" for "ip". Finds of different classes may overlap.
    """
    for name in names:
        if name == "phone":
            yield from (("phone", *span) for span in phone_spans(text, start, end) if _is_no_card(text[slice(*span)]))
            continue
        pattern, holds = _SPANS[name]
        for match in pattern.finditer(text, start, end):
            if holds(match.group()) and not (name == "ip4" and _is_section(text, match.start())):
                yield name[:2] if name[:2] == "ip" else name, match.start(), match.end()


def secrets(text: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """Find secrets that begin in a stretch of a text, and end ``most`` characters behind it at the latest.

    They may be long: a search would read on to the end of where they might, and here most begin nowhere.
    """
    while start < end:
        match = _SECRET.match(text, start, end + most)
        if match is not None:
            yield match.span()
        start = start + 1 if match is None else match.end()


def _has_email(text: str) -> bool:
    return "@" in text and _EMAIL.search(text) is not None


def _has_phone(text: str) -> bool:
    return any(_is_no_card(text[start:end]) for start, end in phone_spans(text))


def _has_iban(text: str) -> bool:
    return any(_is_iban(match.group().replace(" ", "")) for match in _IBAN.finditer(text))


def _has_card(text: str) -> bool:
    return any(_is_card(match.group()) for match in _CARD.finditer(text))


def _has_ip(text: str) -> bool:
    finds = _IP4.finditer(text) if "." in text else ()
    addresses = [match.group() for match in finds if not _is_section(text, match.start())]
    if text.count(":") > 1:
        addresses += [m.group() for m in _IP6.finditer(text) if m.group().count(":") > 1]
    return any(map(_is_address, addresses))


def _has_secret(text: str) -> bool:
    return _SECRET.search(text) is not None


def _is_iban(text: str) -> bool:
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    digits = [int(char) for char in text if char.isdecimal()]
    # Cards of all payment networks start with 2 to 6; an order number of random digits passes Luhn one time in ten.
    if not 13 <= len(digits) <= 19 or not 2 <= digits[0] <= 6:
        return False
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_no_card(number: str) -> bool:
    return number.startswith("+") or not _is_card(number)


def _is_section(text: str, start: int) -> bool:
    """Tell whether words before four numbers say that they are a version or a section, and none that it is a host."""
    before = text[max(0, start - _CONTEXT) : start]
    words = [match.end() for match in _DOCUMENT.finditer(before)]
    return bool(words) and _HOST.search(before, words[-1]) is None


def _is_address(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    # Four small numbers ("12.3.1.2") are a section or a version, unless they are an address of a private network.
    small = address.version == 4 and max(address.packed) < 32
    return not address.is_unspecified and (address.is_private or not small)


_CLASSES: dict[str, Callable[[str], bool]] = {
    "email": _has_email,
    "phone": _has_phone,
    "iban": _has_iban,
    "card": _has_card,
    "ip": _has_ip,
    "secret": _has_secret,
}
_SPANS: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "email": (_EMAIL, bool),
    "iban": (_IBAN, lambda value: _is_iban(value.replace(" ", ""))),
    "card": (_CARD, _is_card),
    "ip4": (_IP4, _is_address),
    "ip6": (_IP6, lambda value: value.count(":") > 1 and _is_address(value)),
    "secret": (_SECRET, bool),
}
