"""The process that asks endpoints for a sealed one (`ockham.api.egress`), as seen from outside, and its ledger."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ockham import machine
from ockham.api import egress
from ockham.api.consent import Destination
from ockham.errors import SealError, StoreError
from ockham.sealed.evidence import Spoken
from ockham.sealed.ledger import Row, count_requests, destination
from ockham.store.atomic import make_folder
from ockham.store.go_record import ledger_of
from ockham.store.ledger_file import read_ledger

_EGRESS_SECONDS = 30.0


class Outlet:
    """The process that asks endpoints for a sealed one, as seen from outside, and its ledger."""

    def __init__(self, endpoints: Sequence[Destination], go: str) -> None:
        """Start the process for a go, by the name of which its ledger is called, and wait until its walls stand.

        Raises `SealError` (``E_SEALED``) where it did not, `EndpointError` (``E_ENDPOINT``) for an address or a key
        that is none, `StoreError` where no ledger can be kept.
        """
        pins = [pin for endpoint in endpoints for pin in egress.pins_of(endpoint)]
        self.path = ledger_of(machine.state(), go)
        make_folder(self.path.parent)
        self.rows: tuple[Row, ...] = ()
        self._pid, self.control = egress.start(pins, self.path)
        ready = egress.wait_for(self.control, _EGRESS_SECONDS)
        if not ready.get("ready") or ready["bad"]:
            self.close()
            if not ready.get("ready"):
                what = "the process that calls endpoints could not be started"
                raise SealError("E_SEALED", what, fix="--unsealed calls them from the process that reads the data")
            raise egress.malformed_key()
        self.hosts = tuple(dict.fromkeys(destination(pin.host, pin.port) for pin in pins))
        self.keys = tuple(str(name) for name in ready["keys"])
        self._landlock = int(ready["landlock"])

    def close(self) -> tuple[tuple[Row, ...], Spoken | None]:
        """End the process, and return the rows of its ledger and what it said of them."""
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_WR)
        words = egress.wait_for(self.control, _EGRESS_SECONDS)
        self.control.close()
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)  # it has said all, or will never
        os.waitpid(self._pid, 0)
        with suppress(StoreError, ValueError):
            self.rows = read_ledger(self.path)
        spoken = Spoken(landlock=getattr(self, "_landlock", 0))
        if isinstance(words.get("rows"), int):
            spoken = replace(spoken, rows=words["rows"], last=str(words.get("last")))
        return self.rows, spoken

    def settle(self, saved: Path | None) -> str:
        """Return where the requests of this command can be read: ``saved`` is the evidence that holds them now."""
        if saved is not None or not self.rows:
            with suppress(OSError):
                self.path.unlink()
        counts = count_requests(self.rows)
        hosts = {**dict.fromkeys(self.hosts, 0), **counts}
        every = [f"{number:,} request{'' if number == 1 else 's'} went to {host}" for host, number in hosts.items()]
        where = f"; they are listed in {saved or self.path}" if self.rows else ""
        return f"endpoint: {', '.join(every)}{where}"
