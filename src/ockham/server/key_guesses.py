"""How often wrong keys may be tried: so many times a minute from one address, and then not at all for a while.

A key that was right from an address before stays right there, so who guesses does not lock out those who share the
address with him. Who comes with a right key for the first time meanwhile is told when to come again.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ockham.server.access import key_digest
from ockham.server.api_error import ApiError

MOST = 100
SECONDS = 60.0
"""From one address no more wrong keys than ``MOST`` are compared within so many seconds."""
ADDRESSES = 4096
"""So many addresses are remembered, the newest."""


@dataclass(slots=True)
class _Client:
    """When the last wrong keys of an address came, and the digests of those that were right."""

    wrong: deque[float] = field(default_factory=lambda: deque(maxlen=MOST))
    right: set[bytes] = field(default_factory=set)


class KeyGuesses:
    """The account of the keys that addresses have tried."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self._clock = clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    @contextmanager
    def count(self, address: str, key: str) -> Iterator[None]:
        """Let a key be compared, and count it by what comes of that. Raises `ApiError` (429) after too many wrong ones.

        A request without a key tries none.
        """
        source, digest = _network(address), key_digest(key)
        client = self._clients.get(source) or _Client()
        wait = client.wrong[0] + SECONDS - self._clock() if len(client.wrong) == MOST else 0.0
        if key and wait > 0 and digest not in client.right:
            headers = {"retry-after": str(max(1, round(wait))), "retry-after-ms": str(max(1, round(1000 * wait)))}
            message = "Too many wrong API keys came from this address; the key was not compared"
            raise ApiError(429, message, code="too_many_wrong_keys", headers=headers)
        try:
            yield
        except ApiError as error:
            if key and error.status == 401:
                client.wrong.append(self._clock())
                self._remember(source, client)
            raise
        if digest not in client.right:
            client.right.add(digest)
            self._remember(source, client)

    def _remember(self, source: str, client: _Client) -> None:
        self._clients[source] = client
        self._clients.move_to_end(source)
        if len(self._clients) > ADDRESSES:
            self._clients.popitem(last=False)


def _network(address: str) -> str:
    """Return what one client has: an address, or of the sixth version the first 64 bits of it."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 6 and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
