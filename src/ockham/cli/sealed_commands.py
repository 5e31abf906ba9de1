"""Which verbs are sealed, what each may touch, and when one is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockham.printable import printable
from ockham.sealed.policy import UNSEALED, Policy
from ockham.sealed.state import Protection, current, declare

if TYPE_CHECKING:
    from ockham.api.client import EndpointSpec
    from ockham.api.consent import Destination

_READ = (
    "data",
    "test",
    "encoder",
    "base",
    "models",
    "models_folder",
    "prices",
    "bundle",
    "config",
    "instructions",
    "labels",
)
"""The settings that name something to read."""
_FETCHED = (("decoder", "models"), ("decoder", "base"), ("encoder", "encoder"))
_POLICY = "ockham.sealed.policy"


def enter(
    verb: str,
    values: Mapping[str, object],
    folders: tuple[str, ...] = (),
    *,
    unsealed: bool,
    endpoints: Sequence[Destination | EndpointSpec] = (),
    listening: tuple[int, ...] = (),
) -> None:
    """Seal the rest of the command, if it was started as a command: what follows runs behind the walls.

    ``folders`` are those that it may write to, ``endpoints`` the APIs that another process asks for it, ``listening``
    the descriptors of sockets that wait for clients. The process forks; the parent stays here, watches, writes the
    evidence, and leaves with the other's exit status. A command that was called from Python, or is told ``unsealed``,
    or must speak over a network in ways that cannot be pinned down, goes on as it is.
    """
    if not click.get_current_context().find_root().obj:
        return
    from ockham import sealing
    from ockham.api import consent

    read = [word for name in _READ for word in _words(values.get(name))]
    policy = sealing.policy(verb, read=read, write=folders)
    click.get_current_context().meta[_POLICY] = policy
    why = reason(values, unsealed=unsealed, endpoints=endpoints)
    if why is not None:
        declare(Protection(label=f"{UNSEALED}: {why}"))
        return
    data = [word for name in ("data", "test") for word in _words(values.get(name))]
    names = [(kind, word) for kind, name in _FETCHED for word in _parts(values.get(name))]
    wanted = sealing.Preparation(
        folders=folders,
        models=tuple(names),
        data=tuple(data),
        endpoints=tuple(consent.destination_of(endpoint) for endpoint in endpoints),
        listening=listening,
    )
    status = sealing.fork(policy, wanted, lambda words: click.echo(printable(words), err=True))
    if status is not None:
        raise click.exceptions.Exit(status)


def reason(
    values: Mapping[str, object], *, unsealed: bool, endpoints: Sequence[Destination | EndpointSpec] = ()
) -> str | None:
    """Return why a command is not sealed, or ``None``."""
    if unsealed:
        return "--unsealed"
    if any(getattr(endpoint, "trust_env", False) for endpoint in endpoints):
        return "a proxy of the environment may carry what is sent to an endpoint (trust_env)"
    return "Ray works over the network" if values.get("engine") == "ray" else None


def record_unsealed(run: str) -> None:
    """Write the label of a command that is not sealed into the evidence of its run."""
    from ockham import sealing
    from ockham.sealed import connector, evidence

    policy = click.get_current_context().meta.get(_POLICY)
    if isinstance(policy, Policy) and not connector.control():
        sealing.keep(run, policy, evidence.unwatched_evidence(policy, current().label))


def list_items(value: object) -> Sequence[object]:
    """List what a setting holds, one thing or several; none where it is not set."""
    return value if isinstance(value, (list, tuple)) else [] if value is None else [value]


def _words(value: object) -> list[str]:
    """List the texts of a setting that holds one or several."""
    return [str(item) for item in list_items(value) if isinstance(item, (str, Path)) and str(item)]


def _parts(value: object) -> Iterable[str]:
    """List names that may stand in one text, between commas."""
    return (part.strip() for word in _words(value) for part in word.split(",") if part.strip())
