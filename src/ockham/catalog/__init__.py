"""Facts that age, read in one place: prices, each with its date and source."""

from __future__ import annotations

import datetime as dt
import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

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
class Prices:
    """A dated price table in one currency."""

    currency: str
    machine: MachinePrice
    apis: tuple[ApiPrice, ...]

    @property
    def date(self) -> dt.date:
        """The date of the oldest price."""
        return min([self.machine.date, *(api.date for api in self.apis)])

    def stale(self, today: dt.date) -> bool:
        """Say whether any price is more than 90 days old."""
        return (today - self.date).days > FRESH_DAYS

    def api(self, name: str) -> ApiPrice | None:
        """Find the price of an API model: the entry of that name, else the longest that the name begins with."""
        begun = [api for api in self.apis if name == api.name or name.startswith(api.name + "-")]
        return max(begun, key=lambda api: len(api.name), default=None)


def prices(path: Path | None = None) -> Prices:
    """Read a price table: the user's own, or the one that comes with the package.

    Raises `ConfigError` (``E_CONFIG``) for a file that cannot be read, and for an unknown, missing or impossible field.
    """
    name = "the built-in price table" if path is None else path.name
    try:
        source = resources.files(__name__).joinpath("prices.toml") if path is None else path
        table = _parse(source.read_bytes())
    except OSError as error:
        raise ConfigError(
            "E_CONFIG", f"{name} cannot be read: {error.strerror}", fix="check the path of the price table"
        ) from None
    except ValueError:
        raise ConfigError("E_CONFIG", f"{name} is not TOML in UTF-8", fix="correct the file's syntax") from None
    _fields(table, {"currency", "machine", "api"}, f"{name}")
    apis = table["api"]
    if not isinstance(apis, list):
        raise _wrong(name, "api", "a list of tables, each under [[api]]")
    return Prices(
        currency=_text(table, "currency", name),
        machine=_machine(table["machine"], f"{name}, machine"),
        apis=tuple(_api(entry, f"{name}, api {place}") for place, entry in enumerate(apis, 1)),
    )


def _parse(data: bytes) -> dict[str, Any]:
    # The standard library has tomllib from 3.11 on; tomli is the same code for 3.10.
    try:
        toml = importlib.import_module("tomllib")
    except ModuleNotFoundError:
        toml = importlib.import_module("tomli")
    table: dict[str, Any] = toml.loads(data.decode())
    return table


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


def _fields(entry: object, wanted: set[str], where: str) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise ConfigError("E_CONFIG", f"{where} is not a table", fix="compare it with the documented price table")
    for problem, names in (("lacks", wanted - entry.keys()), ("has an unknown field beside", entry.keys() - wanted)):
        if names:
            shown = sorted(names)[0] if problem == "lacks" else ", ".join(sorted(wanted))
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


def _wrong(where: str, field: str, wanted: str) -> ConfigError:
    return ConfigError("E_CONFIG", f"{where}: {field} must be {wanted}", fix="correct the field in the price table")
