"""`ockham fit`: the main job."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import get_args

import click

from ockham.cli import options, progress, sealed_commands, settings
from ockham.cli.options import PATH, together
from ockham.records import DeviceName, PrecisionName, TaskName

REQUIREMENTS = together(
    click.option("--min-accuracy", type=float, metavar="SHARE", help="Least accuracy, as in 0.90."),
    click.option("--min-f1-macro", type=float, metavar="SHARE", help="Least macro F1: every label counts the same."),
    click.option("--min-f1-weighted", type=float, metavar="SHARE", help="Least weighted F1."),
    click.option("--min-f1-micro", type=float, metavar="SHARE", help="Least F1 over all fields that are extracted."),
    click.option("--min-validity", type=float, metavar="SHARE", help="Least share of answers that are JSON objects."),
    click.option("--min-chrf", type=float, metavar="SHARE", help="Least chrF: likeness of texts that are written."),
    click.option("--min-rouge-l", type=float, metavar="SHARE", help="Least ROUGE-L of texts that are written."),
    click.option("--min-f1-tokens", type=float, metavar="SHARE", help="Least F1 of words of texts that are written."),
    click.option("--min-score", type=float, metavar="SHARE", help="Least mean score of the --scorer."),
    click.option("--max-p50-ms", type=float, metavar="MS", help="Greatest median latency, one request at a time."),
    click.option("--max-p95-ms", type=float, metavar="MS", help="Greatest 95th percentile latency."),
    click.option("--max-p99-ms", type=float, metavar="MS", help="Greatest 99th percentile latency."),
    click.option("--max-memory-mb", type=float, metavar="MB", help="Greatest resident memory of the serving process."),
    click.option("--max-artifact-mb", type=float, metavar="MB", help="Greatest size on disk."),
    click.option("--max-cost-per-day", type=float, metavar="USD", help="Greatest cost; needs --requests-per-day."),
    click.option("--requests-per-day", type=float, metavar="N", help="Requests to be served in a day."),
    click.option(
        "--tolerance", type=float, metavar="POINTS", help="Points below the best that still do (1 if not set)."
    ),
)
TUNING = together(
    click.option("--test", metavar="FILE", help="A test set of your own; none is split off then."),
    click.option(
        "--merge-labels", is_flag=True, default=None, help="Take spellings of what looks like one label as one label."
    ),
    click.option("--task", type=click.Choice(get_args(TaskName)), help="The task, where it is not found out."),
    options.scorer,
    click.option("--seed", type=int, metavar="N", help="Where the randomness starts (0 if not set)."),
    click.option("--epochs", type=int, metavar="N", help="Most passes over the training rows when tuning."),
    click.option("--learning-rate", type=float, metavar="RATE", help="Learning rate when tuning."),
    click.option("--batch", type=int, metavar="N", help="Rows per step when tuning (8 to 64 if not set)."),
    click.option("--rank", type=int, metavar="N", help="Rank of the LoRA adapter when tuning."),
    click.option("--device", type=click.Choice(get_args(DeviceName)), help="Where language models compute (auto)."),
    click.option(
        "--precision",
        type=click.Choice(get_args(PrecisionName)),
        help="What language models are tuned in (auto: bfloat16 where that is measured to be faster).",
    ),
)
CHOICES = together(
    click.option("--encoder", metavar="NAME", help="Folder or hub id (id@revision) of a sentence encoder."),
    click.option(
        "--models", metavar="A,B", help="Language models to try: folders, GGUF files or hub ids (id@revision)."
    ),
    click.option("--models-folder", metavar="FOLDER", help="Where models stand too, for when none is named."),
    click.option("--all", "all_", is_flag=True, default=None, help="Climb on after the first rung that does the job."),
    click.option("--rung", multiple=True, metavar="NAME", help="Climb only this rung; give it once per rung."),
)
ENDPOINT = together(
    click.option("--endpoint", metavar="URL", help="An OpenAI-compatible API to measure too. Rows are sent to it."),
    click.option("--endpoint-model", metavar="NAME", help="The API's model."),
    click.option("--endpoint-key-env", metavar="NAME", help="Environment variable that holds the API's key."),
    click.option("--endpoint-price", metavar="IN,OUT", help="USD per million tokens in and out, as in 0.15,0.60."),
    click.option("--endpoint-max-cost", type=float, metavar="USD", help="Stop asking the API before it costs more."),
    click.option("--judge", metavar="URL", help="An API to judge written answers. Test rows are sent to it."),
    click.option("--judge-model", metavar="NAME", help="The judge's model; no verdict rests on what it says."),
    click.option("--judge-key-env", metavar="NAME", help="Environment variable that holds the judge's key."),
    click.option("--judge-price", metavar="IN,OUT", help="USD per million tokens in and out of the judge."),
    click.option("--judge-max-cost", type=float, metavar="USD", help="Stop asking the judge before it costs more."),
    click.option("--prices", metavar="FILE", help="Price table of your own (TOML)."),
    options.yes,
)


@click.command("fit")
@click.argument("data", required=False, metavar="DATA")
@options.columns
@REQUIREMENTS
@TUNING
@CHOICES
@ENDPOINT
@click.option("--out", type=PATH, metavar="FOLDER", help="Where the run is kept; a folder in runs/ otherwise.")
@click.option("--dry-run", is_flag=True, help="Only show what would be read: form, columns, labels, what is left out.")
@options.configuration
@options.as_json
@options.quiet
@options.unsealed_option
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

    DATA is a CSV, TSV, JSON, JSONL or Parquet file of labelled rows, or a folder of them. A test set is put aside, the
    rungs of the ladder are tried from the smallest up and measured as they would be served, and the verdict says which
    one to use, why, and what is still unknown.

    The run can be stopped and started again: what is done is not done twice. Exit status: 0 a candidate was chosen, 3
    none meets the requirements, 4 cannot tell yet, 2 bad input or usage, 1 a fault of ours.
    """
    from ockham.errors import ConfigError

    dry_run = flags.pop("dry_run")
    arguments = {"data": data, "out": out and str(out), "all": flags.pop("all_"), **flags}
    values = settings.collect("fit", config, arguments)
    origins = settings.origins(config, arguments, values)
    if dry_run:
        return show_dry_run(values, as_json=as_json, unsealed=unsealed)
    seal("fit", values, unsealed=unsealed)
    from ockham.cli import output
    from ockham.ladder.fit import FitSpec, fit

    source, folder = settings.text(values, "data"), settings.text(values, "out")
    if source is None:
        raise ConfigError("E_CONFIG", "no data is named", fix="name the file: ockham fit FILE")
    needs = settings.requirements(values)
    spec = settings.spec(FitSpec, values)
    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        verdict = fit(source, spec, needs, out=None if folder is None else Path(folder), on_progress=on_progress)
    if as_json:
        output.record(verdict)
    else:
        output.verdict(verdict)
    sealed_commands.record_unsealed(verdict.run)
    learn(verdict.run)
    return verdict.exit_status


def show_dry_run(values: dict[str, object], *, as_json: bool, unsealed: bool) -> int:
    """Show what a fit would read, and write nothing; rows of the data on a terminal only."""
    from ockham.errors import ConfigError

    sealed_commands.enter("fit", values, unsealed=unsealed)
    from ockham.cli import output
    from ockham.data.dry_run import dry_run
    from ockham.ladder.fit import FitSpec, read_spec

    source = settings.text(values, "data")
    values.pop("out", None)
    if source is None:
        raise ConfigError("E_CONFIG", "no data is named", fix="name the file: ockham fit --dry-run FILE")
    settings.requirements(values)
    spec = settings.spec(FitSpec, values)
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


def learn(run: str) -> None:
    """Let `ockham plan` know how far its predictions were from what was measured."""
    from ockham import machine
    from ockham.errors import OckhamError
    from ockham.ladder.run_folder import load_result
    from ockham.plan import this_machine
    from ockham.plan.prediction_error import learn

    cache, now = machine.cache(), dt.datetime.now(dt.timezone.utc)
    # What cannot be written there takes nothing from the verdict.
    with suppress(OckhamError):
        learn(cache, load_result(run).reports, lambda: this_machine.processor(cache, now, time.process_time))
