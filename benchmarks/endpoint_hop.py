"""What it costs that a sealed command asks an endpoint through another process: direct and relayed, alternating.

Prints medians in milliseconds and their ratio, against a server on the loopback that answers at once. The ledger is
written to the folder that is named, since forcing a row to its disk is part of the cost.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from ockham.api import egress
from ockham.api.client import secure_client
from ockham.api.consent import Destination
from ockham.sealed import frames
from ockham.sealed.frames import Kind

BODY = b'{"messages": "' + b"x" * 4000 + b'"}'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def serve(port: Synchronized[int]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.value = server.server_port
    server.serve_forever()


def relay(control: socket.socket, url: str) -> Callable[[], None]:
    """Return a function that asks once over a channel that stays open."""
    here, there = socket.socketpair()
    with there:
        socket.send_fds(control, [b"serve"], [there.fileno()])

    def ask() -> None:
        frames.write_values(here, Kind.REQUEST, {"address": url, "key_env": None, "seconds": 10.0})
        frames.write_frame(here, Kind.BODY, BODY)
        while (frame := frames.read_frame(here)) is not None and frame[0] is not Kind.END:
            assert frame[0] is not Kind.FAILED, frame

    return ask


def milliseconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="how often each way is taken (300)")
    parser.add_argument("--ledger", default=tempfile.gettempdir(), help="folder of the ledger")
    arguments = parser.parse_args()
    port = multiprocessing.Value("i", 0)
    server = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.01)
    [pin] = egress.pins_of(Destination(url=f"http://127.0.0.1:{port.value}/v1"))
    with tempfile.TemporaryDirectory(dir=arguments.ledger) as folder:
        pid, control = egress.start([pin], Path(folder) / "ledger.jsonl")
        assert egress.wait_for(control, 30)["ready"]
        ask, client = relay(control, pin.url), secure_client(pin.url)
        direct: list[float] = []
        relayed: list[float] = []
        for number in range(arguments.requests + 20):
            times = milliseconds(lambda: client.post(pin.url, content=BODY)), milliseconds(ask)
            if number >= 20:
                direct.append(times[0])
                relayed.append(times[1])
        control.shutdown(socket.SHUT_WR)
        os.waitpid(pid, 0)
    server.terminate()
    before, after = statistics.median(direct), statistics.median(relayed)
    print(f"direct {before:.2f} ms, through the other process {after:.2f} ms: {after - before:.2f} ms more,", end=" ")
    print(f"{after / before:.2f} times (medians, n = {arguments.requests})")


if __name__ == "__main__":
    main()
