"""The advice: hard work goes to a large model, labels to the baselines, and every command is one that exists."""

from __future__ import annotations

import shlex

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ockham.catalog import prices
from ockham.cli.fit_command import command
from ockham.planning import Questions, advise
from ockham.planning.advice import HARD, SENTENCES, TASKS, Privacy, Task, test_rows

PRICES = prices()
NEEDED = test_rows  # under another name, so that pytest does not take it for a test
del test_rows


@pytest.mark.parametrize("task", ["long-documents", "mathematics", "multi-step", "chat"])
@pytest.mark.parametrize("rows", [0, 100_000])
def test_hard_work_goes_to_a_large_model_and_says_why(task: Task, rows: int) -> None:
    found = advise(Questions(task=task, accuracy=0.5, rows=rows, max_ms=50), PRICES)
    assert found.choice == "large"
    assert HARD[task] in found.reasons[0]
    assert "Llama-3.1-70B" in " ".join(found.reasons)


@pytest.mark.parametrize(
    ("task", "accuracy", "rows", "choice"),
    [
        ("classify", 0.9, 1000, "baseline"),
        ("classify", 0.97, 1000, "small-cascade"),
        ("classify", 0.9, 20, "small"),
        ("extract", 0.9, 1000, "small-tuned"),
        ("extract", 0.9, 100, "small"),
        ("choose", 0.96, 1000, "small-cascade"),
        ("rewrite", 0.9, 1000, "small-tuned"),
        ("rewrite", 0.9, 100, "small"),
        ("rewrite", 0.97, 1000, "large"),
    ],
)
def test_the_choice_follows_the_rules(task: Task, accuracy: float, rows: int, choice: str) -> None:
    found = advise(Questions(task=task, accuracy=accuracy, rows=rows), PRICES)
    assert found.choice == choice
    assert found.sentence == SENTENCES[found.choice]


def test_test_rows_are_counted_until_wilsons_interval_excludes_the_requirement() -> None:
    # z^2 a (1 - a) / (b - a)^2 = 3.8415 x 0.9 x 0.1 / 0.03^2 = 384.1.
    assert NEEDED(0.9) == 385
    assert NEEDED(0.5) == 1068
    assert NEEDED(1.0) == 0
    z, n, share = 1.959963984540054, 385, 0.93
    low = (share + z * z / (2 * n) - z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5) / (1 + z * z / n)
    assert low == pytest.approx(0.9, abs=1e-3)


def test_missing_rows_are_named_with_a_number() -> None:
    found = advise(Questions(task="classify", accuracy=0.9, rows=1000), PRICES)
    assert "a fifth of your 1,000 rows is 200. Label about 925 more." in found.missing[0]
    enough = advise(Questions(task="classify", accuracy=0.9, rows=10_000), PRICES)
    assert all("Label" not in one for one in enough.missing)


def test_traffic_speed_and_privacy_are_answered() -> None:
    cheap = advise(Questions(task="classify", accuracy=0.9, rows=500, privacy="anywhere", requests_per_day=100), PRICES)
    assert any("cost alone is no reason to leave the API" in one for one in cheap.reasons)
    busy = advise(
        Questions(task="classify", accuracy=0.9, rows=500, privacy="anywhere", requests_per_day=1e6, max_ms=200), PRICES
    )
    assert any("your own machine is cheaper" in one for one in busy.reasons)
    assert any("200 ms is less than a remote API takes" in one and "use a local model" in one for one in busy.reasons)
    # gpt-5-nano: (200 x 0.05 + 20 x 0.40) / 1e6 x 1e6 requests = $18 a day.
    assert busy.api_per_day == pytest.approx(18.0)
    inside = advise(Questions(task="extract", accuracy=0.97, rows=500), PRICES)
    assert any("go to a person" in one for one in inside.reasons)
    assert "--endpoint" not in inside.command


@settings(max_examples=40, deadline=None)
@given(
    task=st.sampled_from(sorted(TASKS)),
    accuracy=st.floats(0.01, 1.0),
    max_ms=st.none() | st.floats(1, 1e6),
    privacy=st.sampled_from(["inside", "anywhere"]),
    requests=st.floats(0.1, 1e9),
    rows=st.integers(0, 10**9),
)
def test_every_command_is_one_that_fit_takes(
    task: Task, accuracy: float, max_ms: float | None, privacy: Privacy, requests: float, rows: int
) -> None:
    asked = Questions(
        task=task, accuracy=accuracy, max_ms=max_ms, privacy=privacy, requests_per_day=requests, rows=rows
    )
    found = advise(asked, PRICES)
    words = shlex.split(found.command)
    assert words[:2] == ["ockham", "fit"]
    with click.Context(command) as context:
        command.parse_args(context, words[2:])
    assert context.params["min_accuracy"] == pytest.approx(accuracy, rel=1e-4)
    assert found.reasons
    assert found.missing
