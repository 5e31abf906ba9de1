"""Tickets: a browser opens a report by a link, which cannot carry the key; a ticket stands for it once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

LIFETIME_S = 60.0
_MOST = 100


class ReportTickets:
    """Tickets for the report of a model: each is good once, for a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any."""
        self._clock = clock
        self._deadlines: dict[str, tuple[str, float]] = {}

    def issue(self, name: str) -> str:
        """Return a new ticket for the report of this model."""
        now = self._clock()
        self._deadlines = {word: entry for word, entry in self._deadlines.items() if entry[1] > now}
        while len(self._deadlines) >= _MOST:
            del self._deadlines[next(iter(self._deadlines))]
        ticket = secrets.token_urlsafe(24)
        self._deadlines[ticket] = (name, now + LIFETIME_S)
        return ticket

    def redeem(self, ticket: str) -> str | None:
        """Return the model whose report the ticket opens, and void the ticket; ``None`` for one that is not good."""
        name, deadline = self._deadlines.pop(ticket, (None, 0.0))
        return name if deadline > self._clock() else None
