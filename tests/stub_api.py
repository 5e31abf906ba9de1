"""A chat-completions server for tests: on the loopback, in threads, answering from a script."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(kw_only=True)
class Response:
    """What the stub does with one request."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    delay: float = 0.0
    drip: float = 0.0


def says(content: object, *, tokens: tuple[int, int] | None = (100, 2)) -> Response:
    """Make a chat completion."""
    body: dict[str, object] = {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]}
    if tokens is not None:
        body["usage"] = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}
    return Response(body=json.dumps(body).encode())


def refuses(status: int, code: str = "", **headers: str) -> Response:
    """Make an error response."""
    body = json.dumps({"error": {"message": "echo: SECRET", "code": code}}).encode()
    return Response(status=status, body=body, headers={name.replace("_", "-"): said for name, said in headers.items()})


@dataclass
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The text that was asked about."""
        return str(json.loads(self.body["messages"][-1]["content"])["text"])


class StubApi:
    """The server's address, what it has seen, and the function that decides what it does."""

    def __init__(self, script: Callable[[int, Seen], Response]) -> None:
        self.seen: list[Seen] = []
        self.script = script
        self.lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                seen = Seen(self.path, dict(self.headers.items()), json.loads(raw))
                with stub.lock:
                    stub.seen.append(seen)
                    number = len(stub.seen) - 1
                with contextlib.suppress(OSError):
                    stub.send(self, stub.script(number, seen))

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that goes away is part of the tests."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def send(self, handler: BaseHTTPRequestHandler, response: Response) -> None:
        time.sleep(response.delay)
        if response.drop:
            # A reset, not a polite end.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()
            return
        handler.send_response(response.status)
        for name, said in response.headers.items():
            handler.send_header(name, said)
        handler.send_header("Content-Length", str(len(response.body)))
        handler.end_headers()
        step = 1 if response.drip else 65536
        for start in range(0, len(response.body), step):
            handler.wfile.write(response.body[start : start + step])
            time.sleep(response.drip)


@contextlib.contextmanager
def serving(script: Callable[[int, Seen], Response]) -> Iterator[StubApi]:
    """Run a stub for the length of a block."""
    stub = StubApi(script)
    thread = threading.Thread(target=stub.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.server.shutdown()
        thread.join(5)
        stub.server.server_close()
