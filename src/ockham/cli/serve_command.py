"""`ockham serve`: bundles behind the APIs that clients already speak."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.cli import options, run_names, sealed_commands, settings
from ockham.cli.help import Command, section
from ockham.errors import ConfigError
from ockham.printable import printable
from ockham.sealed.state import current

if TYPE_CHECKING:
    from ockham.server.served_bundle import ServedBundle

EXAMPLES = (
    "ockham serve runs/tickets",
    "ockham serve mail=runs/tickets spam=runs/spam --port 8080 --api-key-env TICKETS_KEY",
)
DEFAULT_PORT = 8017
KEY_VARIABLE = "OCKHAM_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenOptions:
    """Where the server listens, with which key, and when a model declines to answer."""

    host: str = "127.0.0.1"
    port: int = field(default=DEFAULT_PORT, metadata={"min": 0, "max": 65535})
    api_key: str | None = None
    api_key_env: str = KEY_VARIABLE
    min_confidence: float | None = field(default=None, metadata={"min": 0, "max": 1})


@click.command("serve", cls=Command, examples=EXAMPLES)
@click.argument("bundles", nargs=-1, required=True, metavar="RUN_OR_BUNDLE...")
@section(
    "Server",
    click.option("--host", metavar="ADDRESS", help="Address to listen on [default: 127.0.0.1]."),
    click.option(
        "--port", type=int, metavar="N", help=f"Port to listen on; 0 takes a free one [default: {DEFAULT_PORT}]."
    ),
    click.option(
        "--api-key", metavar="KEY", help="Key that clients must send; other users of this machine may see it."
    ),
    click.option(
        "--api-key-env", metavar="NAME", help=f"Environment variable that holds the key [default: {KEY_VARIABLE}]."
    ),
)
@section(
    "Answers",
    click.option("--min-confidence", type=float, metavar="P", help="Decline to answer below this confidence (0 to 1)."),
)
@options.endpoint
@options.configuration
@options.unsealed_option
def command(*, bundles: tuple[str, ...], config: Path | None, unsealed: bool, **flags: object) -> None:
    """Serve bundles over HTTP to clients of the OpenAI API.

    RUN_OR_BUNDLE is the folder of a run or of its bundle, or NAME=FOLDER to give the model another name than the
    folder's. Clients ask it by POST /v1/decisions, /v1/systemone and /v1/chat/completions. Without a key one is made
    up and printed. Ctrl-C ends the server once it has answered what it was asked.
    """
    from ockham.server.served_bundle import read_served_bundles, split_name

    values = settings.collect("serve", config, flags)
    endpoint = settings.destination(values)
    listen = settings.spec(ListenOptions, values)
    for word in bundles:
        run_names.check(split_name(word)[1])
    served = tuple(read_served_bundles(bundles))
    key = listen.api_key or os.environ.get(listen.api_key_env) or secrets.token_urlsafe(24)
    listener = _listen(listen)
    reads = {"bundle": [str(bundle.folder) for bundle in served]}
    named = [] if endpoint is None else [endpoint]
    descriptor = listener.detach()
    sealed_commands.enter("serve", reads, unsealed=unsealed, endpoints=named, listening=(descriptor,))
    from ockham.server.access import LOOPBACK, Access, key_digest
    from ockham.server.run_server import ServeSpec, run_server

    listener = socket.socket(fileno=descriptor)
    spec = ServeSpec(
        bundles=served,
        access=Access(keys={"main": key_digest(key)}, hosts=(*LOOPBACK, listen.host)),
        endpoint=endpoint,
        min_confidence=listen.min_confidence,
    )
    address = f"http://{listen.host}:{listener.getsockname()[1]}"
    run_server(spec, [listener], lambda _seconds: _announce(address, key, served))


def _listen(listen: ListenOptions) -> socket.socket:
    """Open the socket that clients connect to. Raises `ConfigError` (``E_CONFIG``) where that is not possible."""
    try:
        return socket.create_server((listen.host, listen.port), backlog=1024)
    except OSError as error:
        message = f"cannot listen on {printable(listen.host)}, port {listen.port}: {os.strerror(error.errno or 0)}"
        raise ConfigError("E_CONFIG", message, fix="choose another port: --port N") from None


def _announce(address: str, key: str, served: tuple[ServedBundle, ...]) -> None:
    """Say where the server is, what protects it, and how to try it."""
    first = served[0]
    click.echo(f"Serving {', '.join(bundle.name for bundle in served)} at {address} ({current().label})", err=True)
    click.echo(f"API key: {key}\n", err=True)
    if first.manifest.task == "classify":
        choices = [{"value": label} for label in first.manifest.labels[:3]]
        question = {"type": "choice", "instructions": "Which label?", "choices": choices}
        body = {"model": first.name, "input": "TEXT", "questions": [question]}
        path, call = "decisions", f"client.decisions.create(model={first.name!r}, input=..., questions=[...])"
    else:
        message = {"role": "user", "content": "TEXT"}
        body = {"model": first.name, "messages": [message]}
        path, call = "chat/completions", f"client.chat.completions.create(model={first.name!r}, messages=[...])"
    data = shlex.quote(json.dumps(body, ensure_ascii=False))
    click.echo(f"  curl {address}/v1/{path} -H 'Authorization: Bearer {key}' --json {data}", err=True)
    click.echo(f"  client = openai.OpenAI(base_url='{address}/v1', api_key='{key}'); {call}", err=True)
    click.echo("Ctrl-C stops it.", err=True)
