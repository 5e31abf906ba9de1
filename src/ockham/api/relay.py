"""Paid calls out of a sealed process: they are handed to the process that speaks for it (`ockham.api.egress`).

To the client of this room it is an HTTP client as any other; no socket of the internet is ever made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ockham.sealed import connector, frames
from ockham.sealed.connector import HELD
from ockham.sealed.frames import Kind


def is_needed() -> bool:
    """Return whether this process is sealed, so that it cannot ask by itself."""
    return bool(connector.control())


def holds(key_env: str, environment: Mapping[str, str]) -> bool:
    """Return whether the process that speaks holds the key of a variable."""
    return is_needed() and key_env in environment.get(HELD, "").split(",")


def count_requests() -> dict[str, int] | None:
    """Return how many requests this command has sent to each host so far, by the ledger; ``None`` if nobody can say."""
    if not is_needed():
        return None
    with suppress(OSError, ValueError), connector.open_channel(10.0) as channel:
        channel.settimeout(10.0)
        frames.write_frame(channel, Kind.COUNT)
        frame = frames.read_frame(channel)
        if frame is not None and frame[0] is Kind.COUNT:
            return frames.counts_of(frame[1])
    return None
