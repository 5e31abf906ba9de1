"""N01 and N02: planted leaks are all counted without the jail, and none with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.leaks import WAYS

ROOT = Path(__file__).parents[2]
PATHS = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}


def missing() -> str:
    """Say what this machine lacks to make a network of its own; nothing where it can."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return "unshare and ip (util-linux, iproute2) are not here"
    command = ["unshare", "--user", "--map-root-user", "--net", "--mount", "ip", "link", "set", "lo", "up"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return f"this machine allows no namespaces: {done.stderr.strip()}" if done.returncode else ""


LACKING = missing()
pytestmark = pytest.mark.skipif(bool(LACKING), reason=LACKING or "-")


def counts(mode: str) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "tests.sinkhole", mode, *WAYS]
    environment = {**os.environ, **PATHS}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    assert list(found) == list(WAYS)
    return found


@pytest.fixture(scope="module")
def counted() -> dict[str, dict[str, dict[str, Any]]]:
    """Leak without the jail and in two: mostly they wait for answers, so all do it at once."""
    modes = ("open", "sealed", "seccomp")
    with ThreadPoolExecutor(len(modes)) as pool:
        return dict(zip(modes, pool.map(counts, modes), strict=True))


def test_n01_every_planted_leak_is_counted_without_the_jail(counted: dict[str, dict[str, dict[str, Any]]]) -> None:
    without = counted["open"]
    if Path("/proc/sys/kernel/io_uring_disabled").exists() and "38" in str(without["io_uring"]["error"]):
        pytest.skip("this kernel has no io_uring, so one of the leaks cannot be planted")
    assert {way: one["error"] for way, one in without.items() if not one["seen"]} == {}
    assert len(without) >= 12


@pytest.mark.parametrize("mode", ["sealed", "seccomp"])
def test_n01_n02_no_planted_leak_gets_out_of_the_jail(mode: str, counted: dict[str, dict[str, dict[str, Any]]]) -> None:
    sealed = counted[mode]
    assert {way: one for way, one in sealed.items() if one["seen"]} == {}
    # Each attempt that goes through Python's own sockets is witnessed; of compiled code's the kernel alone knows.
    silent = {"libc_udp", "libc_tcp", "io_uring", "child", "unix_datagram"}
    assert {way for way, one in sealed.items() if not any(one["refused"])} == silent
    assert sealed["tcp"]["refused"] == ["socket.getaddrinfo 192.0.2.1", "socket.__new__"]
    assert sealed["dns"]["refused"] == ["socket.getaddrinfo example.com"], "a name's first parts could hold data"
    # Each program has been run and was refused: an error of another kind would prove nothing.
    refusals = ("Errno 13", "Errno 38", "Errno -3", "returned non-zero exit status")
    assert {way: one for way, one in sealed.items() if not any(word in str(one["error"]) for word in refusals)} == {}
