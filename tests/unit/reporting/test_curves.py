"""The curves of a report, where a number is nought."""

from __future__ import annotations

import dataclasses

from tests.sample_account import sample_account

from ockham.reporting import curves


def test_a_machine_that_costs_nothing_is_told_and_not_drawn() -> None:
    account = sample_account()
    assert account.apis
    assert "<svg" in str(curves.cost(account))
    free = str(curves.cost(dataclasses.replace(account, machine_per_day=0.0)))
    assert "costs $0 a day" in free
    assert "<svg" not in free
