"""`ockham tune`: one model, tuned and measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from ockham.cli import fit_command, options, progress, run_names, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH

EXAMPLES = (
    "ockham tune examples/deliveries.jsonl --base ockham-nano --out runs/deliveries",
    "ockham tune tickets.csv --target label --base ./SmolLM2-135M-Instruct --epochs 2",
)


@click.command("tune", cls=Command, examples=EXAMPLES)
@click.argument("data", type=options.NAME, metavar="DATA")
@section(
    "Models",
    click.option(
        "--base", required=True, metavar="MODEL", help="Model to tune: a Hugging Face folder or a hub id (id@revision)."
    ),
)
@options.columns
@fit_command.ROWS
@fit_command.REQUIREMENTS
@fit_command.TUNING
@options.yes
@section(
    "Output",
    click.option("--out", type=PATH, metavar="FOLDER", help="Folder for the run [default: a new one in runs/]."),
)
@options.as_json
@options.quiet
@options.configuration
@options.unsealed_option(recorded=True)
def command(
    *,
    data: str,
    base: str,
    config: Path | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **flags: object,
) -> int:
    """Fine-tune one model on labelled rows with LoRA, and measure it.

    This is `ockham fit` for one model of your choice: a test set is set aside, and the model is measured before and
    after tuning, as it would be served, beside the baselines. MODEL is a causal language model or a sentence encoder.
    The LoRA adapter of a causal language model can be exported: `ockham export RUN --to peft -o FOLDER`.
    """
    unsealed = bool(flags.pop("unsealed"))
    values = settings.collect("tune", config, flags)
    settings.check_names(values, flags)
    origins = settings.origins(config, flags, values)
    settings.requirements(dict(values))
    run_names.check_models([base])
    run_names.check_data(data)
    fit_command.seal("tune", {**values, "data": data, "base": base, "out": out}, unsealed=unsealed)
    from ockham.cli import output
    from ockham.ladder.fit import FitSpec, tune

    needs = settings.requirements(values)
    spec = dataclasses.replace(settings.spec(FitSpec, values), all=True)
    with progress.progress_display(quiet=quiet, origins=origins, resumes=True) as on_progress:
        verdict = tune(data, base, spec, needs, out=out, on_progress=on_progress)
    if as_json:
        output.record(verdict)
    else:
        output.verdict(verdict)
    sealed_commands.record_unsealed(verdict.run)
    fit_command.learn(verdict.run, quiet=quiet)
    return verdict.exit_status
