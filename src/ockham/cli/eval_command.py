"""`ockham eval`: a bundle, or a model of any origin, measured on labelled rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, progress, run_names, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.errors import ConfigError

if TYPE_CHECKING:
    from ockham.records import Report

EXAMPLES = (
    "ockham eval runs/tickets new_tickets.csv",
    "ockham eval runs/tickets new_tickets.csv --input subject --input body --target label --json",
)


@click.command("eval", cls=Command, examples=EXAMPLES)
@click.argument("bundle", type=PATH, metavar="MODEL")
@click.argument("data", type=options.NAME, required=False, metavar="DATA")
@options.columns
@section(
    "Metric",
    options.scorer,
    options.match,
    click.option("--seed", type=int, metavar="N", help="Random seed of the intervals [default: 0]."),
)
@options.task_words
@options.endpoint
@section(
    "Server",
    click.option("--server", metavar="URL", help="Measure a running server, in place of MODEL."),
    click.option("--model", metavar="NAME", help="The server's model to measure, if it has several."),
    click.option(
        "--server-key-env", metavar="NAME", help="Environment variable with the server's key [default: OCKHAM_API_KEY]."
    ),
)
@options.as_json
@options.quiet
@options.configuration
@options.unsealed_option(recorded=False)
def command(
    *, bundle: Path, data: str | None, config: Path | None, as_json: bool, quiet: bool, unsealed: bool, **flags: object
) -> None:
    """Measure a bundle or a model on labelled rows.

    MODEL is the folder of a run or of its bundle, or a model made elsewhere: a folder with a transformers or ONNX
    classifier, a sentence-transformers folder with a head, or a language model (a folder, a GGUF file, a name of
    `ockham models`, or a hub id that was fetched before). DATA holds rows with their correct answers, preferably rows
    that the model was not trained on. Every number comes with its 95 % interval. If the bundle calls an API, name that
    API and the variable of its key here too: --endpoint URL --endpoint-key-env NAME. To measure a running server:
    ockham eval --server URL DATA.
    """
    values = settings.collect("eval", config, flags)
    origins = settings.origins(config, flags, values)
    server = _take_server(values)
    if server is not None:
        if data is not None:
            raise ConfigError(
                "E_CONFIG",
                "both a bundle and a server are named",
                fix="name one of them: ockham eval MODEL DATA, or ockham eval --server URL DATA",
            )
        report = _measure_server(server, str(bundle), values, origins, quiet=quiet, unsealed=unsealed)
        _show(report, as_json=as_json)
        return
    if data is None:
        raise ConfigError(
            "E_CONFIG", "no data is named to measure on", fix="name the labelled rows: ockham eval MODEL DATA"
        )
    endpoint = settings.destination(values)
    run_names.check_run_or_model(bundle)
    run_names.check_data(data)
    reads = {"bundle": bundle, "data": data, "instructions": values.get("instructions"), "labels": values.get("labels")}
    named = [] if endpoint is None else [endpoint]
    sealed_commands.enter("eval", reads, unsealed=unsealed, endpoints=named)
    from ockham import verbs
    from ockham.bundles.measured_rows import EvalSpec

    spec = settings.spec(EvalSpec, values)
    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        report = verbs.eval(bundle, data, spec, endpoint=endpoint, on_progress=on_progress)
    _show(report, as_json=as_json)


def _show(report: Report, *, as_json: bool) -> None:
    from ockham.cli import output

    if as_json:
        output.record(report)
    else:
        output.report(report)


def _take_server(values: dict[str, object]) -> dict[str, str] | None:
    """Take the settings of a server out of ``values``; ``None`` where none is named."""
    names = ("server", "model", "server_key_env")
    own: dict[str, str] = {name: str(values.pop(name)) for name in names if name in values}
    if own and "server" not in own:
        raise ConfigError(
            "E_CONFIG", "--model names a model of a server, but no server is named", fix="add --server URL"
        )
    return own or None


def _measure_server(
    server: dict[str, str],
    data: str,
    values: dict[str, object],
    origins: dict[str, str],
    *,
    quiet: bool,
    unsealed: bool,
) -> Report:
    """Measure a running server, which a process of its own asks for the sealed one that reads the rows."""
    from ockham.api.client import server_base
    from ockham.api.consent import ServerDestination

    run_names.check_data(data)
    name = server.get("server_key_env", "OCKHAM_API_KEY")
    key_env = name if os.environ.get(name) else None
    named = ServerDestination(url=server_base(server["server"]), key_env=key_env)
    sealed_commands.enter("eval", {"data": data}, unsealed=unsealed, endpoints=[named])
    from ockham.bundles.measured_rows import EvalSpec
    from ockham.bundles.server_eval import evaluate_server

    spec = settings.spec(EvalSpec, values)
    with progress.progress_display(quiet=quiet, origins=origins) as on_progress:
        return evaluate_server(
            named.url, data, spec, model=server.get("model"), key_env=key_env, on_progress=on_progress
        )
