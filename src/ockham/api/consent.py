"""Who says where rows may go: the caller, in this very call. A bundle only says where it would send them.

A bundle may come from somebody else. It names a kind, an address and an environment variable; with nothing to hold them
against, it could have every row sent anywhere, with any secret of the environment as its key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ockham.api.client import EndpointSpec, address
from ockham.errors import ConsentError

ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where an endpoint's bundle may send rows, and the environment variable that its key may come from.

    ``url`` is the base or the full address; ``key_env`` is ``None`` or "" where no key may be sent.
    """

    url: str
    key_env: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerDestination(Destination):
    """A running ``ockham serve`` that rows are measured with: ``url`` is its base, as `server_base` returns it."""


def destination_of(endpoint: EndpointSpec | Destination) -> Destination:
    """Return where an endpoint's requests go, and with the key of which variable."""
    if isinstance(endpoint, Destination):
        return endpoint
    return Destination(url=endpoint.url, key_env=endpoint.key_env)


def permit(spec: EndpointSpec, destination: Destination | None) -> None:
    """Check that what a bundle asks is what the caller named.

    Raises `ConsentError` (``E_CONSENT``) where the caller named nothing, another address, or another variable.
    """
    if (
        destination is not None
        and address(destination.url) == address(spec.url)
        and (destination.key_env or None) == (spec.key_env or None)
    ):
        return
    named = "this call names no endpoint" if destination is None else "this call names another address or variable"
    message = f"the bundle sends every row to {route(spec.url, spec.key_env)}; {named}, and nothing was sent"
    flags = "--endpoint URL" + (" --endpoint-key-env NAME" if spec.key_env else "")
    fix = f"if your rows may go there, name the same address and variable: {flags}"
    raise ConsentError("E_CONSENT", message, fix=fix)


def route(url: str, key_env: str | None) -> str:
    """Name a host and the variable of its key, for a person to judge."""
    return f"{host(url)}, {'with the key from ' + variable(key_env) if key_env else 'without a key'}"


def host(url: str) -> str:
    """Return the host of an address, with its port where one is named."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        name, port = "", None
    if not name:
        return "an address that is none"
    return (name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…") + ("" if port is None else f":{port}")


def variable(name: str) -> str:
    """Return the name of an environment variable; what is no such name may be the key itself and is not shown."""
    return name if ENV_NAME.fullmatch(name) else "a variable whose name is none"


def announcement(spec: EndpointSpec | Destination, rows: int, why: str = "") -> str:
    """Say how many rows go where and with which key, before the first of them does."""
    several = "row goes" if rows == 1 else "rows go"
    return f"at most {rows:,} {several} to {route(spec.url, spec.key_env)}{why}"
