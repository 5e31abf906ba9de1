"""Prices: of APIs, machines, rented and bought devices and power, each with its date and source."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ockham.catalog.loader import plain_name, read
from ockham.errors import ConfigError

FRESH_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePrice:
    """What a machine costs by the hour."""

    name: str
    per_hour: float
    date: dt.date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPrice:
    """What an API costs by the million tokens, in and out."""

    name: str
    input_per_million: float
    output_per_million: float
    date: dt.date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RentPrice:
    """What a device of the catalogue costs by the hour."""

    device: str
    per_hour: float
    date: dt.date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchasePrice:
    """What a device of the catalogue costs to buy, alone."""

    device: str
    price: float
    date: dt.date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerPrice:
    """What electricity costs by the kilowatt-hour."""

    per_kwh: float
    date: dt.date
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A dated price table in one currency."""

    currency: str
    machine: MachinePrice
    apis: tuple[ApiPrice, ...]
    rents: tuple[RentPrice, ...] = ()
    purchases: tuple[PurchasePrice, ...] = ()
    power: PowerPrice | None = None

    @property
    def date(self) -> dt.date:
        """The date of the oldest price of the machine and the APIs."""
        return min([self.machine.date, *(api.date for api in self.apis)])

    def stale(self, today: dt.date) -> bool:
        """Say whether any price is more than 90 days old."""
        return (today - self.date).days > FRESH_DAYS

    def api(self, name: str) -> ApiPrice | None:
        """Find the price of an API model: the entry of that name, else the longest that the name begins with."""
        begun = [api for api in self.apis if name == api.name or name.startswith(api.name + "-")]
        return max(begun, key=lambda api: len(api.name), default=None)

    def rent(self, device: str) -> RentPrice | None:
        """Find what a device costs by the hour."""
        return next((price for price in self.rents if plain_name(price.device) == plain_name(device)), None)

    def purchase(self, device: str) -> PurchasePrice | None:
        """Find what a device costs to buy."""
        return next((price for price in self.purchases if plain_name(price.device) == plain_name(device)), None)


def prices(path: Path | None = None) -> Prices:
    """Read a price table: the user's own, or the one that comes with the package.

    Raises `ConfigError` (``E_CONFIG``) for a file that cannot be read, and for an unknown, missing or impossible field.
    """
    name = "the built-in price table" if path is None else path.name
    table = read(path, "prices.toml", name)
    _fields(table, {"currency", "machine", "api"}, name, optional={"rent", "purchase", "power"})
    power = table.get("power")
    return Prices(
        currency=_text(table, "currency", name),
        machine=_machine(table["machine"], f"{name}, machine"),
        apis=tuple(_api(entry, where) for entry, where in _entries_of(table, "api", name)),
        rents=tuple(_rent(entry, where) for entry, where in _entries_of(table, "rent", name)),
        purchases=tuple(_purchase(entry, where) for entry, where in _entries_of(table, "purchase", name)),
        power=None if power is None else _power(power, f"{name}, power"),
    )


def _entries_of(table: Mapping[str, Any], key: str, name: str) -> list[tuple[object, str]]:
    tables = table.get(key, [])
    if not isinstance(tables, list):
        raise _wrong(name, key, f"a list of tables, each under [[{key}]]")
    return [(entry, f"{name}, {key} {number}") for number, entry in enumerate(tables, 1)]


def _machine(entry: object, where: str) -> MachinePrice:
    table = _fields(entry, {"name", "per_hour", "date", "source"}, where)
    return MachinePrice(
        name=_text(table, "name", where),
        per_hour=_price(table, "per_hour", where),
        date=_date(table, where),
        source=_text(table, "source", where),
    )


def _api(entry: object, where: str) -> ApiPrice:
    table = _fields(entry, {"name", "input_per_million", "output_per_million", "date", "source"}, where)
    return ApiPrice(
        name=_text(table, "name", where),
        input_per_million=_price(table, "input_per_million", where),
        output_per_million=_price(table, "output_per_million", where),
        date=_date(table, where),
        source=_text(table, "source", where),
    )


def _rent(entry: object, where: str) -> RentPrice:
    table = _fields(entry, {"device", "per_hour", "date", "source"}, where)
    return RentPrice(
        device=_text(table, "device", where),
        per_hour=_price(table, "per_hour", where),
        date=_date(table, where),
        source=_text(table, "source", where),
    )


def _purchase(entry: object, where: str) -> PurchasePrice:
    table = _fields(entry, {"device", "price", "date", "source"}, where)
    return PurchasePrice(
        device=_text(table, "device", where),
        price=_price(table, "price", where),
        date=_date(table, where),
        source=_text(table, "source", where),
    )


def _power(entry: object, where: str) -> PowerPrice:
    table = _fields(entry, {"per_kwh", "date", "source"}, where)
    return PowerPrice(
        per_kwh=_price(table, "per_kwh", where), date=_date(table, where), source=_text(table, "source", where)
    )


def _fields(
    entry: object, required: set[str], where: str, optional: frozenset[str] | set[str] = frozenset()
) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise ConfigError("E_CONFIG", f"{where} is not a table", fix="compare it with the documented price table")
    unknown = entry.keys() - required - optional
    for problem, names in (("lacks", required - entry.keys()), ("has an unknown field beside", unknown)):
        if names:
            shown = sorted(names)[0] if problem == "lacks" else ", ".join(sorted(required | optional))
            raise ConfigError("E_CONFIG", f"{where} {problem} {shown}", fix="correct the field in the price table")
    return entry


def _text(table: Mapping[str, Any], field: str, where: str) -> str:
    value = table[field]
    if not isinstance(value, str) or not value.strip():
        raise _wrong(where, field, "a text")
    return value


def _price(table: Mapping[str, Any], field: str, where: str) -> float:
    value = table[field]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise _wrong(where, field, "a number from 0 up")
    return float(value)


def _date(table: Mapping[str, Any], where: str) -> dt.date:
    value = table["date"]
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise _wrong(where, "date", "a date such as 2025-06-30, without quotes")
    return value


def _wrong(where: str, field: str, expected: str) -> ConfigError:
    return ConfigError("E_CONFIG", f"{where}: {field} must be {expected}", fix="correct the field in the price table")
