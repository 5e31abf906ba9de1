"""Paid calls out of a sealed process: they are handed to the process that speaks for it (`ockham.api.egress`).

To the client of this room it is an HTTP client as any other; no socket of the internet is ever made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from ockham.sealed import connector, frames
from ockham.sealed.connector import HELD
from ockham.sealed.frames import Kind

if TYPE_CHECKING:
    import httpx

_WORDS = {
    b"ledger": (
        "the ledger of requests cannot be written, so nothing is sent",
        "free space on the disk that holds ~/.local/state/ockham, or set XDG_STATE_HOME to a folder on another one",
    ),
    b"refused": (
        "a sealed command sends to the address, and with the key, that its own flags name, and to no other",
        "name them: --endpoint URL --endpoint-key-env NAME",
    ),
}


class RefusedError(Exception):
    """The process that speaks will not send this, now or later; ``words`` say why, and what to do."""

    def __init__(self, reason: bytes) -> None:
        """Take the word that it gave."""
        self.words = _WORDS.get(reason, ("the process that asks the endpoint gave no reason", "please report this"))
        super().__init__(self.words[0])


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


def client(url: str, key_env: str | None) -> httpx.Client:
    """Return a client whose every request is handed over, for one address."""
    import httpx

    from ockham.api.relay_transport import RelayTransport

    return httpx.Client(transport=RelayTransport(url, key_env), trust_env=False, follow_redirects=False)
