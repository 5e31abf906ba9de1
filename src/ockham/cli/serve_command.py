"""`ockham serve`: bundles behind the APIs that clients already speak."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, run_names, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.cli.options import PATH
from ockham.sealed.state import current

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockham.server.serve import Listening

EXAMPLES = (
    "ockham serve runs/tickets",
    "ockham serve runs/tickets --rung linear --rung encoder",
    "ockham serve mail=runs/tickets spam=runs/spam --port 8080 --api-key-env TICKETS_KEY",
)


@click.command("serve", cls=Command, examples=EXAMPLES)
@click.argument("bundles", nargs=-1, required=True, metavar="RUN_OR_BUNDLE...")
@section(
    "Server",
    click.option("--host", metavar="ADDRESS", help="Address to listen on [default: 127.0.0.1]."),
    click.option("--port", type=int, metavar="N", help="Port to listen on; 0 takes a free one [default: 8017]."),
    click.option(
        "--api-key", metavar="KEY", help="Key that clients must send; other users of this machine may see it."
    ),
    click.option(
        "--api-key-env", metavar="NAME", help="Environment variable that holds the key [default: OCKHAM_API_KEY]."
    ),
    click.option("--keys-file", type=PATH, metavar="FILE", help="Several keys: a name and a key on each line."),
    click.option(
        "--admin-key-env",
        metavar="NAME",
        help="Environment variable with the key of the admin routes [default: OCKHAM_ADMIN_API_KEY].",
    ),
)
@section(
    "Other machines",
    click.option("--tls-cert", type=PATH, metavar="FILE", help="Certificate of the server (PEM)."),
    click.option("--tls-key", type=PATH, metavar="FILE", help="Key of the certificate (PEM)."),
    click.option("--behind-proxy", is_flag=True, default=None, help="A proxy in front of the server speaks TLS."),
    click.option(
        "--allow-host", multiple=True, metavar="NAME", help="Name by which clients call the server; can be repeated."
    ),
)
@section(
    "Load",
    click.option(
        "--idle-seconds", type=float, metavar="S", help="Unload a model that is not asked for so long [default: never]."
    ),
    click.option(
        "--free-mb",
        type=float,
        metavar="MB",
        help="Unload models that are not asked while less memory is free [default: 1/20 of the machine's].",
    ),
    click.option(
        "--queue-seconds", type=float, metavar="S", help="How long a request may wait for its turn [default: 60]."
    ),
    click.option("--max-waiting", type=int, metavar="N", help="Requests in the server at once [default: 256]."),
    click.option(
        "--max-waiting-tokens", type=int, metavar="N", help="Tokens of requests in the server [default: 1000000]."
    ),
    click.option(
        "--first-token-seconds",
        type=float,
        metavar="S",
        help="Let a language model take so long for its first token at most [default: 120].",
    ),
    click.option("--answer-seconds", type=float, metavar="S", help="Take so long to answer at most [default: 300]."),
)
@section(
    "Answers",
    click.option(
        "--rung",
        "rungs",
        multiple=True,
        metavar="NAME",
        shell_complete=run_names.complete_candidates,
        help="Also serve this candidate of the run, as MODEL.NAME, to compare it on the page; repeatable.",
    ),
    click.option("--min-confidence", type=float, metavar="P", help="Decline to answer below this confidence (0 to 1)."),
)
@options.endpoint
@options.configuration
@options.unsealed_option(recorded=False)
def command(*, bundles: tuple[str, ...], config: Path | None, unsealed: bool, **flags: object) -> None:
    """Serve bundles over HTTP to clients of the OpenAI API.

    RUN_OR_BUNDLE is the folder of a run or of its bundle, or NAME=FOLDER to give the model another name than the
    folder's. Clients ask it by POST /v1/decisions, /v1/systemone and /v1/chat/completions. Without a key one is made
    up and printed. Ctrl-C ends the server once it has answered what it was asked.
    """
    from ockham.server.serve import open_server, run_opened
    from ockham.server.serve_spec import ServeSpec
    from ockham.server.served_bundle import split_name

    values = settings.collect("serve", config, flags)
    settings.origins(config, flags, values)
    settings.check_opening(config, flags, values)
    endpoint = settings.destination(values)
    spec = settings.spec(ServeSpec, values)
    for word in bundles:
        run_names.check(split_name(word)[1])
    server = open_server(bundles, spec)
    folders = [folder for bundle in server.bundles for folder in (bundle.folder, bundle.run) if folder]
    reads = {"bundle": [str(path) for path in (*folders, spec.tls_cert, spec.tls_key) if path]}
    named = [] if endpoint is None else [endpoint]
    for name in (spec.api_key_env, spec.admin_key_env):
        os.environ.pop(name, None)  # no process that is started from here on needs it
    sealed_commands.enter("serve", reads, unsealed=unsealed, endpoints=named, listening=(server.listener.fileno(),))
    run_opened(server, endpoint=endpoint, on_ready=_announce)


def _announce(server: Listening) -> None:
    """Say where the server is, what protects it, and how to try it."""
    address, key, first = server.address, server.key or "KEY", server.bundles[0]
    names = ", ".join(bundle.name for bundle in server.bundles)
    text = _sample_input(first.manifest.inputs)
    if first.manifest.task == "classify":
        choices = [{"value": label} for label in first.manifest.labels[:3]]
        question = {"type": "choice", "instructions": "Which label?", "choices": choices}
        body = {"model": first.name, "input": text, "questions": [question]}
        path, call = "decisions", f"client.decisions.create(model={first.name!r}, input=..., questions=[...])"
    else:
        message = {"role": "user", "content": text}
        body = {"model": first.name, "messages": [message]}
        path, call = "chat/completions", f"client.chat.completions.create(model={first.name!r}, messages=[...])"
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    lines = (
        f"Serving {names} at {address} ({current().label}). Press Ctrl-C to stop.",
        f"API key: {server.key or 'one of those in the file'}",
        "",
        f"Page:    {address}/#key={key}",
        f"curl:    curl {address}/v1/{path} -H 'Authorization: Bearer {key}' --json {data}",
        f"Python:  client = openai.OpenAI(base_url='{address}/v1', api_key='{key}'); {call}",
    )
    click.echo("\n".join(lines), err=True)


def _sample_input(inputs: Sequence[str]) -> str:
    """Return an input in the form that the model reads: a text, or a JSON object with its columns."""
    return "TEXT" if len(inputs) == 1 else json.dumps(dict.fromkeys(inputs, "TEXT"), ensure_ascii=False)
