"""Serve the run of this folder and ask it, as a step of the proof: ``python -m tests.egress.asking sealed|unsealed``.

Rows are asked whole, in parameters that do not exist, in paths and in headers. What the server announces is printed;
its log goes to ``serve.log``, where the proof looks for canaries, as in every file that nobody asked for.
"""

from __future__ import annotations

import csv
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

REQUESTS = 100
KEY = "key-of-the-server-that-is-proven"


def start(mode: str) -> tuple[subprocess.Popen[str], int, list[str]]:
    """Start the server; return its process, its port, and the lines that it writes as it goes on."""
    words = ("serve", "run", "--port", "0", *(("--unsealed",) if mode == "unsealed" else ()))
    process = subprocess.Popen(
        [sys.executable, "-m", "ockham", *words],
        env={**os.environ, "OCKHAM_API_KEY": KEY},
        stderr=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    for line in process.stderr or ():
        said.append(line)
        if address := re.search(r"at http://127\.0\.0\.1:(\d+)", line):
            threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True).start()
            return process, int(address[1]), said
    raise SystemExit("".join(said))


def ask(port: int, row: dict[str, str], number: int) -> int:
    """Ask one question, well or badly by its number; return the status of the answer."""
    messages = [{"role": "user", "content": row["body"]}]
    body: dict[str, object] = {"model": "run", "messages": messages}
    path, headers = "/v1/chat/completions", {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    if number % 4 == 1:
        body[row["label"]] = row["body"]  # no parameter of the API
    elif number % 4 == 2:
        path = "/v1/" + re.sub(r"\W", "-", row["body"])
    elif number % 4 == 3:
        headers = {**headers, "X-Note": row["body"], "Authorization": f"Bearer {row['label']}"}
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        client.request("POST", path, json.dumps(body), headers)
        reply = client.getresponse()
        reply.read()
        return reply.status
    finally:
        client.close()


def main(mode: str) -> int:
    """Serve, ask, stop, and write the log."""
    with Path("rows.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    process, port, said = start(mode)
    try:
        statuses = [ask(port, rows[number % len(rows)], number) for number in range(REQUESTS)]
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
    log = [line for line in said if line.startswith("{")]
    Path("serve.log").write_text("".join(log))
    sys.stdout.write("".join(line for line in said if not line.startswith("{")))
    expected = [(200, 400, 404, 401)[number % 4] for number in range(REQUESTS)]
    held = status == 0 and statuses == expected and len(log) >= REQUESTS
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
