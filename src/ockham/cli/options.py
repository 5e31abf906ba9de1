"""The options that several verbs share, declared once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound="Callable[..., Any]")

PATH = click.Path(path_type=Path)


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Put options on a command in the order they are named."""

    def put(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return put


def columns(function: F) -> F:
    """Say which columns of the data are what."""
    return together(
        click.option(
            "--input", multiple=True, metavar="COLUMN", help="Column with the input; give it once per column."
        ),
        click.option("--target", metavar="COLUMN", help="Column with the right answer."),
        click.option("--group", metavar="COLUMN", help="Column that names rows which belong together."),
        several_labels,
        encoding,
    )(function)


def several_labels(function: F) -> F:
    """Say what to do with rows that have several labels."""
    return click.option(
        "--several-labels",
        type=click.Choice(["one", "sets"]),
        help="Rows with several labels: leave them out (one), or take each set as a label of its own (sets).",
    )(function)


def encoding(function: F) -> F:
    """Say how the file's bytes are to be read."""
    return click.option("--encoding", metavar="NAME", help="Encoding of the file, where it is not found out.")(function)


def scorer(function: F) -> F:
    """Name the scorer that answers are also judged by."""
    return click.option(
        "--scorer",
        metavar="NAME[:KEY=VALUE,...]",
        help="Judge answers by this scorer's mean score, with these settings.",
    )(function)


def as_json(function: F) -> F:
    """Ask for the record instead of prose."""
    return click.option("--json", "as_json", is_flag=True, help="Print the record as one JSON object, nothing else.")(
        function
    )


def quiet(function: F) -> F:
    """Ask for silence while it works."""
    return click.option("--quiet", "-q", is_flag=True, help="Tell no progress, only what leaves this machine.")(
        function
    )


def yes(function: F) -> F:
    """Let an ockham.toml that was only found say where rows go."""
    return click.option(
        "--yes", is_flag=True, help="Send to the API, and with the key, that ockham.toml in this folder names."
    )(function)


def endpoint(function: F) -> F:
    """Say where the bundle of an endpoint may send rows."""
    return together(
        click.option("--endpoint", metavar="URL", help="The API that the bundle asks. Every row is sent to it."),
        click.option("--endpoint-key-env", metavar="NAME", help="Environment variable that holds the API's key."),
        yes,
    )(function)


def configuration(function: F) -> F:
    """Name the settings file."""
    return click.option(
        "--config", type=PATH, metavar="FILE", help="Settings file; ockham.toml in this folder otherwise."
    )(function)


def unsealed_option(function: F) -> F:
    """Ask to work without the walls of sealed mode."""
    return click.option(
        "--unsealed", is_flag=True, help="Do not seal this command off from the network; the record says so."
    )(function)
