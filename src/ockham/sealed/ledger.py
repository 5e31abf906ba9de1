"""The ledger: one row for each request that leaves the machine, chained by digests. Values only; `store` writes it.

A row is on the disk before its request is made, so that a kill in between leaves a row too many, never one too few.
Each row holds the digest of the one before it: whoever removes or changes a row must change all that follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ockham.records import digest, plain

FIRST = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request: who makes it (``process``), by which call (``event``), to whom, and when (ISO 8601, UTC).

    ``before`` is the digest of the row before it.
    """

    number: int
    time: str
    process: str
    event: str
    host: str
    port: int | None
    before: str


def follow(rows: Sequence[Row]) -> str:
    """Return what the next row must hold as the digest of the one before it."""
    return digest(plain(rows[-1])) if rows else FIRST


def row(values: Mapping[str, object]) -> Row:
    """Read a row. Raises `ValueError` where it is not one."""
    try:
        number, port = values["number"], values["port"]
        words = {name: str(values[name]) for name in ("time", "process", "event", "host", "before")}
    except KeyError:
        raise ValueError("a row of the ledger is not whole") from None
    if not isinstance(number, int) or not (port is None or isinstance(port, int)) or len(values) != 7:
        raise ValueError("a row of the ledger is not whole")
    return Row(number=number, port=port, **words)


def is_whole(rows: Sequence[Row]) -> bool:
    """Return whether rows follow one another without a gap, from the first on."""
    return all(one.number == place and one.before == follow(rows[:place]) for place, one in enumerate(rows))
