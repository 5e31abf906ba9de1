"""`ockham eval`: a bundle, or a model of any origin, measured on labelled rows."""

from __future__ import annotations

from pathlib import Path

import click

from ockham.cli import options, progress, run_names, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH

EXAMPLES = (
    "ockham eval runs/tickets new_tickets.csv",
    "ockham eval runs/tickets new_tickets.csv --input subject --input body --target label --json",
)


@click.command("eval", cls=Command, examples=EXAMPLES)
@click.argument("bundle", type=PATH, metavar="BUNDLE")
@click.argument("data", type=options.NAME, metavar="DATA")
@options.columns
@section(
    "Metric",
    options.scorer,
    click.option("--seed", type=int, metavar="N", help="Random seed of the intervals [default: 0]."),
)
@options.task_words
@options.endpoint
@options.as_json
@options.quiet
@options.configuration
@options.unsealed_option
def command(
    *, bundle: Path, data: str, config: Path | None, as_json: bool, quiet: bool, unsealed: bool, **flags: object
) -> None:
    """Measure a bundle or a model on labelled rows.

    BUNDLE is the folder of a run or of its bundle, or a model made elsewhere: a folder with a transformers or ONNX
    classifier, a sentence-transformers folder with a head, or a language model (a folder or a GGUF file). DATA holds
    rows with their correct answers, preferably rows that the model was not trained on. Every number comes with its
    95 % interval. If the bundle calls an API, name that API and the variable of its key here too: --endpoint URL
    --endpoint-key-env NAME.
    """
    values = settings.collect("eval", config, flags)
    origins = settings.origins(config, flags, values)
    endpoint = settings.destination(values)
    run_names.check(bundle)
    run_names.check_data(data)
    reads = {"bundle": bundle, "data": data, "instructions": values.get("instructions"), "labels": values.get("labels")}
    named = [] if endpoint is None else [endpoint]
    sealed_commands.enter("eval", reads, unsealed=unsealed, endpoints=named)
    from ockham import verbs
    from ockham.bundles.predict import EvalSpec
    from ockham.cli import output

    spec = settings.spec(EvalSpec, values)
    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        report = verbs.eval(bundle, data, spec, endpoint=endpoint, on_progress=on_progress)
    if as_json:
        output.record(report)
    else:
        output.report(report)
