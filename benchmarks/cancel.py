"""How soon a server is free again when a client has left: ``scripts/bench cancel``.

Clients leave in the queue, while their prompt is read, and while their answer is written. Timed is how long the server
then counts them as waiting, in its own metrics, which are asked for again and again. The model has random weights.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import _random_gguf, table
from benchmarks.serve import KEY, serving

MODEL = "SmolLM2-135M"
CONTEXT, PLACES = 4096, 2
LIMIT_MS = 250
_PATIENCE_S = 3.0
_LONG, _SHORT = "word " * 350, "a word"
_STRINGS = {"type": "array", "minItems": 9, "items": {"type": "string", "minLength": 400}}
_ENDLESS = {"type": "json_schema", "json_schema": {"name": "long", "schema": _STRINGS}}
"""A form in which an answer takes thousands of tokens, whatever the model would say."""
_HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Clients:
    """Those who ask one server, and a connection that asks for its metrics."""

    port: int
    open: list[socket.socket] = field(default_factory=list)
    _metrics: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        """Open the connection for the metrics."""
        self._metrics = http.client.HTTPConnection("127.0.0.1", self.port)

    def waiting(self) -> int:
        """Return how many texts wait or are in hand."""
        self._metrics.request("GET", "/metrics", headers={"Authorization": f"Bearer {KEY}"})
        page = self._metrics.getresponse().read().decode()
        line = next(line for line in page.splitlines() if line.startswith("ockham_model_waiting{"))
        return int(float(line.rpartition(" ")[2]))

    def wait_for(self, count: int) -> float:
        """Return the seconds until so many are left. Raises `SystemExit` where that takes too long."""
        began = time.perf_counter()
        while self.waiting() != count:
            if time.perf_counter() - began > _PATIENCE_S:
                raise SystemExit(f"cancel: {self.waiting()} requests are left in place of {count}")
            time.sleep(0.004)
        return time.perf_counter() - began

    def ask(self, text: str, *, is_endless: bool = True) -> socket.socket:
        """Send a request for a streamed answer."""
        one = socket.create_connection(("127.0.0.1", self.port))
        one.sendall(request(text, self.port, is_endless=is_endless))
        self.open.append(one)
        return one

    def leave_all(self) -> None:
        """Leave with all, and wait until the server is free."""
        for one in self.open:
            one.close()
        self.open.clear()
        self.wait_for(0)


def request(text: str, port: int = 0, *, is_endless: bool = True) -> bytes:
    """Return a request for a stream: of a thousand tokens, or of what the model says."""
    messages = [{"role": "user", "content": text}]
    wish: dict[str, object] = {"model": "m", "stream": True, "messages": messages, "max_tokens": 1000}
    body = json.dumps(wish | ({"response_format": _ENDLESS} if is_endless else {})).encode()
    return _head(port, len(body)) + body


def first_request() -> bytes:
    """Return a request for one token, which is not a stream."""
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": _SHORT}], "max_tokens": 1}).encode()
    return _head(0, len(body)) + body


def _head(port: int, size: int) -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode()


def leave_decode(clients: Clients) -> float | None:
    """Leave after the first piece of an answer; ``None`` where the answer was over by then."""
    one = clients.ask(_SHORT)
    heard = b""
    while b"data:" not in heard.partition(_HEAD_END)[2]:
        heard += one.recv(65536)
    if b"[DONE]" in heard:
        return None
    one.close()
    return clients.wait_for(0)


def leave_prefill(clients: Clients) -> float | None:
    """Leave while the prompt is read; ``None`` where something had been said by then."""
    one = clients.ask(_LONG, is_endless=False)  # what a form is made into is made before the prompt is read
    clients.wait_for(1)
    one.setblocking(False)
    try:
        one.recv(1)
        return None
    except BlockingIOError:
        one.close()
    return clients.wait_for(0)


def leave_queue(clients: Clients) -> float | None:
    """Leave the queue behind answers that take all places; ``None`` where one of those ended meanwhile."""
    if len(clients.open) < PLACES:
        for _ in range(PLACES):
            clients.ask(_LONG)
        clients.wait_for(PLACES)
    one = clients.ask(_SHORT)
    clients.open.pop()
    clients.wait_for(PLACES + 1)
    one.close()
    return clients.wait_for(PLACES)


STAGES: dict[str, Callable[[Clients], float | None]] = {
    "while the answer is written": leave_decode,
    "while the prompt is read": leave_prefill,
    "in the queue": leave_queue,
}


def time_stage(clients: Clients, leave: Callable[[Clients], float | None], trials: int) -> list[float]:
    """Return so many times in milliseconds, in order of size; what went otherwise is tried again."""
    times: list[float] = []
    for _ in range(4 * trials):
        if len(times) == trials:
            break
        try:
            seconds = leave(clients)
        except SystemExit:
            seconds = None
        if seconds is not None:
            times.append(1000 * seconds)
        if leave is not leave_queue or seconds is None:
            clients.leave_all()
    clients.leave_all()
    return sorted(times)


def write_bundle(folder: Path) -> Path:
    """Write a bundle whose model writes up to 1,000 tokens."""
    from ockham import catalog, store
    from ockham.models import causal_lm
    from ockham.records import Candidate, Example, Manifest

    folder.mkdir()
    weights = folder.with_name("random.gguf")
    _random_gguf.write(catalog.find_architecture(MODEL), "q8_0", weights)
    spec = causal_lm.GgufSpec(context=CONTEXT, slots=PLACES, max_output_tokens=1000)
    rows = [Example(id=str(number), input=f"text {number}", target=f"answer {number}") for number in range(4)]
    causal_lm.fit(rows, folder, causal_lm.Base(weights=weights), spec, task="generate")
    candidate = Candidate(name="random", rung=5, kind="gguf")
    manifest = Manifest(
        format=1,
        ockham="0",
        task="generate",
        kind="gguf",
        candidate=candidate,
        labels=(),
        inputs=("text",),
        target="answer",
        dataset="",
        files={},
    )
    store.seal_bundle(folder, manifest)
    return folder


def main() -> None:
    """Time every stage and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="clients that leave in each stage (200)")
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    rows, record = [], dict[str, object]()
    with tempfile.TemporaryDirectory() as name:
        bundle = write_bundle(Path(name) / "random")
        with serving(bundle, first_request()) as server:
            clients = Clients(server.port)
            clients.wait_for(0)
            for stage, leave in STAGES.items():
                times = time_stage(clients, leave, args.trials)
                p50, p99 = (times[min(len(times) - 1, int(share * len(times)))] for share in (0.5, 0.99))
                late = sum(ms > LIMIT_MS for ms in times)
                rows.append([stage, str(len(times)), *(f"{ms:.0f}" for ms in (p50, p99, times[-1])), str(late)])
                record[stage] = times
                print(*rows[-1], sep="; ", file=sys.stderr, flush=True)
    head = ["the client leaves", "clients", "p50 ms", "p99 ms", "longest ms", f"over {LIMIT_MS} ms"]
    foot = f"\n\n{MODEL}'s shape, random weights in 8 bits, {PLACES} places; the limit is a p99 of {LIMIT_MS} ms."
    table.publish("cancel", table.markdown(head, rows) + foot, {**record, "cores": cores})


if __name__ == "__main__":
    main()
