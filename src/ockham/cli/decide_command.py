"""`ockham decide`: should it be a small model at all?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, settings

if TYPE_CHECKING:
    from ockham.plan import Questions


@click.command("decide")
@click.option("--task", metavar="KIND", help="What is to be done; left out, the kinds are listed and asked for.")
@click.option("--accuracy", type=float, metavar="SHARE", help="Accuracy that is enough, as in 0.90.")
@click.option("--max-ms", type=float, metavar="MS", help="Greatest time of an answer; left out, it can wait.")
@click.option("--privacy", metavar="WHERE", help="inside (nothing may leave the building) or anywhere.")
@click.option("--requests-per-day", type=float, metavar="N", help="Requests in a day.")
@click.option("--rows", type=int, metavar="N", help="Labelled rows you have.")
@click.option("--input-tokens", type=int, metavar="N", help="Tokens of a prompt (200 if not set).")
@click.option("--output-tokens", type=int, metavar="N", help="Tokens of an answer (20 if not set).")
@click.option("--prices", metavar="FILE", help="Price table of your own (TOML).")
@options.configuration
@options.as_json
def command(*, config: Path | None, as_json: bool, **flags: object) -> None:
    """Say whether a small model is the right one, and how to find out.

    Four questions: how hard the task is and what accuracy is enough, how fast, how private, and how much traffic and
    how many labelled rows there are. In a terminal what is not given as a flag is asked; elsewhere it must be given.
    """
    from ockham import catalog
    from ockham.cli import output, plan_output
    from ockham.plan import advise

    values = settings.collect("decide", config, flags)
    table = settings.text(values, "prices")
    prices = catalog.prices(None if table is None else Path(table))
    advice = advise(_questions(values), prices)
    if as_json:
        output.record(advice)
    else:
        output.lines(*plan_output.advice_lines(advice))


def _questions(values: dict[str, object]) -> Questions:
    """Ask for what is missing where somebody sits at the terminal, and check all of it."""
    from ockham.config import build
    from ockham.errors import ConfigError
    from ockham.plan import Questions

    missing = [name for name in ("task", "accuracy", "privacy", "requests_per_day", "rows") if name not in values]
    if missing and sys.stdin.isatty() and sys.stderr.isatty():
        values = {**values, **_read_questions(values)}
    elif missing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ConfigError(
            "E_CONFIG", f"not answered: {flags}", fix="give the flags, or run it in a terminal to be asked"
        )
    return build(Questions, values, "the command line")


def _read_questions(values: dict[str, object]) -> dict[str, object]:
    from ockham.plan.advice import TASKS

    answers: dict[str, object] = {}
    if "task" not in values:
        click.echo("What is to be done?", err=True)
        for name, text in TASKS.items():
            click.echo(f"  {name:<15} {text}", err=True)
        answers["task"] = click.prompt("1. Task", type=click.Choice(list(TASKS)), show_choices=False, err=True)
    if "accuracy" not in values:
        share = click.FloatRange(0, 1, min_open=True)
        answers["accuracy"] = click.prompt("   Accuracy that is enough, as in 0.90", type=share, err=True)
    if "max_ms" not in values:
        text = "2. Greatest time of an answer in ms (nothing: it can wait)"
        limit = click.prompt(text, type=click.FloatRange(0), default=0, show_default=False, err=True)
        answers |= {"max_ms": limit} if limit else {}
    if "privacy" not in values:
        where = click.Choice(["inside", "anywhere"])
        answers["privacy"] = click.prompt("3. Where may the texts go", type=where, err=True)
    if "requests_per_day" not in values:
        answers["requests_per_day"] = click.prompt(
            "4. Requests in a day", type=click.FloatRange(0, min_open=True), err=True
        )
    if "rows" not in values:
        answers["rows"] = click.prompt("   Labelled rows you have", type=click.IntRange(0), err=True)
    return answers
