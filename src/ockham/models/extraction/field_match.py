"""Fields whose values match where they say the same as the target: one date, one amount, the same words.

An answer that says the same is credited with the target's own value before it is scored, so that every metric, interval
and table counts it as right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from ockham.errors import ConfigError
from ockham.models import json_fields
from ockham.models.extraction import value_forms
from ockham.records import Answer, Example

EXACT, NORMALISED = "exact", "normalised"
_SIGNS = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy"}
_ORDERS = ("date:dmy:%Y-%m-%d", "date:mdy:%Y-%m-%d")


def read_match(entries: Sequence[str]) -> frozenset[str]:
    """Return the fields that match by what they say, of entries such as ``total=normalised``.

    Raises `ConfigError` (``E_CONFIG``) for an entry of another form.
    """
    fields = dict[str, bool]()
    for entry in entries:
        name, _, how = entry.rpartition("=")
        if not name or how not in (EXACT, NORMALISED):
            message = f"--match is not of the form FIELD={EXACT} or FIELD={NORMALISED}"
            raise ConfigError("E_CONFIG", message, fix=f"name the field and how it matches: --match total={NORMALISED}")
        fields[name] = how == NORMALISED
    return frozenset(name for name, loosely in fields.items() if loosely)


def credit_answers(rows: Sequence[Example], answers: Sequence[Answer], names: Collection[str]) -> Sequence[Answer]:
    """Return answers whose fields of these names, where they say the same as the target, are written as in it."""
    if not names:
        return answers
    return [
        replace(answer, value=_credit(answer.value, row.target, names))
        for row, answer in zip(rows, answers, strict=True)
    ]


def describe_match(names: Collection[str]) -> str:
    """Say which fields match by what they say."""
    listed = ", ".join(sorted(names))
    return f"fields matched as dates, amounts or words ({NORMALISED}): {listed}; all others as they are written"


def _credit(answer: str | None, target: str, names: Collection[str]) -> str | None:
    try:
        given, wanted = json.loads(answer or "null"), json.loads(target)
    except (ValueError, RecursionError):
        return answer
    if not isinstance(given, dict) or not isinstance(wanted, dict):
        return answer
    _credit_fields(given, wanted, "", names)
    return json.dumps(given, ensure_ascii=False)


def _credit_fields(given: dict[str, Any], wanted: dict[str, Any], prefix: str, names: Collection[str]) -> None:
    for key, value in given.items():
        name, other = f"{prefix}{key}", wanted.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            _credit_fields(value, other, f"{name}.", names)
        elif name in names and isinstance(value, list) and isinstance(other, list):
            given[key] = _credit_items(value, other)
        elif name in names and _is_said(value) and _is_said(other) and says_the_same(value, other):
            given[key] = other


def _credit_items(given: list[Any], wanted: list[Any]) -> list[Any]:
    """Return the items of a list, each as the first of the target's that says the same and is not taken."""
    left, out = list(wanted), []
    for item in given:
        same = next(
            (other for other in left if _is_said(item) and _is_said(other) and says_the_same(item, other)), item
        )
        if same in left:
            left.remove(same)
        out.append(same)
    return out


def _is_said(value: object) -> bool:
    return any(True for _ in json_fields.values({"": value})) and not isinstance(value, (dict, list))


def says_the_same(one: object, other: object) -> bool:
    """Tell whether two values are one date, one amount, or the same letters and digits."""
    first, second = str(one).strip(), str(other).strip()
    if any(_day(first, order) == _day(second, order) is not None for order in _ORDERS):
        return True
    amounts = [value_forms.write_as("amount", text) if _is_amount(text) else None for text in (first, second)]
    if None not in amounts:
        currencies = {currency for text in (first, second) if (currency := _currency(text))}
        return len(currencies) < 2 and float(str(amounts[0])) == float(str(amounts[1]))
    return _letters(first, str.isalnum) == _letters(second, str.isalnum) != ""


def _day(text: str, order: str) -> str | None:
    parts = list(value_forms.parts_for(order, text))
    return value_forms.write_as(order, text) if parts == [(0, len(text))] else None


def _is_amount(text: str) -> bool:
    """Tell whether a text is a number, with a currency or without; one letter before it is a name, such as A-1."""
    whole = list(value_forms.parts_for("amount", text)) == [(0, len(text))]
    return whole and len(_letters(text, str.isalpha)) != 1


def _currency(text: str) -> str:
    """Return the currency of an amount, a sign as the letters that stand for it; "" where it names none."""
    written = "".join(_SIGNS.get(character, character) for character in text.casefold())
    return _letters(written, str.isalpha)


def _letters(text: str, counts: Callable[[str], bool]) -> str:
    return "".join(character for character in text.casefold() if counts(character))
