"""Serve bundles: the socket, and the call that a program or the command line makes."""

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
from ockham.server.serve_spec import ServeSpec
from ockham.server.served_bundle import ServedBundle, read_served_bundles
from ockham.server.server_keys import ServerKeys, read_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A server that waits for clients: its address, the key that they need, and the models that it has.

    ``key`` is ``None`` where the keys are those of a file.
    """

    address: str
    key: str | None = field(repr=False)
    bundles: tuple[ServedBundle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenServer:
    """A server that does not listen yet: what was read for it, and the socket, before the process is sealed."""

    spec: ServeSpec
    bundles: tuple[ServedBundle, ...]
    keys: ServerKeys = field(repr=False)
    listener: socket.socket


def serve(
    bundles: str | Path | Sequence[str | Path],
    spec: ServeSpec | None = None,
    *,
    endpoint: Destination | None = None,
    on_ready: Callable[[Listening], None],
) -> None:
    """Serve runs or bundles over HTTP until SIGINT or SIGTERM comes; each is a folder, or NAME=FOLDER.

    ``on_ready`` hears the address and the key when the first model is loaded. An endpoint's bundle is asked only where
    ``endpoint`` names the address and the variable of the key that the bundle does. Raises what `open_server` and
    loading the first model raise.
    """
    words = [bundles] if isinstance(bundles, (str, Path)) else bundles
    run_opened(open_server([str(word) for word in words], spec or ServeSpec()), endpoint=endpoint, on_ready=on_ready)


def open_server(bundles: Sequence[str], spec: ServeSpec) -> OpenServer:
    """Read the bundles' manifests and the keys, and open the socket; behind the walls of a sealed process none can be.

    Raises `ConfigError` (``E_CONFIG``) for an address that cannot be listened on, for keys and for names that cannot be
    used, and `BundleError` for a folder that is no bundle.
    """
    served = tuple(read_served_bundles(bundles, spec.rungs))
    keys = read_keys(spec)
    return OpenServer(spec=spec, bundles=served, keys=keys, listener=open_listener(spec))


def run_opened(
    server: OpenServer, *, endpoint: Destination | None = None, on_ready: Callable[[Listening], None]
) -> None:
    """Listen until SIGINT or SIGTERM comes. Raises what loading the first model raises."""
    from ockham.server.access import LOOPBACK, Access
    from ockham.server.admission import AdmissionSpec
    from ockham.server.open_reply import Deadlines
    from ockham.server.run_server import ServerPlan, run_server

    spec, keys = server.spec, server.keys
    hosts = {*LOOPBACK, spec.host, *map(str.lower, spec.allow_hosts)}
    plan = ServerPlan(
        bundles=server.bundles,
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
    with server.listener as listener:
        scheme = "http" if spec.tls_cert is None else "https"
        address = f"{scheme}://{spec.host}:{listener.getsockname()[1]}"
        listening = Listening(address=address, key=keys.shown, bundles=server.bundles)
        run_server(plan, [listener], lambda: on_ready(listening))


def open_listener(spec: ServeSpec) -> socket.socket:
    """Open the socket that clients connect to.

    Raises `ConfigError` (``E_CONFIG``) where that is not possible, and for an address that others can reach where
    nothing protects the key on its way.
    """
    if (spec.tls_cert is None) != (spec.tls_key is None):
        raise ConfigError(
            "E_CONFIG", "TLS needs both a certificate and its key", fix="add --tls-cert FILE --tls-key FILE"
        )
    if not _is_loopback(spec.host) and spec.tls_cert is None and not spec.behind_proxy:
        message = f"{printable(spec.host)} can be reached from other machines, and the API key would travel unencrypted"
        fix = "add --tls-cert FILE --tls-key FILE, or --behind-proxy if a proxy in front of the server handles TLS"
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
