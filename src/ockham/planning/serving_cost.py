"""What the requests cost on an API, on a rented device and on one's own, and where they cost the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ockham.catalog import FRESH_DAYS, ApiPrice, Device, Prices
from ockham.catalog.loader import lookup
from ockham.errors import ConfigError
from ockham.evals import cost as money
from ockham.records.plan import Cost, PlanSpec, Speed

DAYS = 365
_HOURS = 24

Serve = Callable[[Device], "Speed | None"]
"""How fast the planned model answers on a device; ``None`` where it does not fit."""


class _Quote(NamedTuple):
    """Where a price comes from: its date, the day it is used on, and how it is paid."""

    date: dt.date
    today: dt.date
    how: str


def apis(spec: PlanSpec, prices: Prices, today: dt.date) -> list[Cost]:
    """Return what each API asks for the requests: tokens in and out, each at its price, nothing cached.

    Raises `ConfigError` (``E_CONFIG``) for a name that the price table does not have.
    """
    requests = _requests(spec)
    chosen = [_api(name, prices) for name in spec.apis] or list(prices.apis)
    costs = []
    for price in chosen:
        million = money.api_per_million(spec.input_tokens, spec.output_tokens, price)
        costs.append(
            Cost(
                name=price.name,
                kind="api",
                per_day=million * requests / 1e6,
                per_year=million * requests / 1e6 * DAYS,
                per_million=million,
                machines=None,
                answers_per_s=None,
                break_even_per_day=None,
                date=price.date.isoformat(),
                stale=_stale(price.date, today),
                how=f"{price.input_per_million:g} in, {price.output_per_million:g} out a million tokens",
            )
        )
    return costs


def rent_costs(spec: PlanSpec, prices: Prices, serve: Serve, devices: Sequence[Device], today: dt.date) -> list[Cost]:
    """Return what renting costs, for every device with a price by the hour on which the model fits, all day long."""
    costs = []
    for device in devices:
        price = prices.rent(device.name)
        speed = None if price is None else serve(device)
        if price is None or speed is None:
            continue
        number = money.machines(speed.answers_per_s, _requests(spec))
        day = number * price.per_hour * _HOURS
        how = f"{price.per_hour:g} an hour"
        costs.append(_device(device.name, "rent", day, number, speed, _Quote(price.date, today, how)))
    return costs


def ownership_costs(
    spec: PlanSpec, prices: Prices, serve: Serve, devices: Sequence[Device], today: dt.date
) -> list[Cost]:
    """Return what owning costs a day, for every device whose price and power are known and on which the model fits.

    The price is spread evenly over ``spec.years``; power is counted at full load all day. The computer around a card,
    space and people are not counted.
    """
    power = prices.power
    if power is None:
        return []
    costs = []
    for device in devices:
        price = prices.purchase(device.name)
        speed = None if price is None or device.watts is None else serve(device)
        if price is None or device.watts is None or speed is None:
            continue
        number = money.machines(speed.answers_per_s, _requests(spec))
        energy = device.watts / 1000 * _HOURS * power.per_kwh
        day = number * (price.price / (spec.years * DAYS) + energy)
        how = f"{price.price:,.0f} over {spec.years:g} years, {device.watts:g} W at {power.per_kwh:g} a kWh"
        costs.append(_device(device.name, "own", day, number, speed, _Quote(min(price.date, power.date), today, how)))
    return costs


def machine(spec: PlanSpec, prices: Prices, speed: Speed, today: dt.date) -> Cost:
    """Return what a machine like this one costs, at the table's price of a machine by the hour."""
    number = money.machines(speed.answers_per_s, _requests(spec))
    day = number * prices.machine.per_hour * _HOURS
    how = f"{prices.machine.per_hour:g} an hour"
    return _device(prices.machine.name, "rent", day, number, speed, _Quote(prices.machine.date, today, how))


def compare_with_apis(costs: Sequence[Cost], against: Cost | None) -> list[Cost]:
    """Put to each API the traffic from which ``against`` costs no more than it does."""
    if against is None or against.machines is None or against.answers_per_s is None:
        return list(costs)
    hourly = against.per_day / against.machines / _HOURS
    compared = []
    for cost in costs:
        even = None
        if cost.kind == "api" and cost.per_million is not None:
            even = money.break_even(cost.per_million, against.answers_per_s, hourly)
        compared.append(_with(cost, even))
    return compared


def _device(
    name: str,
    kind: str,
    day: float,
    number: int,
    speed: Speed,
    quote: _Quote,
) -> Cost:
    return Cost(
        name=name,
        kind="own" if kind == "own" else "rent",
        per_day=day,
        per_year=day * DAYS,
        per_million=money.per_million(speed.answers_per_s, day / number / _HOURS),
        machines=number,
        answers_per_s=speed.answers_per_s,
        break_even_per_day=None,
        date=quote.date.isoformat(),
        stale=_stale(quote.date, quote.today),
        how=quote.how,
    )


def _with(cost: Cost, even: float | None) -> Cost:
    import dataclasses

    return dataclasses.replace(cost, break_even_per_day=even)


def _api(name: str, prices: Prices) -> ApiPrice:
    price = prices.api(name)
    return price if price is not None else lookup(name, prices.apis, lambda api: (api.name,), "API price")


def _requests(spec: PlanSpec) -> float:
    if spec.requests_per_day is None:
        raise ConfigError("E_CONFIG", "no traffic is named", fix="name it: --requests-per-day N")
    return spec.requests_per_day


def _stale(date: dt.date, today: dt.date) -> bool:
    return (today - date).days > FRESH_DAYS
