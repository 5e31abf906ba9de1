"""Where the system has no walls (macOS, Windows, unknown processors): what the guard stops, and what is said of it."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.jail import ROOT
from tests.sample_account import sample_account

from ockham import catalog, diagnosis
from ockham.reporting.protection import protection
from ockham.sealed import syscalls

FAKE = """
import json, os, socket, subprocess, sys
system, endpoint = sys.argv[1], sys.argv[2:] == ["endpoint"]
import ctypes, platform, tempfile
if system == "riscv64":
    platform.machine = lambda: system
else:
    sys.platform = system
if system == "win32":
    sys.modules.update(dict.fromkeys(("fcntl", "resource", "pwd", "grp", "termios")))
from ockham import sealing
from ockham.api.consent import Destination
from ockham.sealed.state import current

named = (Destination(url="http://192.0.2.1/v1"),) if endpoint else ()
rules = sealing.policy("fit", read=[], write=[])
status = sealing.fork(rules, sealing.Preparation(endpoints=named))


def outcome(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "done"


def connect(kind, address):
    with socket.socket(*kind) as stream:
        stream.settimeout(0.2)
        stream.connect(address)


def send(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"row", address)


with socket.create_server(("127.0.0.1", 0)) as server:
    here = outcome(lambda: socket.create_connection(server.getsockname(), timeout=5).close())
child = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=0.2)"
tried = {
    "status": status,
    "label": current().label,
    "here": here,
    "tcp": outcome(lambda: connect((socket.AF_INET,), ("192.0.2.1", 9))),
    "udp": outcome(lambda: send(("192.0.2.1", 9))),
    "name": outcome(lambda: socket.getaddrinfo("example.invalid", 80)),
    "old name": outcome(lambda: socket.gethostbyname("example.invalid")),
    "ours": "PermissionError" in subprocess.run(
        [sys.executable, "-c", "import ockham; " + child], capture_output=True, text=True
    ).stderr,
    "evidence": "evidence" in dir(__import__("ockham.sealed.evidence").sealed),
}
print(json.dumps(tried))
"""


def run(*arguments: str) -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if name not in ("OCKHAM_GUARD", "OCKHAM_JAIL")}
    environment["PYTHONPATH"] = str(ROOT / "src")
    command = [sys.executable, "-c", FAKE, *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("system", ["darwin", "win32", "riscv64"])
def test_python_code_of_ours_connects_to_nobody_and_the_label_claims_no_more(system: str) -> None:
    assert run(system) == {
        "status": None,
        "label": "switches only",
        "here": "done",
        "tcp": "PermissionError",
        "udp": "PermissionError",
        "name": "PermissionError",
        "old name": "PermissionError",
        "ours": True,
        "evidence": True,
    }


def test_where_rows_go_to_an_endpoint_nothing_is_guarded_and_the_label_says_so() -> None:
    answer = run("darwin", "endpoint")
    assert answer["label"] == "not sealed: rows are sent to an endpoint, and this system has no walls"
    assert (answer["here"], answer["ours"]) == ("done", False)
    assert answer["name"] != "PermissionError"


def test_doctor_and_report_say_that_nothing_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "NUMBERS", {})
    notes = diagnosis._notes(tmp_path, catalog.prices(), None)
    assert "On this system nothing enforces this from outside" in notes[0]
    assert "connections that Python code opens in Ockham's processes are refused" in notes[0]
    account = sample_account()
    guarded = dataclasses.replace(account, verdict=dataclasses.replace(account.verdict, sealed="switches only"))
    assert "the operating system does not separate" in protection(guarded)
    assert protection(guarded).endswith(
        "compiled code and other programs could have connected. This is care, not proof."
    )
