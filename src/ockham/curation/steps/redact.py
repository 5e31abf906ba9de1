"""Find personal data and secrets in texts, and put typed placeholders in their place.

One pass of RE2 over the bytes finds what may be something; each find is then judged exactly: check digits of IBANs
(ISO 13616), cards (Luhn, ISO/IEC 7812) and national numbers, addresses that parse, phone numbers by their shape. The
values never leave this module but inside the text they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ockham.data import pii
from ockham.data.phone_numbers import with_plain_gap_bytes, with_plain_gaps

if TYPE_CHECKING:
    from ockham.curation.kernels.shingles import Texts

# What may be something. No look-around and no back reference, so that RE2 takes it; every find is judged below.
_MAYBE = (
    rb"[\w.%+\-]*@[A-Za-z0-9\-]+\.[A-Za-z0-9.\-]+"
    rb"|[\w.%+\-]*@[A-Za-z0-9.\-]*[\x00\x80-\xff]"  # a domain in other letters; a piece ends with a NUL before them
    rb"|\+?\(?[0-9][0-9 ()./\-]{5,}[0-9]"
    rb"|[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}[A-Z0-9 ]{6,}"
    rb"|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{2,}[0-9A-Fa-f.:]*"
    rb"|[0-9XYZ][0-9]{7}-?[A-Z]"
    rb"|[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"
    rb"|[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rb"|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22}|hf_[A-Za-z0-9]{30}"
    rb"|sk-[A-Za-z0-9_\-]{20}|xox[abeprs]-[A-Za-z0-9\-]{10}|AIza[A-Za-z0-9_\-]{35}|[rsp]k_(?:live|test)_"
    rb"|eyJ[A-Za-z0-9_\-]{10,}\."
    rb"|(?i:api[_\-]?key|secret|passw(?:or)?d|token)[\"']?\s{0,3}[:=]"
)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_DNI = re.compile(r"(?<!\w)([0-9XYZ])(\d{7})-?([A-Z])(?!\w)")
_NINO = re.compile(r"(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?!\w)")
_CODICE = re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)")
_NIR = re.compile(r"(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\d)")
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,20000}?-----END [A-Z ]{0,30}PRIVATE KEY-----", re.S
)
_AROUND = 40
_AHEAD = 4_000
_GUARD = 2
"""Characters behind a telephone number that tell that it ends there."""
_KEYS = ("sk", "gh", "hf", "xo", "AIza", "AKIA", "ASIA", "pk", "rk")


Stretch: TypeAlias = tuple[int, int]
"""Where something begins and ends."""


class PiiSpan(NamedTuple):
    """One find: where it stands, in characters, and its class."""

    start: int
    end: int
    kind: str


def suspects(texts: Texts) -> dict[int, list[Stretch]]:
    """Return the texts in which something may be, with the stretches in which it may stand.

    The patterns read pieces in which there are traces of something, one after the other with a NUL behind each: no
    find goes on over one, nor from a piece to the next.
    """
    import numpy as np

    from ockham.curation.kernels.pii_regions import find_pii_regions

    pieces, begins = find_pii_regions(np.frombuffer(with_plain_gap_bytes(texts.data.tobytes()), dtype=np.uint8))
    spans = [match.span() for match in _finder().finditer(pieces.data.tobytes())]
    stretches = np.array(spans, dtype=np.int64).reshape(-1, 2)
    holders = np.searchsorted(pieces.starts, stretches[:, :1], side="right") - 1
    stretches += (begins - pieces.starts)[holders]
    order = np.argsort(texts.starts, kind="stable")
    indices = order[np.searchsorted(texts.starts[order], stretches[:, 0], side="right") - 1]
    inside = stretches[:, 1] <= texts.ends[indices]
    stretches, indices = (stretches - texts.starts[indices][:, None])[inside], indices[inside]
    by_text: dict[int, list[Stretch]] = {}
    for index, (start, end) in zip(indices.tolist(), stretches.tolist(), strict=True):
        by_text.setdefault(index, []).append((start, end))
    return by_text


def find(text: str, stretches: list[Stretch] | None = None) -> list[PiiSpan]:
    """Find personal data, in order, without overlaps; where two classes fit, the one named first in `CLASSES`.

    ``stretches`` are those of `suspects`, if they are known.
    """
    data = text.encode()
    if stretches is None:
        stretches = _stretches(with_plain_gap_bytes(data))
    positions = _in_characters(text, data, stretches)
    text = with_plain_gaps(text)
    spans = sorted({span for start, end in positions for span in _check_stretch(text, start, end)})
    taken: list[PiiSpan] = []
    for span in spans:
        if not taken or taken[-1].end <= span.start:
            taken.append(span)
        elif _weight(span) < _weight(taken[-1]):
            taken[-1] = span
    return taken


def _weight(span: PiiSpan) -> tuple[int, int]:
    """Let the class named first win, then the longer find."""
    return _RANK[span.kind], span.start - span.end


def redact(text: str, spans: list[PiiSpan]) -> str:
    """Put ``[EMAIL]`` and the like in the place of each find."""
    parts: list[str] = []
    at = 0
    for span in spans:
        parts += [text[at : span.start], f"[{span.kind.upper()}]"]
        at = span.end
    return "".join([*parts, text[at:]])


def _stretches(data: bytes) -> list[Stretch]:
    """Return the stretches, in bytes, in which something may stand."""
    return [match.span() for match in _finder().finditer(data)]


def _in_characters(text: str, data: bytes, stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Yield the same stretches in characters."""
    plain = len(data) == len(text)
    bytes_at = chars_at = 0
    for start, end in stretches:
        if not plain:
            chars_at += len(data[bytes_at:start].decode("utf-8", "ignore"))
            bytes_at = start
            yield chars_at, chars_at + len(data[start:end].decode("utf-8", "ignore"))
        else:
            yield start, end


