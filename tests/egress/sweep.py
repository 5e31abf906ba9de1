"""Import every library that ockham brings along, and see which of them speaks or leaves something behind.

``python -m tests.egress.sweep`` imports each in a sinkhole of its own, without any switch, and prints a row of
docs/privacy.md for each that does something; it takes several minutes.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.egress import sinkhole

PATIENCE = 15
"""Seconds that a library gets to speak after it was imported: onnxruntime takes about ten."""
LEFT_OUT = {"isympy": "starts a shell", "scripts": "belongs to no library"}
IMPORT = """
import importlib, sys, time, warnings
warnings.simplefilter("ignore")
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print("FAILED", name, type(error).__name__, file=sys.stderr)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    time.sleep(0.1)
print("imported", len(sys.argv) - 2)
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions() -> list[str]:
    """Return the installed distributions that ours asks for, through any number of others, with all its extras."""
    root = distribution_of("ockham")
    found: set[str] = set()
    waiting = [(root, True)]
    while waiting:
        name, extras = waiting.pop()
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # of another system, or of an extra that is not installed
        found.add(_canonical(name))
        for requirement in requirements:
            parsed = _NAME.match(requirement)
            if parsed and _canonical(parsed[0]) not in found and (extras or not _EXTRA.search(requirement)):
                waiting.append((parsed[0], False))
    return sorted(found - {root})


def distribution_of(command: str) -> str:
    """Return the installed distribution that brings a command."""
    (script, *_) = metadata.entry_points(group="console_scripts", name=command)
    assert script.dist is not None
    return _canonical(script.dist.name)


def modules(names: Iterable[str]) -> list[str]:
    """Return the modules and packages that distributions put at the top level, private ones left out.

    setuptools stands first: it cannot be imported behind what has imported distutils.
    """
    wanted = set(names)
    found = {
        module
        for module, owners in metadata.packages_distributions().items()
        if module.isidentifier() and not module.startswith("_") and module not in LEFT_OUT
        if wanted & {_canonical(owner) for owner in owners}
    }
    return sorted(found, key=lambda module: (module != "setuptools", module))


def modules_of_a_fresh_process() -> list[str]:
    """Return the modules that ockham brings along as a new process sees them.

    Ray puts libraries of its own on the path of a process that imported it; no other process can import those.
    """
    command = [sys.executable, "-c", "from tests.egress import sweep; print(*sweep.modules(sweep.distributions()))"]
    listing = subprocess.run(command, cwd=sinkhole.ROOT, capture_output=True, text=True, check=True)
    return listing.stdout.split()


def sweep(names: Iterable[str], home: Path, *, patience: float = PATIENCE) -> sinkhole.Traffic:
    """Import modules in one process, in order, with no switch set, and wait until they had time to speak."""
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-c", IMPORT, str(patience), *names]
    return sinkhole.run(command, home=home, cwd=home, timeout=patience + 500)


def left_in(home: Path) -> list[str]:
    """Return the files that were left in a home, as paths below it."""
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())


def main() -> int:
    """Print a row for each module that speaks or leaves files."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(4) as pool:
        names = modules(distributions())
        homes = [Path(folder) / name for name in names]
        for name, home, traffic in zip(names, homes, pool.map(lambda n, h: sweep([n], h), names, homes), strict=True):
            files = left_in(home)
            if files or not traffic.quiet or traffic.status or "FAILED" in traffic.stderr:
                asked = ", ".join(f"`{one}`" for one in traffic.names) or "-"
                written = ", ".join(f"`~/{one}`" for one in files) or "-"
                sys.stdout.write(f"| {name} | {asked} | {written} | {traffic.packets} packets |\n")
                sys.stdout.write(traffic.stderr[-300:])
                sys.stdout.flush()
        sys.stdout.write(f"{len(names)} modules were imported\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
