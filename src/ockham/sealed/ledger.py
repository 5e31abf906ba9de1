"""The ledger: one row for each request that leaves the machine, chained by digests. Values only; `store` writes it.

A row is on the disk before its request is made, so that a kill in between leaves a row too many, never one too few.
Each row holds the digest of the one before it: whoever removes or changes a row must change all that follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ockham.records import digest, plain

FIRST = "0" * 64
REQUEST = "request"
"""The event of a row that stands for a request with a body; others are lookups and connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request: who makes it (``process``), by which call (``event``), to whom, and when (ISO 8601, UTC).

    A request with a body has its ``method``, its ``path``, the ``bytes`` of the body and their ``sha256``; never the
    body or a key. ``allowed`` is false for an attempt that was refused, and ``library`` names the packages on the stack
    that made it, the innermost first. ``before`` is the digest of the row before it.
    """

    number: int
    time: str
    process: str
    event: str
    host: str
    port: int | None
    before: str
    method: str = ""
    path: str = ""
    bytes: int | None = None
    sha256: str = ""
    allowed: bool = True
    library: str = ""


_WORDS = ("time", "process", "event", "host", "before", "method", "path", "sha256", "library")


def follow(rows: Sequence[Row]) -> str:
    """Return what the next row must hold as the digest of the one before it."""
    return digest(plain(rows[-1])) if rows else FIRST


def row(values: Mapping[str, object]) -> Row:
    """Read a row. Raises `ValueError` where it is not one."""
    try:
        number, port, size, allowed = (values[name] for name in ("number", "port", "bytes", "allowed"))
        words = {name: str(values[name]) for name in _WORDS}
    except KeyError:
        raise ValueError("a row of the ledger is not whole") from None
    numbers = isinstance(number, int) and all(value is None or isinstance(value, int) for value in (port, size))
    if not numbers or not isinstance(allowed, bool) or len(values) != len(_WORDS) + 4:
        raise ValueError("a row of the ledger is not whole")
    return Row(number=number, port=port, bytes=size, allowed=allowed, **words)  # type: ignore[arg-type]


def is_whole(rows: Sequence[Row]) -> bool:
    """Return whether rows follow one another without a gap, from the first on."""
    befores = [FIRST, *(digest(plain(row)) for row in rows[:-1])]
    return all(row.number == index and row.before == befores[index] for index, row in enumerate(rows))


def count_requests(rows: Sequence[Row]) -> dict[str, int]:
    """Count the requests with a body that were let go, by where they went (`destination`)."""
    return dict(Counter(destination(one.host, one.port) for one in rows if one.event == REQUEST and one.allowed))


def destination(host: str, port: int | None) -> str:
    """Return a host as a person names it: with its port, unless that is the usual one of http or https."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port in (None, 80, 443) else f"{shown}:{port}"
