"""What every benchmark shares: measure a command, say where and when it ran, write the table.

The rules: two sides are measured side by side in one run (A B A B …) on the same cores; a table says which side won,
whoever it was; a result stands with machine, versions and date.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from ockham.sealed import switches

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
CELLS = ROOT / ".bench"
RESULTS = ROOT / "benchmarks" / "results"
PEERS = CELLS / "venv-peers" / "bin" / "python"
USUAL_PEERS = ("accelerate", "peft", "scikit-learn", "sentence-transformers", "torch", "transformers")
OCKHAM = Path(sys.executable).parent / "ockham"

# Both sides run on the processor, ask no network and report nothing.
ENVIRONMENT = {**switches.worker_environment({}), "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command, finished: its output, its time in seconds, its peak memory in 10^6 bytes (largest process)."""

    status: int
    output: str
    wall: float
    cpu: float
    peak_mb: float


def run(command: Sequence[str | Path], log: Path | None = None) -> Run:
    """Run a command to its end and measure it; what it says on stderr goes to ``log``, or nowhere.

    CPU and memory are the kernel's own count for the process and the children it waited for (``wait4``). On Linux a
    child's peak starts from its parent's, so a benchmark keeps itself small: heavy imports belong into the commands.
    """
    start = time.perf_counter()
    with (log or Path(os.devnull)).open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            env={**os.environ, **ENVIRONMENT},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        output = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        status=process.returncode,
        output=output,
        wall=time.perf_counter() - start,
        cpu=used.ru_utime + used.ru_stime,
        peak_mb=(used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024) / 1e6,
    )


def need(done: Run, command: Sequence[str | Path], allowed: Iterable[int] = (0,)) -> Run:
    """Give the run back, or stop the benchmark where the command failed."""
    if done.status not in set(allowed):
        raise SystemExit(f"exit status {done.status}: {shlex.join(map(str, command))}")
    return done


def pin(cores: str | None) -> list[int]:
    """Hold this process and its children to the cores named ("0,1"), where the system can; give the cores in use."""
    if sys.platform != "linux":
        return list(range(os.cpu_count() or 1))
    if cores:
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    return sorted(os.sched_getaffinity(0))


def say(text: str) -> None:
    """Tell the person who waits."""
    print(f"{datetime.now(timezone.utc):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write the median of repeated measurements, with the least and the greatest."""
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; bars in cells are escaped."""
    lines = [[*header], ["---"] * len(header), *[[*row] for row in rows]]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def peer_versions(python: Path = PEERS, names: Sequence[str] = USUAL_PEERS) -> dict[str, str]:
    """Ask the peers' environment what is in it."""
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {tuple(names)!r}}}))"
    found: dict[str, str] = json.loads(need(run([python, "-c", code]), ["versions", python]).output)
    return found


def publish(name: str, table: str, record: Mapping[str, Any], peers: Mapping[str, str] | None = None) -> None:
    """Print the table and write it, with the numbers behind it, to ``benchmarks/results/NAME.md`` and ``.json``."""
    from ockham import machine, records

    about = {
        "script": f"scripts/bench {name}",
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "machine": records.plain(machine.describe()),
        "peers": dict(peers or {}),
    }
    here = about["machine"]
    versions = ", ".join(f"{key} {value}" for key, value in {**here["packages"], **about["peers"]}.items())
    cores = "1 core" if here["cores"] == 1 else f"{here['cores']} cores"
    foot = (
        f"{about['date']}, {here['processor']}, {cores}, {here['memory_gb']:.0f} GB, "
        f"Python {here['python']}; {versions}. Made by `{about['script']}`."
    )
    text = f"{table}\n\n{foot}\n"
    print(text)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    (RESULTS / f"{name}.json").write_text(json.dumps({**about, **record}, indent=1) + "\n", encoding="utf-8")
