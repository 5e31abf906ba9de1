"""Serve bundles: the settings, the socket, and the call that a program or the command line makes."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ockham.api.consent import Destination
from ockham.errors import ConfigError
from ockham.printable import printable
from ockham.server.served_bundle import ServedBundle, read_served_bundles
from ockham.server.server_keys import ADMIN_VARIABLE, ServerKeys, read_keys

DEFAULT_PORT = 8017
KEY_VARIABLE = "OCKHAM_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSpec:
    """Where the server listens, with which key, and when a model declines to answer.

    A ``host`` that other machines reach needs ``tls_cert`` and ``tls_key`` (files in PEM), or ``behind_proxy``: what
    stands in front speaks TLS. ``allow_hosts`` are the names by which clients call the server then. A model that nobody
    asks for ``idle_seconds`` is unloaded until it is asked again, as the longest unused ones are while less than
    ``free_mb`` of memory is free (a twentieth of the machine's). ``max_waiting`` requests and ``max_waiting_tokens``
    are let in at once, each for ``queue_seconds`` until its turn comes; a language model then writes its first token
    within ``first_token_seconds``, and the whole answer takes ``answer_seconds``. Without ``api_key`` the key is in
    the environment variable ``api_key_env``, or else made up. ``keys_file`` names further keys; ``admin_key_env`` is
    the variable of the key of the admin routes.
    ``port`` 0 takes a free one. Below ``min_confidence`` a model gives no answer.
    ``rungs`` are candidates of the runs that are served beside the chosen ones.
    """

    host: str = "127.0.0.1"
    port: int = field(default=DEFAULT_PORT, metadata={"min": 0, "max": 65535})
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str = KEY_VARIABLE
    keys_file: Path | None = None
    admin_key_env: str = ADMIN_VARIABLE
    min_confidence: float | None = field(default=None, metadata={"min": 0, "max": 1})
    rungs: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    allow_hosts: tuple[str, ...] = ()
    idle_seconds: float | None = field(default=None, metadata={"above": 0})
    free_mb: float | None = field(default=None, metadata={"min": 0})
    queue_seconds: float = field(default=60.0, metadata={"above": 0, "max": 3600})
    max_waiting: int = field(default=256, metadata={"min": 1, "max": 100_000})
    max_waiting_tokens: int = field(default=1_000_000, metadata={"min": 1, "max": 1_000_000_000})
    first_token_seconds: float = field(default=120.0, metadata={"above": 0})
    answer_seconds: float = field(default=300.0, metadata={"above": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A server that waits for clients: its address, the key that they need, and the models that it has.

    ``key`` is ``None`` where the keys are those of a file.
    """

    address: str
    key: str | None = field(repr=False)
    bundles: tuple[ServedBundle, ...]


def serve(
    bundles: str | Path | Sequence[str | Path],
    spec: ServeSpec | None = None,
    *,
    endpoint: Destination | None = None,
    on_ready: Callable[[Listening], None],
    listener: socket.socket | None = None,
    keys: ServerKeys | None = None,
) -> None:
    """Serve runs or bundles over HTTP until SIGINT or SIGTERM comes; each is a folder, or NAME=FOLDER.

    ``on_ready`` hears the address and the key when the first model is loaded. An endpoint's bundle is asked only where
    ``endpoint`` names the address and the variable of the key that the bundle does. ``listener`` is a socket that is
    open already, in place of `open_listener`, ``keys`` those that were read already. Raises `ConfigError`
    (``E_CONFIG``) for an address that cannot be listened on, `BundleError` for a folder that is no bundle, and what
    loading the first model raises.
    """
    from ockham.server.access import LOOPBACK, Access
    from ockham.server.admission import AdmissionSpec
    from ockham.server.open_reply import Deadlines
    from ockham.server.run_server import ServerPlan, run_server

    spec = spec or ServeSpec()
    words = [bundles] if isinstance(bundles, (str, Path)) else bundles
    served = tuple(read_served_bundles([str(word) for word in words], spec.rungs))
    keys = keys or read_keys(spec)
    hosts = {*LOOPBACK, spec.host, *map(str.lower, spec.allow_hosts)}
    plan = ServerPlan(
        bundles=served,
        access=Access(keys=keys.digests, hosts=hosts, admin=keys.admin),
        admission=AdmissionSpec(requests=spec.max_waiting, tokens=spec.max_waiting_tokens),
        idle_seconds=spec.idle_seconds,
        deadlines=Deadlines(queue=spec.queue_seconds, first=spec.first_token_seconds, total=spec.answer_seconds),
        free_mb=spec.free_mb,
        certificate=spec.tls_cert,
        certificate_key=spec.tls_key,
        endpoint=endpoint,
        min_confidence=spec.min_confidence,
    )
    with listener or open_listener(spec) as opened:
        scheme = "http" if spec.tls_cert is None else "https"
        address = f"{scheme}://{spec.host}:{opened.getsockname()[1]}"
        run_server(plan, [opened], lambda: on_ready(Listening(address=address, key=keys.shown, bundles=served)))


def open_listener(spec: ServeSpec) -> socket.socket:
    """Open the socket that clients connect to.

    Raises `ConfigError` (``E_CONFIG``) where that is not possible, and for an address that others can reach where
    nothing protects the key on its way.
    """
    if (spec.tls_cert is None) != (spec.tls_key is None):
        raise ConfigError("E_CONFIG", "TLS needs a certificate and its key", fix="give --tls-cert and --tls-key")
    if not _is_loopback(spec.host) and spec.tls_cert is None and not spec.behind_proxy:
        message = f"{printable(spec.host)} can be reached from other machines, and the key would go there in the open"
        fix = "give --tls-cert and --tls-key, or --behind-proxy where a proxy in front speaks TLS"
        raise ConfigError("E_CONFIG", message, fix=fix)
    try:
        return socket.create_server((spec.host, spec.port), backlog=1024)
    except OSError as error:
        message = f"cannot listen on {printable(spec.host)}, port {spec.port}: {os.strerror(error.errno or 0)}"
        raise ConfigError("E_CONFIG", message, fix="choose another port: --port N") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
