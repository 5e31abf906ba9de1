"""The options that several verbs share, declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ockham.cli.help import section

F = TypeVar("F", bound="Callable[..., Any]")

PATH = click.Path(path_type=Path)
NAME = click.Path()
"""A path as it was typed; a shell completes it."""


def columns(function: F) -> F:
    """Say which columns of the data are what."""
    return section(
        "Data",
        click.option(
            "--input", multiple=True, metavar="COLUMN", help="Column with the input; repeat it for several columns."
        ),
        click.option(
            "--target",
            multiple=True,
            metavar="COLUMN",
            help="Column with the correct answer; several (A,B, or repeat it) are the fields to extract.",
        ),
        click.option(
            "--group",
            metavar="COLUMN",
            help="Column that names groups of rows; a group is never split between training and test.",
        ),
        several_labels,
        encoding,
    )(function)


def several_labels(function: F) -> F:
    """Say what to do with rows that have several labels."""
    return click.option(
        "--several-labels",
        type=click.Choice(["one", "sets", "as-is"]),
        help="Rows with several labels: drop them (one), take each set as a label (sets), or cells as they are.",
    )(function)


def encoding(function: F) -> F:
    """Say how the file's bytes are to be read."""
    return section(
        "Data", click.option("--encoding", metavar="NAME", help="Text encoding of the file; detected by default.")
    )(function)


def scorer(function: F) -> F:
    """Name the scorer that answers are also judged by."""
    return click.option(
        "--scorer",
        metavar="NAME[:KEY=VALUE,...]",
        help="Use the mean score of this scorer as the metric, with these settings.",
    )(function)


def match(function: F) -> F:
    """Say how the values of extracted fields match."""
    return click.option(
        "--match",
        multiple=True,
        metavar="FIELD=HOW",
        help="exact (default), or normalised: as dates, amounts or words; repeat it for several fields.",
    )(function)


def task_words(function: F) -> F:
    """Say what the task is, in words of the user's own."""
    return section(
        "Data",
        click.option("--instructions", metavar="TEXT|FILE", help="Describe the task to models that are prompted."),
        click.option(
            "--labels",
            metavar="FILE",
            help="Describe each label, for prompts and as training rows: a file with columns label and description.",
        ),
    )(function)


def as_json(function: F) -> F:
    """Ask for the record instead of prose."""
    return section(
        "Output", click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
    )(function)


def quiet(function: F) -> F:
    """Ask for silence while it works."""
    return section(
        "Output",
        click.option("--quiet", "-q", is_flag=True, help="Show no progress; what leaves this machine is still shown."),
    )(function)


def yes(function: F) -> F:
    """Let an ockham.toml that was only found say where rows go."""
    return section(
        "Endpoint",
        click.option(
            "--yes", is_flag=True, help="Allow sending rows where ockham.toml in the current folder says, with its key."
        ),
    )(function)


endpoint_api = click.option(
    "--endpoint-api",
    type=click.Choice(["chat", "decisions"]),
    help="Which API of the endpoint to call [default: by the URL's end, else chat].",
)


def endpoint(function: F) -> F:
    """Say where the bundle of an endpoint may send rows."""
    return section(
        "Endpoint",
        click.option("--endpoint", metavar="URL", help="The API that the bundle calls. Every row is sent to it."),
        endpoint_api,
        click.option("--endpoint-key-env", metavar="NAME", help="Environment variable that holds the API key."),
        yes,
    )(function)


def configuration(function: F) -> F:
    """Name the settings file."""
    return click.option(
        "--config", type=PATH, metavar="FILE", help="Settings file [default: ockham.toml in the current folder]."
    )(function)


def unsealed_option(*, recorded: bool) -> Callable[[F], F]:
    """Ask to work without the walls of sealed mode; ``recorded`` where there is a run that says so."""
    told = "; the run records this" if recorded else ""
    return click.option("--unsealed", is_flag=True, help=f"Do not seal the command off from the network{told}.")
