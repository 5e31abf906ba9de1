"""The curves of a report, where a number is nought."""

from __future__ import annotations

import dataclasses
import math

from tests.sample_account import sample_account

from ockham.reporting import curves


def test_a_machine_that_costs_nothing_is_told_and_not_drawn() -> None:
    account = sample_account()
    assert account.apis
    assert "<svg" in str(curves.cost(account))
    free = str(curves.cost(dataclasses.replace(account, machine_per_day=0.0)))
    assert "costs $0 a day" in free
    assert "<svg" not in free


def test_epochs_without_a_number_are_left_out() -> None:
    account = sample_account()
    (name, points), *_ = account.training.items()
    lost = [dataclasses.replace(points[-1], epoch=9, valid_metric=math.nan, train_loss=math.nan)]
    assert curves.training(dataclasses.replace(account, training={name: (*points, *lost)})) == curves.training(
        dataclasses.replace(account, training={name: points})
    )
    assert curves.training(dataclasses.replace(account, training={name: tuple(lost)})) is None
