"""`ockham tune`: one model, tuned and measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from ockham.cli import fit_command, options, progress, sealed_commands, settings
from ockham.cli.options import PATH


@click.command("tune")
@click.argument("data", metavar="DATA")
@click.option(
    "--base", required=True, metavar="MODEL", help="The model to tune: a Hugging Face folder or a hub id (id@revision)."
)
@options.columns
@fit_command.REQUIREMENTS
@fit_command.TUNING
@click.option("--out", type=PATH, metavar="FOLDER", help="Where the run is kept; a folder in runs/ otherwise.")
@options.configuration
@options.yes
@options.as_json
@options.quiet
@options.unsealed_option
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
    """Tune one model on labelled rows with LoRA.

    DATA is as for `ockham fit`, and so is all else: a test set is put aside, the model is measured before and after
    tuning as it would be served, beside the rungs that cost nothing. MODEL is a causal language model or a sentence
    encoder. `ockham export RUN --to peft` takes the adapter out.
    """
    unsealed = bool(flags.pop("unsealed"))
    values = settings.collect("tune", config, flags)
    origins = settings.origins(config, flags, values)
    fit_command.seal("tune", {**values, "data": data, "base": base, "out": out}, unsealed=unsealed)
    from ockham.cli import output
    from ockham.ladder.fit import FitSpec, tune

    needs = settings.requirements(values)
    spec = dataclasses.replace(settings.spec(FitSpec, values), all=True)
    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        verdict = tune(data, base, spec, needs, out=out, on_progress=on_progress)
    if as_json:
        output.record(verdict)
    else:
        output.verdict(verdict)
    sealed_commands.record_unsealed(verdict.run)
    fit_command.learn(verdict.run)
    return verdict.exit_status
