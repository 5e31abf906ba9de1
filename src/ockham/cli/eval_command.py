"""`ockham eval`: a bundle measured on labelled rows."""

from __future__ import annotations

from pathlib import Path

import click

from ockham.cli import options, progress, sealed_commands, settings
from ockham.cli.options import PATH


@click.command("eval")
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.argument("data", metavar="DATA")
@options.columns
@click.option("--seed", type=int, metavar="N", help="Where the randomness of the intervals starts (0 if not set).")
@options.scorer
@options.endpoint
@options.configuration
@options.as_json
@options.quiet
@options.unsealed_option
def command(
    *, bundle: Path, data: str, config: Path | None, as_json: bool, quiet: bool, unsealed: bool, **flags: object
) -> None:
    """Measure a bundle on labelled rows.

    BUNDLE is a run's folder or its bundle; DATA holds rows with their right answers, best rows that the bundle was
    never fitted on. Every number comes with its 95 % interval. Where the bundle asks an API, that API and the variable
    of its key must be named here too: --endpoint URL --endpoint-key-env NAME.
    """
    values = settings.collect("eval", config, flags)
    origins = settings.origins(config, flags, values)
    endpoint = settings.destination(values)
    reads = {"bundle": bundle, "data": data}
    named = [] if endpoint is None else [endpoint]
    sealed_commands.enter("eval", reads, unsealed=unsealed, endpoints=named)
    from ockham.bundles.predict import EvalSpec, evaluate
    from ockham.cli import output

    spec = settings.spec(EvalSpec, values)
    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        report = evaluate(bundle, data, spec, endpoint=endpoint, on_progress=on_progress)
    if as_json:
        output.record(report)
    else:
        output.report(report)
