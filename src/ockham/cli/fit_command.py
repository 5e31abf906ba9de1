"""`ockham fit`: the main job."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import get_args

import click

from ockham.cli import options, progress, run_names, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.records import DeviceName, PrecisionName, Progress, TaskName
from ockham.records.quantities import LIMITS
from ockham.rung_table import RUNGS

REQUIREMENTS = section(
    "Requirements",
    *(
        click.option(f"--{name.replace('_', '-')}", type=float, metavar=quantity.unit.upper(), help=quantity.help)
        for name, quantity in LIMITS.items()
    ),
    click.option(
        "--min-field",
        multiple=True,
        metavar="FIELD=SHARE",
        help="Minimum F1 of one extracted field, such as total=0.95; repeat it for several fields.",
    ),
    click.option(
        "--requests-per-day",
        type=float,
        metavar="N",
        help="Expected traffic: adds the cost per day, and queueing to latency.",
    ),
    click.option(
        "--tolerance", type=float, metavar="POINTS", help="Points below the best score that still do [default: 1]."
    ),
    options.scorer,
    options.match,
)
ROWS = section(
    "Data",
    click.option(
        "--test", type=options.NAME, metavar="FILE", help="Your own test set, instead of one split off from DATA."
    ),
    click.option(
        "--merge-labels", is_flag=True, default=None, help="Merge labels that differ in spelling only, as proposed."
    ),
    click.option(
        "--task", type=click.Choice(get_args(TaskName)), help="The task; detected from the targets by default."
    ),
    options.task_words,
)
TUNING = section(
    "Tuning",
    click.option("--epochs", type=int, metavar="N", help="Maximum epochs over the training rows."),
    click.option("--learning-rate", type=float, metavar="RATE", help="Learning rate."),
    click.option("--batch", type=int, metavar="N", help="Batch size [default: 8 to 64, by the number of rows]."),
    click.option(
        "--rank", type=int, metavar="N", help="Rank of the LoRA adapter; with it, an encoder's tagger has one too."
    ),
    click.option(
        "--device", type=click.Choice(get_args(DeviceName)), help="Where language models run [default: auto]."
    ),
    click.option(
        "--precision",
        type=click.Choice(get_args(PrecisionName)),
        help="Precision for tuning language models [default: auto, the one that measures faster].",
    ),
    click.option(
        "--keep-adapter",
        is_flag=True,
        default=None,
        help="Do not merge a language model's LoRA adapter into it: `ockham serve` can then share the base in memory.",
    ),
    click.option("--seed", type=int, metavar="N", help="Random seed [default: 0]."),
)
CHOICES = section(
    "Models",
    click.option(
        "--rung",
        multiple=True,
        metavar="NAME",
        shell_complete=lambda _context, _option, begun: [name for name in RUNGS if name.startswith(begun)],
        help="Try only this rung; repeat it for several rungs.",
    ),
    click.option("--all", "all_", is_flag=True, default=None, help="Try every rung, also after one that does the job."),
    click.option(
        "--models",
        metavar="A,B",
        help="Models to measure: folders of language models or classifiers, GGUF files, hub ids (id@revision).",
    ),
    click.option(
        "--models-folder",
        type=options.NAME,
        metavar="FOLDER",
        help="Also look for the catalogue's models here, when --models is not given.",
    ),
    click.option("--encoder", metavar="A,B", help="Sentence encoders to try: folders or hub ids (id@revision)."),
)
ENDPOINT = section(
    "Endpoint",
    click.option("--endpoint", metavar="URL", help="An OpenAI-compatible API to measure too. Rows are sent to it."),
    click.option("--endpoint-model", metavar="NAME", help="The API's model."),
    options.endpoint_api,
    click.option("--endpoint-key-env", metavar="NAME", help="Environment variable that holds the API key."),
    click.option("--endpoint-price", metavar="IN,OUT", help="USD per million input and output tokens: 0.15,0.60."),
    click.option("--endpoint-max-cost", type=float, metavar="USD", help="Stop before the API has cost more than this."),
    click.option("--judge", metavar="URL", help="An API that judges generated text. Test rows are sent to it."),
    click.option("--judge-model", metavar="NAME", help="The judge's model; the verdict does not depend on it."),
    click.option("--judge-key-env", metavar="NAME", help="Environment variable that holds the judge's API key."),
    click.option("--judge-price", metavar="IN,OUT", help="USD per million input and output tokens of the judge."),
    click.option("--judge-max-cost", type=float, metavar="USD", help="Stop before the judge has cost more than this."),
    click.option("--prices", type=options.NAME, metavar="FILE", help="Your own price table (TOML)."),
    options.yes,
)
EXAMPLES = (
    "ockham fit tickets.csv --input subject --input body --target label",
    "ockham fit tickets.csv --target label --min-accuracy 0.9 --max-p95-ms 200 --out runs/tickets",
)


@click.command("fit", cls=Command, examples=EXAMPLES)
@click.argument("data", required=False, type=options.NAME, metavar="DATA")
@options.columns
@ROWS
@section("Data", click.option("--dry-run", is_flag=True, help="Only show what would be read and dropped, and why."))
@REQUIREMENTS
@CHOICES
@TUNING
@ENDPOINT
@section(
    "Output",
    click.option("--out", type=PATH, metavar="FOLDER", help="Folder for the run [default: a new one in runs/]."),
    click.option("--owner", metavar="NAME", help="Who is responsible for the run; the report cites it."),
)
@options.as_json
@options.quiet
@options.configuration
@options.unsealed_option(recorded=True)
def command(
    *,
    data: str | None,
    config: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    unsealed: bool,
    **flags: object,
) -> int:
    """Find the smallest model that does the job.

    DATA is a file of labelled rows (CSV, TSV, JSON, JSONL, Parquet and more) or a folder of them. Ockham sets a test
    set aside, tries the rungs of the ladder from the smallest up, and measures each as it would be served. The verdict
    says which one to use, why, and what is still uncertain.

    A run can be stopped at any time; the same command resumes it. Exit status: 0 a candidate was chosen, 3 none meets
    the requirements, 4 cannot tell yet, 6 a candidate was chosen but a model of --models could not be measured, 2 bad
    input or usage, 1 internal error.
    """
    from ockham.config import check_rungs
    from ockham.errors import ConfigError

    dry_run = flags.pop("dry_run")
    arguments = {"data": data, "out": out and str(out), "all": flags.pop("all_"), **flags}
    values = settings.collect("fit", config, arguments)
    settings.check_names(values, arguments)
    origins = settings.origins(config, arguments, values)
    if values.get("data") is None:
        flag = " --dry-run" if dry_run else ""
        raise ConfigError("E_CONFIG", "no data is named", fix=f"name the file: ockham fit{flag} FILE")
    needs = settings.requirements(dict(values))
    check_rungs(values.get("rung"))
    run_names.check_models(values.get("models"))
    run_names.check_data(str(values["data"]))
    if dry_run:
        return show_dry_run(values, as_json=as_json, unsealed=unsealed)
    seal("fit", values, unsealed=unsealed)
    from ockham.cli import output
    from ockham.ladder.fit import FitSpec, fit

    source, folder = settings.text(values, "data"), settings.text(values, "out")
    settings.requirements(values)
    spec = settings.spec(FitSpec, values)
    with progress.progress_display(quiet=quiet, origins=origins, resumes=True) as on_progress:
        verdict = fit(source, spec, needs, out=None if folder is None else Path(folder), on_progress=on_progress)
    if as_json:
        output.record(verdict)
    else:
        output.verdict(verdict)
    sealed_commands.record_unsealed(verdict.run)
    learn(verdict.run, quiet=quiet)
    return verdict.exit_status


def show_dry_run(values: dict[str, object], *, as_json: bool, unsealed: bool) -> int:
    """Show what a fit would read, and write nothing; rows of the data on a terminal only.

    Raises what a fit would for models and encoders that are not here or cannot be read.
    """
    sealed_commands.enter("fit", values, unsealed=unsealed)
    from ockham.cli import output
    from ockham.data.dry_run import dry_run
    from ockham.ladder.fit import FitSpec, choose_rungs, read_spec

    source = settings.text(values, "data")
    values.pop("out", None)
    settings.requirements(values)
    spec = settings.spec(FitSpec, values)
    choose_rungs(spec)
    preview, rows = dry_run(source, read_spec(spec), test=spec.test, task_name=spec.task)
    if as_json:
        output.record(preview)
    else:
        output.preview(preview, rows if sys.stdout.isatty() else ())
    return 0


def seal(verb: str, values: Mapping[str, object], *, unsealed: bool) -> None:
    """Seal a climb: it writes into the folder of its run, or makes one in runs/."""
    out = values.get("out")
    folder = str(out) if out else "runs"
    endpoints = settings.endpoints(values)
    sealed_commands.enter(verb, values, (folder,), unsealed=unsealed, endpoints=endpoints)


def learn(run: str, *, quiet: bool = True) -> None:
    """Let `ockham plan` know how far its predictions were from what was measured; say so where that takes time."""
    from ockham import machine
    from ockham.errors import OckhamError
    from ockham.ladder.run_folder import load_result
    from ockham.planning import this_machine
    from ockham.planning.prediction_error import learn

    cache, now = machine.cache(), dt.datetime.now(dt.timezone.utc)
    message = "measuring this processor for the predictions of ockham plan, about 10 s; the verdict above stands"
    # What cannot be written there takes nothing from the verdict.
    with suppress(OckhamError), progress.progress_display(quiet=quiet) as on_progress:
        announce = partial(on_progress, Progress(stage="plan", message=message))
        learn(
            cache,
            load_result(run).reports,
            lambda: this_machine.processor(cache, now, time.process_time, on_measure=announce),
        )
