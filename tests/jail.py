"""Run a few lines of Python behind the walls, in a process of its own; what they print comes back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ockham.sealed import landlock

ROOT = Path(__file__).parents[1]
PRELUDE = """
import sys
{before}
from ockham.errors import OckhamError
from ockham.sealed import broker
from ockham.sealed.policy import Policy
try:
    watch, walls, attacks = broker.enter(Policy(verb="test", write={write!r}, read={read!r}))
except OckhamError as error:
    sys.exit(f"{{error.code}}: {{error.message}}")
if watch is not None:
    status = broker.follow(watch)
    {after}
    sys.exit(broker.leave_as(status))
"""


def lacking() -> str:
    """Say which wall this machine does not offer, asked of the machine and not of the jail; nothing if it has all."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return "walls are Linux's, and unshare(1) tells whether namespaces are allowed"
    if not landlock.abi():
        return "this kernel offers no Landlock"
    done = subprocess.run(["unshare", "--user", "--net", "true"], check=False, capture_output=True, text=True)
    return f"this machine allows no namespaces: {done.stderr.strip()}" if done.returncode else ""


LACKING = lacking()
needs_all = pytest.mark.skipif(bool(LACKING), reason=LACKING or "-")
linux = pytest.mark.skipif(sys.platform != "linux", reason="walls are Linux's")


def script(
    code: str, *, before: str = "", after: str = "pass", write: tuple[str, ...] = (), read: tuple[str, ...] = ()
) -> list[str]:
    """Give the command that runs ``code`` in a jail; ``before`` runs in the broker first, ``after`` when it is done."""
    return [sys.executable, "-c", PRELUDE.format(before=before, after=after, write=write, read=read) + code]


def environment(**more: str) -> dict[str, str]:
    """Give the environment in which this checkout is found."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, **more}


def jailed(code: str, *, env: Mapping[str, str] | None = None, **how: object) -> subprocess.CompletedProcess[str]:
    """Run code in a jail."""
    command = script(code, **how)  # type: ignore[arg-type]
    return subprocess.run(
        command, env=environment(**(env or {})), check=False, capture_output=True, text=True, timeout=120
    )