def _check_stretch(text: str, start: int, end: int) -> Iterator[PiiSpan]:
    classes = _possible(text[start:end])
    if not classes:
        return
    low, high = max(0, start - _AROUND), min(len(text), end + _AROUND)
    if "secret" in classes:
        yield from (
            PiiSpan(begin, stop, "secret") for begin, stop in pii.secrets(text, low, end, _AHEAD) if start < stop
        )
        block = _KEY_BLOCK.match(text, start)
        if block:
            yield PiiSpan(start, block.end(), "secret")
        return
    # What a telephone number is made of has no gap in a stretch; the others may begin before it.
    others = [name for name in classes if name != "phone"]
    phones = [name for name in classes if name == "phone"]
    for names, first, last in ((phones, start, min(len(text), end + _GUARD)), (others, low, high)):
        for kind, begin, stop in pii.spans(text, first, last, names):
            if begin < end and start < stop:
                yield PiiSpan(begin, stop, kind)
    for pattern, sound in _NATIONAL if _may_be_national(text, (low, high), classes) else ():
        for match in pattern.finditer(text, low, high):
            if match.start() < end and start < match.end() and sound(match.group()):
                yield PiiSpan(match.start(), match.end(), "national_id")


def _may_be_national(text: str, span: Stretch, classes: tuple[str, ...]) -> bool:
    """Tell by few looks whether a national number may stand in a stretch."""
    if not ("phone" in classes or "iban" in classes) or _PART_OF_NATIONAL.search(text, *span) is None:
        return False
    return _ANY_NATIONAL.search(text, *span) is not None


def _possible(match: str) -> tuple[str, ...]:
    """Say which classes a find of `_MAYBE` may be of, from what is in it."""
    if "@" in match:
        return ("email",)
    if match.count(":") > 1:
        return ("ip6",)
    if match[0] == "-" or match[-1] in ":=._" or match[:2] in _KEYS or match[:4] in _KEYS:
        return ("secret",)
    digits = sum(map(str.isdigit, match))
    if match.count(".") == 3 and digits <= 12:
        return ("ip4", "phone")
    if digits < 6:
        return ()
    return ("phone", "card", "iban") if digits >= 13 else ("phone", "iban")


@lru_cache(maxsize=1)
def _finder() -> Any:  # noqa: ANN401 - google-re2 has no types
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # bytes as they are: \w is ASCII, and no byte is refused
    return re2.compile(_MAYBE, options)


def _is_dni(text: str) -> bool:
    match = _DNI.fullmatch(text)
    if match is None:
        return False
    number = int(str("XYZ".find(match[1]) if match[1] in "XYZ" else match[1]) + match[2])
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == match[3]


def _is_codice(text: str) -> bool:
    """Check the last letter of an Italian tax code (D.M. 23 December 1976)."""
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [int(char) if char.isdigit() else ord(char) - 65 for char in text[:15]]
    total = sum(odd[value] if position % 2 == 0 else value for position, value in enumerate(values))
    return chr(65 + total % 26) == text[15]


def _is_nir(text: str) -> bool:
    digits = text.replace(" ", "")
    return (97 - int(digits[:13]) % 97) == int(digits[13:])


def _always(text: str) -> bool:  # noqa: ARG001 - the shape says all
    return True


_NATIONAL = ((_SSN, _always), (_DNI, _is_dni), (_NINO, _always), (_CODICE, _is_codice), (_NIR, _is_nir))
# A part of each of them that begins with a digit, so that most windows are passed over quickly.
_PART_OF_NATIONAL = re.compile(r"\d(?:\d\d-\d\d-\d{4}|[ -]?[A-Z]|(?: ?\d){14})")
_ANY_NATIONAL = re.compile("|".join(pattern.pattern for pattern, _ in _NATIONAL))
CLASSES = ("secret", "email", "iban", "national_id", "card", "ip", "phone")
_RANK = {name: rank for rank, name in enumerate(CLASSES)}
