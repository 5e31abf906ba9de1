"""What protects this process, for whoever writes it into a record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from ockham.sealed.policy import SEALED, SECCOMP_ALONE, SWITCHES, UNSEALED, WITHOUT_LANDLOCK

_REQUESTS = re.compile(r"([\d,]+) requests? went to ")
_ORDER = (SEALED, WITHOUT_LANDLOCK, SECCOMP_ALONE, SWITCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The label of a process, how many attacks upon its own walls failed, and whom another process may ask for it.

    ``go`` names the go in its evidence; empty where nobody watches.
    """

    label: str
    attacks: int = 0
    hosts: tuple[str, ...] = ()
    go: str = ""


_PROTECTION: ContextVar[Protection | None] = ContextVar("ockham.sealed", default=None)


def current() -> Protection:
    """Return what protects this process; one that never said so is not sealed: it runs as the user's own Python."""
    return _PROTECTION.get() or Protection(label=f"{UNSEALED}: called from Python")


def declare(protection: Protection) -> None:
    """Say what protects this process from now on."""
    _PROTECTION.set(protection)


def weakest(labels: list[str]) -> str:
    """Return the label of work that was done in several goes: that of the one which was protected least.

    What went to endpoints is no part of it (`with_requests`).
    """
    bases = [base(label) for label in labels]
    return max(bases, key=lambda label: _ORDER.index(label) if label in _ORDER else len(_ORDER))


def with_requests(label: str, counts: Mapping[str, int], hosts: Sequence[str] = (), *, missing: bool = False) -> str:
    """Add to a label how many requests went where; ``hosts`` were named, ``missing`` says that counts may lack some."""
    if label not in _ORDER:
        return label  # what is not sealed has no ledger
    every = {**dict.fromkeys(hosts, 0), **counts}
    if not every:
        return label
    least = "at least " if missing else ""
    parts = [f"{number:,} request{'' if number == 1 else 's'} went to {host}" for host, number in every.items()]
    if not missing and not any(every.values()):
        return f"{label}; no request went to {' or '.join(every)}"
    return f"{label}; {least}{' and '.join(parts)}, listed in the ledger"


def base(label: str) -> str:
    """Return a label without what went to endpoints."""
    return label.partition("; ")[0]


def requests_in(label: str) -> int:
    """Return how many requests a label names."""
    return sum(int(number.replace(",", "")) for number in _REQUESTS.findall(label))
