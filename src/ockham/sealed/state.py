"""What protects this process, for whoever writes it into a record."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from ockham.sealed.policy import SEALED, SECCOMP_ALONE, SWITCHES, UNSEALED, WITHOUT_LANDLOCK

_ORDER = (SEALED, WITHOUT_LANDLOCK, SECCOMP_ALONE, SWITCHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The label of a process, and how many attacks upon its own walls failed."""

    label: str
    attacks: int = 0


_PROTECTION: ContextVar[Protection | None] = ContextVar("ockham.sealed", default=None)


def current() -> Protection:
    """Return what protects this process; one that never said so is not sealed: it runs as the user's own Python."""
    return _PROTECTION.get() or Protection(label=f"{UNSEALED}: called from Python")


def declare(protection: Protection) -> None:
    """Say what protects this process from now on."""
    _PROTECTION.set(protection)


def weakest(labels: list[str]) -> str:
    """Return the label of work that was done in several goes: that of the one which was protected least."""
    return max(labels, key=lambda label: _ORDER.index(label) if label in _ORDER else len(_ORDER))
