"""Costs: the known figures with their arithmetic, break-even, and prices that are old or missing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest

from ockham.catalog import ApiPrice, Device, Prices, prices
from ockham.errors import ConfigError
from ockham.planning import PlanSpec, PlanTarget, plan
from ockham.planning.model_plan import ELSEWHERE, USUAL
from ockham.records.plan import Cost, Plan

TODAY = dt.date(2026, 11, 22)
CORE = Device(
    name="two cores", kind="cpu", memory_gb=16, bandwidth_gb_s=25, fp32_tflops=0.15, date="2026-11-22", source="test"
)
HERE = PlanTarget(device=CORE, free_gb=12, threads=2)
# OpenAI's price of gpt-4-turbo from November 2023: $10 and $30 a million tokens.
GPT4 = ApiPrice(
    name="gpt-4-turbo", input_per_million=10, output_per_million=30, date=dt.date(2023, 11, 6), source="list price"
)


def costs(found: Plan, kind: str) -> dict[str, Cost]:
    return {one.name: one for one in found.costs if one.kind == kind}


def of_its_day() -> Prices:
    return dataclasses.replace(prices(), apis=(GPT4,))


def test_10_000_support_requests_a_day_cost_150_to_200_dollars_on_gpt_4_and_5_to_10_on_a_gpu() -> None:
    # A support request: 800 tokens in (instructions, the mail, a passage of the manual) and 300 out.
    # API: 10,000 x (800 x $10 + 300 x $30) / 1,000,000 = $170 a day.
    # RTX 3090 at $0.39 an hour with a 7B model: 24 x $0.39 = $9.36, and one is enough: 300 tokens at about 90 a second
    # are 4 s an answer, 21,600 answers a day, half of them planned with.
    spec = PlanSpec(
        models=("Qwen2.5-7B",), device="RTX 3090", requests_per_day=10_000, input_tokens=800, output_tokens=300
    )
    found = plan(spec, of_its_day(), TODAY)
    api, gpu = costs(found, "api")["gpt-4-turbo"], costs(found, "rent")["RTX 3090"]
    assert api.per_day == pytest.approx(170)
    assert 150 <= api.per_day <= 200
    assert api.per_year == pytest.approx(170 * 365)
    assert gpu.machines == 1
    assert gpu.per_day == pytest.approx(9.36)
    assert 5 <= gpu.per_day <= 10
    # Even from $9.36 / $0.017 = 551 requests per day.
    assert api.break_even_per_day == pytest.approx(9.36 / 0.017)
    assert found.costs_against == "RTX 3090"


def test_an_owned_card_costs_its_price_over_the_years_and_its_power() -> None:
    spec = PlanSpec(models=("Qwen2.5-7B",), device="RTX 4090", requests_per_day=1000, years=4)
    own = costs(plan(spec, prices(), TODAY), "own")["RTX 4090"]
    # $1,600 / (4 x 365) + 0.45 kW x 24 h x $0.146 = 1.096 + 1.577.
    assert own.per_day == pytest.approx(1600 / 1460 + 0.45 * 24 * 0.146)
    assert own.stale


def test_old_prices_say_so_and_new_ones_do_not() -> None:
    spec = PlanSpec(models=("gpt2",), device="RTX 4090", requests_per_day=10, apis=("gpt-4o", "gpt-5"))
    found = plan(spec, prices(), TODAY)
    assert costs(found, "api")["gpt-4o"].stale
    assert not costs(found, "api")["gpt-5"].stale
    assert any("more than 90 days old (the oldest from 2025-06-30)" in note for note in found.notes)


def test_without_a_model_the_costs_are_of_a_usual_one_and_this_machine_is_among_them() -> None:
    found = plan(PlanSpec(requests_per_day=100), prices(), TODAY, HERE)
    assert found.costs_of == USUAL
    assert prices().machine.name in costs(found, "rent")
    small = plan(PlanSpec(requests_per_day=1000, models=("all-MiniLM-L6-v2",)), prices(), TODAY, HERE)
    assert small.costs_against == prices().machine.name
    fast = plan(PlanSpec(requests_per_day=100, max_p95_ms=300), prices(), TODAY, HERE)
    assert fast.costs_of == fast.largest


def test_more_traffic_takes_more_machines_in_whole_numbers() -> None:
    few, many = (
        costs(plan(PlanSpec(models=("Qwen2.5-7B",), device="L4", requests_per_day=n), prices(), TODAY), "rent")["L4"]
        for n in (1000, 1_000_000)
    )
    assert few.machines == 1
    assert many.machines is not None
    assert many.machines > 5
    assert many.per_day == pytest.approx(few.per_day * many.machines)
    assert many.per_million == pytest.approx(few.per_million or 0)


def test_a_missing_price_is_an_error_that_says_how_to_add_it() -> None:
    spec = PlanSpec(models=("gpt2",), device="Apple M2", requests_per_day=10)
    with pytest.raises(ConfigError, match="no price of Apple M2") as caught:
        plan(spec, prices(), TODAY)
    assert 'device = "Apple M2"' in caught.value.fix
    with pytest.raises(ConfigError, match="has no API price 'gpt-6o'") as caught:
        plan(dataclasses.replace(spec, device="L4", apis=("gpt-6o",)), prices(), TODAY)
    assert "gpt-4o" in caught.value.fix


def test_a_price_table_of_ones_own_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'currency = "EUR"\n[machine]\nname = "ours"\nper_hour = 1\ndate = 2026-11-01\nsource = "invoice"\n'
        '[[api]]\nname = "big"\ninput_per_million = 1\noutput_per_million = 2\ndate = 2026-11-01\nsource = "contract"\n'
        '[[rent]]\ndevice = "M2"\nper_hour = 0.5\ndate = 2026-11-01\nsource = "contract"\n',
        encoding="utf-8",
    )
    spec = PlanSpec(models=("gpt2",), device="m2", requests_per_day=10, input_tokens=100, output_tokens=10)
    table = dataclasses.replace(prices(file), rents=(dataclasses.replace(prices(file).rents[0], device="Apple M2"),))
    found = plan(spec, table, TODAY)
    assert found.currency == "EUR"
    assert [one.name for one in found.costs] == ["big", "Apple M2"]
    assert found.costs[1].per_day == 12
    assert not any("old" in note for note in found.notes)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("per_hour = 0.5", "per_hour = -1", "rent 1: per_hour must be a number from 0 up"),
        ('device = "L4"', "", "rent 1 lacks device"),
        ("[[rent]]", "[rent]", "rent must be a list of tables"),
        ("per_kwh = 0.2", 'per_kwh = "dear"', "power: per_kwh must be a number"),
        ("price = 9", "price = 9\nsecret = 1", "purchase 1 has an unknown field"),
    ],
)
def test_a_bad_price_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    good = (
        'currency = "EUR"\napi = []\n[machine]\nname = "ours"\nper_hour = 1\ndate = 2026-11-01\nsource = "invoice"\n'
        '[[rent]]\ndevice = "L4"\nper_hour = 0.5\ndate = 2026-11-01\nsource = "contract"\n'
        '[[purchase]]\ndevice = "L4"\nprice = 9\ndate = 2026-11-01\nsource = "contract"\n'
        '[power]\nper_kwh = 0.2\ndate = 2026-11-01\nsource = "contract"\n'
    )
    file = tmp_path / "mine.toml"
    file.write_text(good, encoding="utf-8")
    assert prices(file).rents[0].per_hour == 0.5
    file.write_text(good.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        prices(file)
    assert said in caught.value.message
    assert "secret" not in caught.value.message


def test_a_plan_without_a_device_or_a_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="no device is given"):
        plan(PlanSpec(), prices(), TODAY)


def test_the_whole_catalogue_is_planned_for_and_others_devices_are_named() -> None:
    found = plan(PlanSpec(), prices(), TODAY, HERE)
    assert len(found.forecasts) >= 40
    assert found.largest is not None
    assert [one.device for one in found.reach] == ["two cores", *ELSEWHERE]
    big = next(one for one in found.forecasts if one.model == "Llama-3.1-70B")
    assert not big.fits
    assert big.why == "needs 42.7 GB, 12.0 GB can be used: 4 such devices would do"
    two = plan(
        PlanSpec(models=("Llama-3.1-70B",), quantizations=("f16",), device="A100 80GB", count=2), prices(), TODAY
    )
    assert two.forecasts[0].fits
    long = plan(PlanSpec(context=9000), prices(), TODAY, HERE)
    small = next(one for one in long.forecasts if one.model == "SmolLM2-135M")
    assert not small.fits
    assert small.why == "it was made for 8,192 tokens at most"
