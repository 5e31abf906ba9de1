"""What serving costs, from measured throughput and dated prices. Money is in the price table's currency."""

from __future__ import annotations

import math

from ockham.catalog import ApiPrice
from ockham.errors import Defect

UTILISATION = 0.5
"""The most that a machine is planned to be busy: traffic comes in bursts, and a queue grows fast above half."""
_SECONDS = 86_400
_MILLION = 1_000_000


def machines(throughput_per_s: float, requests_per_day: float) -> int:
    """Count the always-on machines that a daily traffic needs, each busy at most half of the time; at least 1.

    Raises `Defect` for a throughput that is not positive.
    """
    _positive(throughput_per_s)
    return max(1, math.ceil(requests_per_day / (throughput_per_s * _SECONDS * UTILISATION)))


def per_day(throughput_per_s: float, requests_per_day: float, machine_per_hour: float) -> float:
    """Return the cost of a day: the machines that are needed, on for 24 hours."""
    return machines(throughput_per_s, requests_per_day) * 24 * machine_per_hour


def per_million(throughput_per_s: float, machine_per_hour: float) -> float:
    """Return the cost of a million requests on machines that are busy half of the time."""
    _positive(throughput_per_s)
    return _MILLION / (throughput_per_s * 3600 * UTILISATION) * machine_per_hour


def api_per_million(tokens_in: float, tokens_out: float, price: ApiPrice) -> float:
    """Return the cost of a million requests to an API, from the mean numbers of tokens of one request."""
    return tokens_in * price.input_per_million + tokens_out * price.output_per_million


def break_even(api_cost_per_million: float, throughput_per_s: float, machine_per_hour: float) -> float | None:
    """Return the requests per day from which serving costs no more than the API does.

    ``None`` where there is no such number: a machine that serves all it can still costs more than the API would.
    """
    _positive(throughput_per_s)
    if api_cost_per_million <= 0:
        return None
    # With k machines both sides are k times as large, so the first machine decides.
    daily = 24 * machine_per_hour / (api_cost_per_million / _MILLION)
    return daily if daily <= throughput_per_s * _SECONDS * UTILISATION else None


def _positive(throughput_per_s: float) -> None:
    if not throughput_per_s > 0:
        raise Defect("E_DEFECT", "a throughput is not above 0", fix="report this defect")
