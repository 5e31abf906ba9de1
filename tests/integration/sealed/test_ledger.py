"""Fetching before a run is sealed: apart from the data, and in the ledger before anything is sent."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.jail import environment, linux

from ockham.records import plain
from ockham.sealed import landlock, ledger
from ockham.sealed.ledger import FIRST, Row, follow, is_whole


def chain(count: int) -> list[Row]:
    rows: list[Row] = []
    for number in range(count):
        rows.append(
            Row(number=number, time="t", process="fetch", event="socket.connect", host="h", port=1, before=follow(rows))
        )
    return rows


def test_a_chain_is_whole_and_any_change_breaks_it() -> None:
    rows = chain(4)
    assert rows[0].before == FIRST
    assert is_whole(rows)
    assert is_whole([])
    assert not is_whole(rows[1:])
    assert not is_whole([*rows[:1], *rows[2:]])
    assert not is_whole([rows[0], replace(rows[1], host="other"), *rows[2:]])
    assert not is_whole([rows[1], rows[0]])
    assert [ledger.row(plain(one)) for one in rows] == rows
    for wrong in ({}, {**plain(rows[0]), "more": 1}, {**plain(rows[0]), "number": "0"}):
        with pytest.raises(ValueError, match="not whole"):
            ledger.row(wrong)


class Hub(ThreadingHTTPServer):
    """Knows no model; remembers what the ledger held when it was asked."""

    ledger: Path | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.written: list[int] = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        hub = self.server
        assert isinstance(hub, Hub)
        hub.asked.append(self.path)
        if hub.ledger is not None:
            hub.written.append(sum(f'"port":{hub.server_port}' in line for line in hub.ledger.read_text().splitlines()))
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_request_is_in_the_ledger_before_it_is_made(hub: Hub, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    hub.ledger = tmp_path / "ledger.jsonl"
    names = json.dumps([["decoder", "owner/model"], ["encoder", "owner/encoder"]])
    more = {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "ockham.rungs.fetch_models", str(hub.ledger), names],
        env=environment(**more),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert {"model", "encoder"} <= {word for path in hub.asked for word in path.split("/")}
    assert min(hub.written) >= 1
    rows = [ledger.row(json.loads(line)) for line in hub.ledger.read_text().splitlines()]
    assert is_whole(rows)
    assert {(row.host, row.port) for row in rows if row.event == "socket.connect"} == {("127.0.0.1", hub.server_port)}


@linux
@pytest.mark.skipif(sys.platform == "linux" and not landlock.abi(), reason="this kernel has no Landlock")
def test_the_process_that_fetches_cannot_open_the_data(tmp_path: Path) -> None:
    for name in ("data.csv", "other.csv"):
        (tmp_path / name).write_text("x")
    code = f"""
from pathlib import Path
from ockham.rungs.fetch_models import keep_from
folder = Path({str(tmp_path)!r})
keep_from([str(folder / "data.csv")], [])
print((folder / "other.csv").read_text())
for call in (lambda: (folder / "data.csv").read_text(), lambda: (folder / "new").write_text("x")):
    try:
        call()
        print("opened")
    except PermissionError:
        print("refused")
import socket
socket.create_server(("127.0.0.1", 0)).close()
print("speaks")
"""
    done = subprocess.run([sys.executable, "-c", code], env=environment(), check=False, capture_output=True, text=True)
    assert done.stdout.split() == ["x", "refused", "refused", "speaks"], done.stderr
