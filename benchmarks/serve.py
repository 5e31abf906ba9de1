"""How fast a bundle answers over HTTP, beside the same process asked directly: ``scripts/bench serve``.

Decisions come from a small load generator, chat from Locust (``--chat``). Both share the cores with the server. Direct
and over HTTP take turns, so that other work on the machine falls on both; the shares are those of the turns.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _http_load, table

CLIENTS = (1, 8, 64)
KEY = "key-of-the-benchmark"
LOCUST = table.CELLS / "venv-load" / "bin" / "locust"
CROWD = 1000


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its port, how long it took to its first answer, and the processes that hold no model."""

    port: int
    start_seconds: float
    brokers: tuple[int, ...]


def main() -> None:
    """Measure one bundle and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rung", default="encoder", help="rung that is fitted on the example emails (encoder)")
    parser.add_argument("--run", type=Path, help="a run or bundle that is there already, in place of a fit")
    parser.add_argument("--texts", type=Path, help="a file with a text on each line (the emails' subjects)")
    parser.add_argument("--requests", type=int, default=1500, help="requests in each turn (1500)")
    parser.add_argument("--repeats", type=int, default=5, help="turns (5)")
    parser.add_argument("--chat", action="store_true", help="also ask chat, by Locust")
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    with tempfile.TemporaryDirectory() as name:
        run = args.run or fit(Path(name) / "run", args.rung)
        bundle = run / "bundle" if (run / "bundle").is_dir() else run
        texts = read_texts(args.texts, bundle)
        rows, facts = measure(bundle, texts, args.requests, args.repeats)
        if args.chat:
            rows += chat(bundle, texts[0])
    text = table.markdown(["what", "measured", "limit"], rows)
    what = args.rung if args.run is None else args.run.name
    foot = f"\n\n{what}, {args.requests:,} requests a turn, {args.repeats} turns."
    table.publish("serve", text + foot, {**facts, "cores": cores})


def fit(folder: Path, rung: str) -> Path:
    """Return a run whose chosen model is of that rung."""
    import ockham

    spec = ockham.FitSpec(inputs=("subject",), target="label", rungs=(rung,))
    return Path(ockham.fit(table.ROOT / "examples/support_mail.csv", spec, out=folder).run)


def read_texts(file: Path | None, bundle: Path) -> list[str]:
    """Return the texts of a file, or the subjects of the example emails, as the model reads them."""
    if file is not None:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    inputs = json.loads((bundle / "bundle.json").read_bytes())["inputs"]
    with (table.ROOT / "examples/support_mail.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    if len(inputs) == 1:
        return [row.get(inputs[0]) or row["subject"] for row in rows if row["subject"].strip()]
    return ["\n".join(f"{name}: {row[name]}" for name in inputs) for row in rows]


@contextlib.contextmanager
def serving(bundle: Path, request: bytes) -> Iterator[Server]:
    """Start ``ockham serve`` with room for 64 clients at once, and wait for its first answer."""
    command = [sys.executable, "-m", "ockham", "serve", f"m={bundle}", "--port", "0"]
    environment = {**os.environ, "OCKHAM_API_KEY": KEY}
    began = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
        subprocess.Popen(command, stderr=said, env=environment) as process,
    ):
        try:
            port = None
            while port is None and process.poll() is None:
                time.sleep(0.01)
                said.seek(0)
                place = re.search(r"http://\S+?:(\d+)", said.read())
                port = int(place[1]) if place else None
            if port is None:
                raise SystemExit("the server did not start")
            first = _http_load.run(port, [request], 1)
            if first.statuses != {200: 1}:
                raise SystemExit(f"the first answer was {dict(first.statuses)}")
            yield Server(port, time.perf_counter() - began, _brokers(process.pid))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _brokers(pid: int) -> tuple[int, ...]:
    from ockham.sealed.facts import descendants

    every = (pid, *descendants(pid))
    return tuple(one for one in every if b"serving.worker" not in Path(f"/proc/{one}/cmdline").read_bytes())


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    line = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(line[1]) * 1024 / 1e6 if line else 0.0


def decision(text: str, labels: Sequence[str], port: int = 0) -> bytes:
    """Return a request that asks about all labels."""
    choices = [{"value": label} for label in labels]
    question = {"type": "choice", "instructions": "Which?", "choices": choices}
    body = json.dumps({"model": "m", "input": text, "questions": [question]}).encode()
    head = f"POST /v1/decisions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def measure(bundle: Path, texts: Sequence[str], number: int, repeats: int) -> tuple[list[list[str]], dict[str, object]]:
    """Measure decisions, directly and over HTTP in turns; return the lines of the table and the numbers behind it."""
    from ockham.serving.process import ServingProcess

    labels = json.loads((bundle / "bundle.json").read_bytes())["labels"]
    asked = [texts[place % len(texts)] for place in range(number)]
    direct: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
    http: dict[int, list[_http_load.Load]] = {clients: [] for clients in CLIENTS}
    alone: list[float] = []
    with ServingProcess(bundle) as process, serving(bundle, decision(texts[0], labels)) as server:
        requests = [decision(text, labels, server.port) for text in asked]
        process.answer(asked[:64])
        for _ in range(repeats):
            for clients in CLIENTS:
                began = time.perf_counter()
                for start in range(0, number, clients):
                    before = time.perf_counter()
                    process.answer(asked[start : start + clients])
                    if clients == 1:
                        alone.append(time.perf_counter() - before)
                direct[clients].append(number / (time.perf_counter() - began))
                http[clients].append(_http_load.run(server.port, requests, clients))
        crowd = _http_load.run(server.port, [requests[0]] * CROWD, CROWD)
        memory = [resident_mb(pid) for pid in server.brokers]
    rates = {clients: [number / load.wall for load in loads] for clients, loads in http.items()}
    times = {clients: sorted(one for load in loads for one in load.seconds) for clients, loads in http.items()}
    lines = [["start to first answer, s", f"{server.start_seconds:.2f}", "2"]]
    added = 1000 * (statistics.median(times[1]) - statistics.median(alone))
    lines.append(["added to an answer at p50, ms", f"{added:.2f}", "1"])
    for clients in CLIENTS:
        shares = [b / a for a, b in zip(direct[clients], rates[clients], strict=True)]
        ms = [1000 * times[clients][int(len(times[clients]) * part)] for part in (0.5, 0.95)]
        what = f"{clients} clients: answers a second; p50, p95 in ms"
        limit = "p95 20" if clients == 8 else ""
        lines.append([what, f"{table.spread(rates[clients])}; {ms[0]:.2f}, {ms[1]:.2f}", limit])
        lines.append([f"{clients} clients: share of the same batches asked directly", table.spread(shares, 2), ".95"])
    gains = [b / a for a, b in zip(rates[1], rates[64], strict=True)]
    lines.append(["64 clients: throughput to that of one", table.spread(gains, 2), "3"])
    lines.append([f"{CROWD:,} connections at once: statuses", _statuses(crowd), "200, 429"])
    lines.append(["memory of the broker; of the process that watches it, MB", _memory(memory), "80"])
    facts: dict[str, object] = {"direct": direct, "rates": rates, "added_ms": added, "memory_mb": memory}
    return lines, facts | {"start_seconds": server.start_seconds, "crowd": dict(crowd.statuses)}


def _statuses(load: _http_load.Load) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(load.statuses.items()))


def _memory(sizes: Sequence[float]) -> str:
    return "; ".join(f"{size:.0f}" for size in reversed(sizes))


def chat(bundle: Path, text: str) -> list[list[str]]:
    """Ask chat by Locust from 1, 8 and 64 users for ten seconds each."""
    labels = json.loads((bundle / "bundle.json").read_bytes())["labels"]
    lines = []
    with serving(bundle, decision(text, labels)) as server:
        for users in CLIENTS:
            command = [str(LOCUST), "-f", "benchmarks/_chat_load.py", "--headless", "--json", "--only-summary"]
            command += ["-u", str(users), "-r", str(users), "-t", "10s", "--host", f"http://127.0.0.1:{server.port}"]
            environment = {**os.environ, "MODEL": "m", "KEY": KEY, "TEXT": text}
            done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=table.ROOT, check=False)
            (entry,) = json.loads(done.stdout)
            rate = entry["num_requests"] / max(1e-9, entry["last_request_timestamp"] - entry["start_time"])
            said = f"{rate:.1f} answers a second, {entry['num_failures']} failed"
            lines.append([f"chat by Locust, {users} users", said, ""])
    return lines


if __name__ == "__main__":
    main()
