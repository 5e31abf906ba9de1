"""`ockham predict`: answers to texts, to lines, and to the rows of a file."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from ockham.cli import options, output, progress, run_names, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.cli.predict_lines import STDIN, LineOptions, answer_texts, lines_of_stdin
from ockham.errors import ConfigError
from ockham.printable import printable
from ockham.records import Progress, plain

if TYPE_CHECKING:
    from ockham.api.consent import Destination
    from ockham.bundles.answer_file import AnswerFileNotes
    from ockham.bundles.answered_rows import AnswerCounts
    from ockham.bundles.predict import Answering, Prediction

LEFT_OUT = 5
"""Exit status where records have no answer: they are missing from what was written, which nothing else there says."""
_COUNTS = {
    "answered": "answered",
    "empty": "empty",
    "doubtful": "below the minimum confidence",
    "no_answer": "without a valid answer",
    "left_out": "marked in the file as not to be used",
    "quarantined": "unreadable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """What is answered, how, and where the answers go."""

    inputs: tuple[str, ...] = ()
    id: str | None = None
    encoding: str | None = None
    min_confidence: float | None = field(default=None, metadata={"min": 0, "max": 1})
    out: Path | None = None
    force: bool = False


EXAMPLES = (
    "ockham predict runs/tickets new_tickets.csv -o answers.csv",
    'ockham predict runs/tickets --text "where is my parcel"',
)


@click.command("predict", cls=Command, examples=EXAMPLES)
@click.argument("bundle", type=PATH, metavar="RUN_OR_BUNDLE")
@click.argument("data", required=False, type=options.NAME, metavar="[DATA]")
@section(
    "Data",
    click.option("--text", multiple=True, metavar="TEXT", help="Answer this text; repeat it for several texts."),
    click.option(
        "--input", multiple=True, metavar="COLUMN", help="Column with the input, if it has another name in DATA."
    ),
)
@options.encoding
@section(
    "Answers",
    click.option(
        "--min-confidence", type=float, metavar="P", help="Leave an answer or field empty below this confidence (0-1)."
    ),
)
@options.endpoint
@section(
    "Output",
    click.option(
        "--out", "-o", type=PATH, metavar="FILE", help="Write a .csv, .tsv, .jsonl or .parquet file with your columns."
    ),
    click.option("--force", is_flag=True, default=None, help="Overwrite the file if it exists."),
    click.option("--id", metavar="COLUMN", help="Name each row by this column, and write no other of its columns."),
    click.option(
        "--json", "as_json", is_flag=True, help="Print JSON; in a file, write extracted objects in one column."
    ),
)
@options.quiet
@options.configuration
@options.unsealed_option(recorded=False)
def command(
    *,
    bundle: Path,
    data: str | None,
    config: Path | None,
    as_json: bool,
    quiet: bool,
    unsealed: bool,
    **flags: object,
) -> int:
    """Answer texts, lines of standard input, or the rows of a file.

    RUN_OR_BUNDLE is the folder of a run or of its bundle. DATA is a file or folder with the same input columns, or -
    for standard input: one text a line, each answered at once. If the model reads several columns, each text or line is
    a JSON object with those columns.

    Texts and lines get a line each: the answer, a tab and the confidence. Rows of a file are printed as JSON Lines, or
    written with --out: all their own columns, then the answer (an extracted object as one column per field, each with
    its confidence where the model tells it) and the confidence of the whole. Rows without an input get no answer. In
    .csv and .tsv files, cells that a spreadsheet would run as a formula are quoted. If the bundle calls an API, name
    that API and the variable of its key here too: --endpoint URL --endpoint-key-env NAME.

    The last line accounts for every row. Exit status: 0 every record could be read, 5 some could not, 2 bad input or
    usage, 1 internal error.
    """
    texts = cast("tuple[str, ...]", flags.pop("text"))
    values = settings.collect("predict", config, flags)
    origins = settings.origins(config, flags, values)
    endpoint = settings.destination(values)
    how = settings.spec(PredictOptions, values)
    _check(bundle, data, texts, how)
    reads = {"bundle": bundle, "data": None if data == STDIN else data}
    folders = () if how.out is None else (str(how.out.absolute().parent),)
    named = [] if endpoint is None else [endpoint]
    sealed_commands.enter("predict", reads, folders, unsealed=unsealed, endpoints=named)
    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        if data is None or data == STDIN:
            lines = LineOptions(as_json=as_json, least=how.min_confidence)
            counts = _answer_lines(bundle, texts, how.encoding or "utf-8", lines, endpoint, on_progress)
            notes = None
        else:
            counts, notes = _answer_rows(bundle, data, how, as_json, endpoint, on_progress)
    if not quiet and (data is not None or counts.answered < counts.rows or counts.cut):
        click.echo(_account(counts, how.out, notes), err=True)
    return LEFT_OUT if counts.quarantined or counts.left_out else 0


def _check(bundle: Path, data: str | None, texts: tuple[str, ...], how: PredictOptions) -> None:
    """Find out what is wrong with the command before anything is loaded. Raises `OckhamError`."""
    if data is None and not texts:
        fix = "name a file, - for standard input, or --text TEXT"
        raise ConfigError("E_CONFIG", "there is nothing to answer", fix=fix)
    if data is not None and texts:
        raise ConfigError("E_CONFIG", "both --text and DATA are given", fix="use only one of them")
    run_names.check(bundle)
    if data is not None and data != STDIN:
        run_names.check_data(data)
    elif how.out is not None:
        fix = "omit --out; to keep the output, redirect it: > answers.jsonl"
        raise ConfigError(
            "E_CONFIG", "--out works only with a file of rows; answers to texts and lines are printed", fix=fix
        )
    if how.out is not None:
        from ockham.cli.output_file import check_output

        check_output(how.out, data, force=how.force)
    if how.encoding is not None:
        try:
            codecs.lookup(how.encoding)
        except (LookupError, ValueError):
            fix = "name one that Python knows, for example --encoding cp1252"
            raise ConfigError("E_CONFIG", "the encoding is unknown", fix=fix) from None


def _answer_lines(
    bundle: Path,
    texts: tuple[str, ...],
    encoding: str,
    lines: LineOptions,
    endpoint: Destination | None,
    on_progress: Callable[[Progress], None],
) -> AnswerCounts:
    from ockham.api import consent
    from ockham.bundles.loaded_model import load

    with load(bundle, endpoint=endpoint) as model:
        if endpoint is not None:
            many = f"{len(texts):,} texts go" if texts else "every line goes"
            on_progress(
                Progress(stage="endpoint", message=f"{many} to {consent.route(endpoint.url, endpoint.key_env)}")
            )
        return answer_texts(model, texts or lines_of_stdin(), encoding, lines)


def _answer_rows(
    bundle: Path,
    data: str,
    how: PredictOptions,
    as_json: bool,
    endpoint: Destination | None,
    on_progress: Callable[[Progress], None],
) -> tuple[AnswerCounts, AnswerFileNotes | None]:
    from ockham.bundles.answer_file import AnswerForm, write_answers
    from ockham.bundles.predict import PredictSpec, open_answers

    spec = PredictSpec(inputs=how.inputs, encoding=how.encoding, min_confidence=how.min_confidence)
    notes = None
    with open_answers(bundle, data, spec, endpoint=endpoint, on_progress=on_progress) as answering:
        if how.out is not None:
            notes = write_answers(how.out, answering, AnswerForm(id=how.id, whole=as_json))
        else:
            _print_rows(answering, how.id, as_json=as_json)
        counts = answering.account.counts()
    if how.out is not None and as_json:
        output.record(counts)
    return counts, notes


def _print_rows(answering: Answering, id_column: str | None, *, as_json: bool) -> None:
    """Print a line of JSON for each row, or all of them as one array."""
    from ockham.bundles.predict import prediction_of

    predictions = (prediction_of(answered, id_column) for answered in answering.rows)
    if as_json:
        output.record([_record(prediction) for prediction in predictions])
        return
    for prediction in predictions:
        output.record(_record(prediction))


def _record(prediction: Prediction) -> dict[str, object]:
    """Return a prediction as it is printed: confidences of fields only where there are some."""
    record: dict[str, object] = plain(prediction)
    if prediction.field_confidence is None:
        record.pop("field_confidence")
    return record


def _rows_text(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _account(counts: AnswerCounts, out: Path | None, notes: AnswerFileNotes | None) -> str:
    """Say what became of every row, and what of the file should be known."""
    parts = [
        f"{number:,} {words}"
        for name, words in _COUNTS.items()
        if (number := getattr(counts, name)) or name == "answered"
    ]
    lines = [f"{'' if out is None else f'{printable(out)}: '}{_rows_text(counts.rows)}: {', '.join(parts)}"]
    if counts.cut is not None:
        from ockham.evals.cut_texts import describe_cut_texts

        lines.append(f"note: {describe_cut_texts(counts.cut)}")
    if counts.fields_left_empty:
        many = "1 field is" if counts.fields_left_empty == 1 else f"{counts.fields_left_empty:,} fields are"
        lines.append(f"note: {many} left empty: below the minimum confidence")
    if notes is not None:
        lines += [
            f"note: your file already has a column {printable(name)!r}; the new one is called {printable(new)!r}"
            for name, new in notes.renamed.items()
        ]
        if notes.escaped:
            cells = "1 cell that a spreadsheet would run as a formula now begins"
            if notes.escaped > 1:
                cells = f"{notes.escaped:,} cells that a spreadsheet would run as formulas now begin"
            lines.append(f"note: {cells} with '")
    return "\n".join(lines)
