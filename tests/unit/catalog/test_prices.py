"""The price table: dated, checked, and the user's to replace."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from ockham.catalog import prices
from ockham.errors import ConfigError

GOOD = """
currency = "EUR"
[machine]
name = "ours"
per_hour = 0.5
date = 2025-01-31
source = "invoice"
[[api]]
name = "big"
input_per_million = 1
output_per_million = 2.5
date = 2025-03-01
source = "list price"
"""


def test_the_built_in_table_is_whole() -> None:
    table = prices()
    assert len(table.apis) >= 5
    assert table.currency == "USD"
    assert all(api.source.endswith("list price") for api in table.apis)
    assert len({api.name for api in table.apis}) == len(table.apis)
    dated = table.api("gpt-4o-mini-2024-07-18")
    assert dated is not None
    assert dated.name == "gpt-4o-mini"
    assert table.api("gpt-4") is None


def test_a_table_of_the_users_own_replaces_it(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(GOOD, encoding="utf-8")
    table = prices(file)
    assert (table.currency, table.machine.per_hour, table.apis[0].output_per_million) == ("EUR", 0.5, 2.5)
    assert table.date == dt.date(2025, 1, 31)
    assert not table.stale(dt.date(2025, 5, 1))
    assert table.stale(dt.date(2025, 5, 2))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("per_hour = 0.5", "per_hour = -1", "machine: per_hour must be a number from 0 up"),
        ("per_hour = 0.5", "per_hour = nan", "machine: per_hour must be a number from 0 up"),
        ("per_hour = 0.5", "per_hour = true", "machine: per_hour must be"),
        ("per_hour = 0.5", "", "machine lacks per_hour"),
        ("per_hour = 0.5", "per_hour = 0.5\nsecret = 3", "machine has an unknown field"),
        ("date = 2025-03-01", 'date = "2025-03-01"', "api 1: date must be a date"),
        ('name = "big"', 'name = " "', "api 1: name must be a text"),
        ('currency = "EUR"', "currency = EUR", "is not valid TOML"),
        ("[[api]]", "[api]", "api must be a list"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match="E_CONFIG") as caught:
        prices(file)
    assert said in caught.value.message
    assert "secret" not in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        prices(tmp_path / "none.toml")
