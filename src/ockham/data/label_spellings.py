"""Labels that two files spell otherwise ("0.0" and "0", "true" and "True"): which of them are surely one label."""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ockham.data.normalize import label_key
from ockham.errors import DataError
from ockham.plain_numbers import percent_limit
from ockham.records import Example

MOST_UNKNOWN = 0.05
"""The largest share of rows whose label may be unknown; they are measured, and count as wrong."""

_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d{1,3})?", re.IGNORECASE)
"""No leading zeros: "007" is a name, and so is none that means "7"."""
_QUOTED = re.compile(r"\[\s*'([^'\\]*)'\s*\]")
"""A list of one text, as Python writes it."""
_SELECTORS = range(0xFE00, 0xFE10)
_TAGS = range(0xE0000, 0xE0080)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMatch:
    """How the labels of a file meet those that are known: spelling → known label, and the labels that meet none."""

    respelt: dict[str, str]
    unknown: tuple[str, ...]


def match_labels(spellings: Iterable[str], labels: Collection[str]) -> LabelMatch:
    """Match the labels of a file with the known ones, the strictest form first; an ambiguous one meets none.

    Labels are one that differ in the composition of letters, in variation selectors and other invisible characters, in
    white space, or in being the only item of a list; then also in case or in the writing of a number; then in
    punctuation, where no other spelling of the file means the same label.
    """
    others = sorted(set(spellings) - set(labels))
    respelt: dict[str, str] = {}
    for key in (_plain_key, _folded_key):
        homes = _homes(labels, key)
        for spelling in others:
            if spelling not in respelt and len(homes.get(key(spelling), ())) == 1:
                respelt[spelling] = homes[key(spelling)][0]
    homes, rivals = _homes(labels, _loose_key), _homes(others, _loose_key)
    for spelling in others:
        loose = _loose_key(spelling)
        alone = len({_folded_key(rival) for rival in rivals[loose]}) == 1
        if spelling not in respelt and alone and len(homes.get(loose, ())) == 1:
            respelt[spelling] = homes[loose][0]
    return LabelMatch(respelt=respelt, unknown=tuple(label for label in others if label not in respelt))


def respell(
    rows: Sequence[Example], labels: Collection[str], *, owner: str, most: float = MOST_UNKNOWN
) -> tuple[tuple[Example, ...], tuple[str, ...]]:
    """Write the labels of rows as ``labels`` do; return the rows, and remarks on what was changed or is not known.

    ``owner`` says whose labels those are. Rows without a label stay as they are. Raises `DataError` (``E_LABEL_SET``)
    where more than ``most`` of the rows have a label that ``labels`` lack.
    """
    labelled = [row for row in rows if row.target.strip()]
    match = match_labels({row.target for row in labelled}, labels)
    unknown = sum(row.target in match.unknown for row in labelled)
    strange = f"{unknown:,} of {len(labelled):,} rows have a label that {owner} does not know"
    if unknown > most * len(labelled):
        distinct = len({row.target for row in labelled})
        message = (
            f"{strange}, however it is spelt ({len(match.unknown):,} of {distinct:,} labels); at most "
            f"{percent_limit(most)} may be unknown"
        )
        fix = "name the column with the label (--target), or write the labels as they were at training"
        raise DataError("E_LABEL_SET", message, fix=fix)
    remarks = [f"{strange}: they count as wrong"] if unknown else []
    if match.respelt:
        changed = sum(row.target in match.respelt for row in labelled)
        remarks.append(
            f"{len(match.respelt):,} {'label is' if len(match.respelt) == 1 else 'labels are'} spelt otherwise than in "
            f"{owner} (as 0 is for 0.0, or in case, spaces or invisible characters): {changed:,} rows were read as if "
            "they were not"
        )
    swapped = tuple(
        dataclasses.replace(row, target=match.respelt[row.target]) if row.target in match.respelt else row
        for row in rows
    )
    return swapped, tuple(remarks)


def _homes(labels: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    homes: dict[str, list[str]] = {}
    for label in labels:
        homes.setdefault(key(label), []).append(label)
    return homes


def _plain_key(label: str) -> str:
    text = "".join(char for char in unicodedata.normalize("NFC", _only_item(label)) if not _is_invisible(char))
    return " ".join(text.split())


def _folded_key(label: str) -> str:
    text = unicodedata.normalize("NFKC", _plain_key(label)).casefold()
    if _NUMBER.fullmatch(text) and text.isascii():
        number = Decimal(text).normalize()
        return f"{number if number else Decimal(0):f}"
    return text


def _loose_key(label: str) -> str:
    text = _folded_key(label)
    return label_key(text) if any(map(str.isalnum, text)) and not text.startswith("[") else text


def _only_item(label: str) -> str:
    """Return the item of a list that has one, or what a JSON text says; anything else as it is."""
    text = label.strip()
    if python := _QUOTED.fullmatch(text):
        return python[1]
    if text[:1] not in ("[", '"'):
        return label
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return label
    if isinstance(value, list):
        if len(value) != 1 or isinstance(value[0], (list, dict)):
            return label
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value)


def _is_invisible(char: str) -> bool:
    code = ord(char)
    return code in _SELECTORS or (unicodedata.category(char) == "Cf" and code not in _TAGS)
