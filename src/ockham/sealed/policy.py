"""What a run may touch, and what its label says: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SEALED = "sealed"
WITHOUT_LANDLOCK = "sealed (without Landlock)"
SECCOMP_ALONE = "sealed (seccomp alone)"
SWITCHES = "switches only"
UNSEALED = "not sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What one command may do: folders and files it may change, and those it may read wherever they lie.

    Everything else can be read but the places where keys are kept (`ockham.sealed.landlock.HIDDEN`), and nothing else
    can be changed. ``hosts`` are those of endpoints that a process outside may ask for it, ``keys`` the variables
    whose keys that process holds.
    """

    verb: str
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Which walls stand around a process: what it reports of itself when it has put them up.

    ``landlock`` is the version of it (0: none); ``limits`` are in bytes and files; ``absent`` says why a wall does not
    stand; ``forgotten`` are the names of the environment variables that were removed.
    """

    namespaces: bool = False
    seccomp: bool = False
    landlock: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    forgotten: tuple[str, ...] = ()
    closed: int = 0

    @property
    def label(self) -> str:
        """Return the name of the protection that these walls give together."""
        if not self.seccomp:
            return SWITCHES
        if not self.namespaces:
            return SECCOMP_ALONE
        return SEALED if self.landlock else WITHOUT_LANDLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attempt to get out, and what stopped it (``EACCES``); ``None`` where nothing did."""

    name: str
    stopped: str | None
