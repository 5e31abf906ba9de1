"""`ockham decide`: should it be a small model at all?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, settings
from ockham.cli.help import Command, section

if TYPE_CHECKING:
    from ockham.planning import Questions


EXAMPLES = (
    "ockham decide",
    "ockham decide --task classify --accuracy 0.9 --privacy inside --requests-per-day 2000 --rows 800",
)


@click.command("decide", cls=Command, examples=EXAMPLES)
@section(
    "Questions",
    click.option("--task", metavar="KIND", help="Kind of task; without it, the kinds are listed and you are asked."),
    click.option("--accuracy", type=float, metavar="SHARE", help="Accuracy that is good enough, such as 0.9."),
    click.option("--max-ms", type=float, metavar="MS", help="Maximum time per answer; without it, answers can wait."),
    click.option("--privacy", metavar="WHERE", help="inside (nothing may leave the building) or anywhere."),
    click.option("--requests-per-day", type=float, metavar="N", help="Expected requests per day."),
    click.option("--rows", type=int, metavar="N", help="Labelled rows that you have."),
    click.option("--input-tokens", type=int, metavar="N", help="Tokens per prompt [default: 200]."),
    click.option("--output-tokens", type=int, metavar="N", help="Tokens per answer [default: 20]."),
    click.option("--prices", type=options.NAME, metavar="FILE", help="Your own price table (TOML)."),
)
@options.configuration
@options.as_json
def command(*, config: Path | None, as_json: bool, **flags: object) -> None:
    """Advise whether a small model is the right choice, and how to find out.

    It rests on four questions: how hard the task is and which accuracy is enough, how fast answers must be, how
    private the data are, and how much traffic and how many labelled rows there are. In a terminal you are asked for
    what the flags leave open; elsewhere the flags are required.
    """
    from ockham import verbs
    from ockham.cli import output, plan_output

    values = settings.collect("decide", config, flags)
    prices = settings.text(values, "prices")
    advice = verbs.decide(_questions(values), prices=prices)
    if as_json:
        output.record(advice)
    else:
        output.lines(*plan_output.advice_lines(advice))


def _questions(values: dict[str, object]) -> Questions:
    """Ask for what is missing where somebody sits at the terminal, and check all of it."""
    from ockham.config import build
    from ockham.errors import ConfigError
    from ockham.planning import Questions

    missing = [name for name in ("task", "accuracy", "privacy", "requests_per_day", "rows") if name not in values]
    if missing and sys.stdin.isatty() and sys.stderr.isatty():
        values = {**values, **_read_questions(values)}
    elif missing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise ConfigError(
            "E_CONFIG",
            f"these options are missing: {flags}",
            fix="add these options, or run the command in a terminal, where it asks for them",
        )
    return build(Questions, values, "the command line")


def _read_questions(values: dict[str, object]) -> dict[str, object]:
    from ockham.planning.advice import TASKS

    answers: dict[str, object] = {}
    if "task" not in values:
        click.echo("What should the model do?", err=True)
        for name, text in TASKS.items():
            click.echo(f"  {name:<15} {text}", err=True)
        answers["task"] = click.prompt("1. Task", type=click.Choice(list(TASKS)), show_choices=False, err=True)
    if "accuracy" not in values:
        share = click.FloatRange(0, 1, min_open=True)
        answers["accuracy"] = click.prompt("   Accuracy that is good enough, such as 0.9", type=share, err=True)
    if "max_ms" not in values:
        text = "2. Maximum time per answer in ms (leave empty if answers can wait)"
        limit = click.prompt(text, type=click.FloatRange(0), default=0, show_default=False, err=True)
        answers |= {"max_ms": limit} if limit else {}
    if "privacy" not in values:
        where = click.Choice(["inside", "anywhere"])
        answers["privacy"] = click.prompt("3. Where may the texts be sent", type=where, err=True)
    if "requests_per_day" not in values:
        answers["requests_per_day"] = click.prompt(
            "4. Expected requests per day", type=click.FloatRange(0, min_open=True), err=True
        )
    if "rows" not in values:
        answers["rows"] = click.prompt("   Labelled rows that you have", type=click.IntRange(0), err=True)
    return answers
