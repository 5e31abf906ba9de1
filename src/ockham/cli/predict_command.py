"""`ockham predict`: batch answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, progress, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.errors import ConfigError
from ockham.records import plain

if TYPE_CHECKING:
    from ockham.bundles.predict import Prediction

LEFT_OUT = 5
"""Exit status where records have no answer: they are missing from what was written, which nothing else there says."""
FIELDS = ("id", "answer", "confidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Where the answers go, and how the rows are read."""

    out: Path | None = None
    encoding: str | None = None


EXAMPLES = (
    "ockham predict runs/tickets new_tickets.csv -o answers.csv",
    "ockham predict runs/tickets new_tickets.csv --quiet | head -3",
)


@click.command("predict", cls=Command, examples=EXAMPLES)
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.argument("data", type=options.NAME, metavar="DATA")
@options.encoding
@options.endpoint
@section(
    "Output",
    click.option(
        "--out", "-o", type=PATH, metavar="FILE", help="A .csv or .jsonl file to write [default: JSON Lines on stdout]."
    ),
)
@options.as_json
@options.quiet
@options.configuration
@options.unsealed_option
def command(
    *, bundle: Path, data: str, config: Path | None, as_json: bool, quiet: bool, unsealed: bool, **flags: object
) -> int:
    """Answer the rows of a file with a bundle.

    BUNDLE is the folder of a run or of its bundle; DATA is a file with the same input columns. Each row gets its id, an
    answer (empty if the model gave no valid one) and a confidence. In a .csv file, cells that a spreadsheet would run
    as a formula are quoted. If the bundle calls an API, name that API and the variable of its key here too:
    --endpoint URL --endpoint-key-env NAME.

    Records that cannot be read are skipped; a warning counts and names them, even with --quiet. Exit status: 0 every
    record was answered, 5 some were skipped, 2 bad input or usage, 1 internal error.
    """
    values = settings.collect("predict", config, flags)
    origins = settings.origins(config, flags, values)
    endpoint = settings.destination(values)
    how = settings.spec(Output, values)
    form = _form(how.out)
    if how.out is not None:
        from ockham.store import check_place

        check_place(how.out)
    folders = () if how.out is None else (str(how.out.absolute().parent),)
    reads = {"bundle": bundle, "data": data}
    named = [] if endpoint is None else [endpoint]
    sealed_commands.enter("predict", reads, folders, unsealed=unsealed, endpoints=named)
    from ockham.bundles.predict import predictions

    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        outcome = predictions(bundle, data, encoding=how.encoding, endpoint=endpoint, on_progress=on_progress)
    answers = outcome.answers
    if as_json:
        click.echo(json.dumps(plain(answers), allow_nan=False))
    if how.out is not None:
        from ockham.store import save_bytes

        save_bytes(how.out, form(answers).encode())
    elif not as_json:
        click.echo(form(answers), nl=False)
    return LEFT_OUT if outcome.left_out else 0


def jsonl_text(predictions: Iterable[Prediction], *, ascii_only: bool = False) -> str:
    """Write one JSON object per line."""
    return "".join(json.dumps(plain(row), ensure_ascii=ascii_only, allow_nan=False) + "\n" for row in predictions)


def csv_of(predictions: Iterable[Prediction]) -> str:
    """Write a table; an answer or confidence that is missing is an empty cell."""
    from ockham.data.csv_export import csv_text

    return csv_text([(row.id, row.answer or "", _number(row.confidence)) for row in predictions], FIELDS)


def _form(out: Path | None) -> Callable[[Iterable[Prediction]], str]:
    """Choose the form by the file's extension, before any work is done."""
    if out is None:
        return lambda predictions: jsonl_text(predictions, ascii_only=True)
    forms = {".csv": csv_of, ".jsonl": jsonl_text}
    suffix = out.suffix.lower()
    if suffix not in forms:
        raise ConfigError("E_CONFIG", "the extension of the output file is not known", fix="end it in .csv or .jsonl")
    return forms[suffix]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
