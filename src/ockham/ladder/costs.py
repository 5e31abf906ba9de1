"""What a candidate costs to serve, and what the table's APIs would ask for the same rows."""

from __future__ import annotations

from collections.abc import Sequence

from ockham import catalog
from ockham.api.client import EndpointSpec
from ockham.evals import cost
from ockham.records import Answer, ApiCost, Example, Profile, Report, Requirements, Verdict

CHARACTERS_PER_TOKEN = 4
"""A rough mean for English; used only to guess what an API that was not asked would cost."""


def serving_costs(
    answers: Sequence[Answer],
    profile: Profile,
    spec: EndpointSpec | None,
    requirements: Requirements,
    prices: catalog.Prices,
) -> tuple[float | None, float | None]:
    """Return the cost per day (where the traffic is known) and per million requests, in the table's currency.

    Of an endpoint (``spec``) it is the mean of what its answers cost; of others, the machine's hours.
    """
    daily = requirements.requests_per_day
    if spec is not None:
        counted = [answer for answer in answers if answer.tokens_in is not None and answer.tokens_out is not None]
        paid = [spec.cost(answer.tokens_in or 0, answer.tokens_out or 0) for answer in counted]
        costs = [price for price in paid if price is not None]
        if not costs:
            return None, None
        mean_cost = sum(costs) / len(costs)
        return (None if daily is None else mean_cost * daily), mean_cost * 1e6
    throughput = profile.throughput_per_s.value
    hourly = prices.machine.per_hour
    return (
        None if daily is None else cost.per_day(throughput, daily, hourly),
        cost.per_million(throughput, hourly),
    )


def api_costs(
    report: Report | None, rows: Sequence[Example], verdict: Verdict, prices: catalog.Prices
) -> tuple[ApiCost, ...]:
    """Guess what the table's APIs would cost for rows like these: list prices, tokens from characters."""
    if report is None or report.profile is None or not rows:
        return ()
    labels = sum(len(label) for label in {row.target for row in rows})
    tokens_in = (sum(len(row.input) for row in rows) / len(rows) + labels) / CHARACTERS_PER_TOKEN
    tokens_out = sum(len(row.target) for row in rows) / len(rows) / CHARACTERS_PER_TOKEN
    daily = verdict.requirements.get("requests_per_day")
    costs = []
    for price in prices.apis:
        million = cost.api_per_million(tokens_in, tokens_out, price)
        even = cost.break_even(million, report.profile.throughput_per_s.value, prices.machine.per_hour)
        costs.append(
            ApiCost(
                name=price.name,
                date=price.date.isoformat(),
                per_million=million,
                per_day=None if daily is None else million * daily / 1e6,
                break_even_per_day=even,
            )
        )
    return tuple(costs)
