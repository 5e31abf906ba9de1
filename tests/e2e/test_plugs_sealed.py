"""Fault N09: code of the user's own runs in the jail alone, also where it tries to get out and hides that it did."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.jail import environment, needs_all
from tests.sample_package import write_package

pytestmark = needs_all

LEAK = """
import socket, subprocess, sys

ROAD = "import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5).sendall(b'row')"


def leak(when):
    for attempt in (lambda: exec(ROAD), lambda: subprocess.run([sys.executable, "-c", ROAD], stderr=-3)):
        try:
            attempt()
        except OSError as error:
            print("refused", when, type(error).__name__)


leak("at import")
"""
FILTER = """
REASONS = ("a",)
def load():
    def judge(records):
        leak("asked")
        return [None] * len(records)
    return judge
"""
SCORER = """
def load():
    def score(targets, answers):
        leak("asked")
        return [1.0] * len(answers)
    return score
"""
LOUD = 'REASONS = ("a",)\ndef load():\n    return lambda records: exec(ROAD)\n'


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def visits(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def put(folder: Path, group: str, name: str, code: str, server: socket.socket) -> Path:
    return write_package(folder, group, name, LEAK.format(port=server.getsockname()[1]) + code)


def command(site: Path, *args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = environment()
    env["PYTHONPATH"] += f":{site}"
    return subprocess.run(
        [sys.executable, "-m", "ockham", *args],
        cwd=cwd,
        env=env,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


EXACT = ("-o", "out", "--step", "exact")
CURATE = (*EXACT, "--filter", "leaky", "--json", "-q")
FIT = ("--input", "body", "--target", "label", "--rung", "constant", "--scorer", "leaky", "--json", "-q")


def test_n09_a_filter_that_opens_a_socket_is_blocked(mails: Path, tmp_path: Path, listener: socket.socket) -> None:
    pytest.importorskip("numba", reason="the extra curate is not installed")
    site = put(tmp_path / "site", "filters", "leaky", FILTER, listener)
    done = command(site, "curate", mails, *CURATE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 214
    assert "refused at import PermissionError" in done.stderr
    assert "refused asked PermissionError" in done.stderr
    assert visits(listener) == 0
    assert json.loads((tmp_path / "out/evidence.json").read_text())["entries"][0]["label"] == "sealed"


def test_n09_a_filter_that_lets_the_refusal_through_ends_the_run(
    mails: Path, tmp_path: Path, listener: socket.socket
) -> None:
    pytest.importorskip("numba", reason="the extra curate is not installed")
    site = put(tmp_path / "site", "filters", "leaky", LOUD, listener)
    done = command(site, "curate", mails, *CURATE, cwd=tmp_path)
    assert done.returncode == 2
    assert "E_PLUG: the filter leaky (acme-leaky 1.0) raised PermissionError" in done.stderr
    assert visits(listener) == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["flags", "file"])
def test_n09_filters_of_ones_own_run_on_no_cluster_unless_it_is_said_to_be_unsealed(
    where: str, mails: Path, tmp_path: Path, listener: socket.socket
) -> None:
    site = put(tmp_path / "site", "filters", "leaky", FILTER, listener)
    named = [*EXACT, "--engine", "ray", "--address", "127.0.0.1:9"]
    if where == "file":
        (tmp_path / "ockham.toml").write_text('[[curate.filters]]\nname = "leaky"\nsettings = {}\n')
        named += ["--config", "ockham.toml"]
    else:
        named += ["--filter", "leaky:most=1", "--filter", "pattern:drop=x"]
    done = command(site, "curate", mails, *named, cwd=tmp_path)
    assert done.returncode == 2
    assert "E_SEALED: nothing would keep the code of leaky from the network on a Ray cluster" in done.stderr
    assert "add --unsealed" in done.stderr
    assert (visits(listener), (tmp_path / "out").exists()) == (0, False)


def test_n09_a_filter_of_ours_may_run_on_a_cluster(mails: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    named = [*EXACT, "--filter", "pattern:drop=x", "--engine", "ray"]
    done = command(tmp_path, "curate", mails, *named, "--address", "127.0.0.1:9", cwd=tmp_path)
    assert "E_SEALED" not in done.stderr
    assert "no Ray cluster answers" in done.stderr


def test_n09_a_scorer_that_opens_a_socket_is_blocked(mails: Path, tmp_path: Path, listener: socket.socket) -> None:
    site = put(tmp_path / "site", "scorers", "leaky", SCORER, listener)
    done = command(site, "fit", mails, *FIT, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["sealed"], verdict["metric"]) == ("sealed", "score")
    assert "refused asked PermissionError" in done.stderr
    measured = command(site, "eval", "run", mails, "--scorer", "leaky", "--json", "-q", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    assert "refused asked PermissionError" in measured.stderr
    assert visits(listener) == 0


def test_without_walls_the_same_leak_gets_out(mails: Path, tmp_path: Path, listener: socket.socket) -> None:
    """The control: were this to fail, the tests above would say nothing."""
    site = put(tmp_path / "site", "scorers", "leaky", SCORER, listener)
    done = command(site, "fit", mails, *FIT, "--out", "run", "--unsealed", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sealed"] == "not sealed: --unsealed"
    assert visits(listener) >= 2
