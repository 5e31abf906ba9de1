"""What an answer of a model that is no endpoint costs in a sealed command: sealed and not, alternating in one run.

A linear bundle serves in a process of its own, as `fit`, `predict` and `eval` ask it, once behind the walls and once
without; each takes a few hundred single answers in turn. Prints the median of the paired ratios with a 95 % interval
(bootstrap over the pairs), which other work on the machine disturbs far less than the times themselves.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ockham import store
from ockham.models import linear
from ockham.records import Candidate, Example, Manifest

CODE = """
import sys, time
from pathlib import Path
import ockham
if sys.argv[1] == "sealed":
    assert ockham.seal().startswith("sealed")
from ockham.serving.process import ServingProcess
text = "please send me the invoice for my last order again, the parcel came late"
with ServingProcess(Path(sys.argv[2])) as serving:
    for line in sys.stdin:
        begin = time.perf_counter()
        for _ in range(int(line)):
            serving.answer([text])
        print(1e6 * (time.perf_counter() - begin) / int(line), flush=True)
"""
WORDS = {"billing": "invoice charged twice refund", "shipping": "parcel late courier", "returns": "send shoes back"}


def write_bundle(folder: Path) -> Path:
    """Write a bundle of the linear rung over a few rows."""
    rows = [
        Example(id=str(number), input=f"{words} {number}", target=label)
        for number in range(100)
        for label, words in WORDS.items()
    ]
    folder.mkdir()
    linear.learn(rows, 0.5, seed=0).save(folder)
    manifest = Manifest(
        format=1,
        ockham="0.1.0",
        task="classify",
        kind="linear",
        candidate=Candidate(name="linear", rung=2, kind="linear"),
        labels=tuple(sorted(WORDS)),
        inputs=("text",),
        target="label",
        dataset="0" * 64,
        files={},
    )
    store.seal_bundle(folder, manifest)
    return folder


def start(mode: str, bundle: Path) -> subprocess.Popen[str]:
    """Start a program that times answers when it is told how many."""
    command = [sys.executable, "-c", CODE, mode, str(bundle)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def microseconds(process: subprocess.Popen[str], count: int) -> float:
    """Have a program answer ``count`` times; return the microseconds of an answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=60, help="how often both are timed (60)")
    parser.add_argument("--answers", type=int, default=300, help="answers in a row (300)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder) / "bundle")
        processes = {mode: start(mode, bundle) for mode in ("unsealed", "sealed")}
        for process in processes.values():
            microseconds(process, arguments.answers)
        times: dict[str, list[float]] = {mode: [] for mode in processes}
        for number in range(arguments.pairs):
            # Who is first changes, so that a neighbour's rhythm falls on both alike.
            for mode in list(processes)[:: 1 if number % 2 else -1]:
                times[mode].append(microseconds(processes[mode], arguments.answers))
        for process in processes.values():
            process.communicate(timeout=30)
    ratios = np.array(times["sealed"]) / np.array(times["unsealed"])
    random = np.random.default_rng(0)
    drawn = np.median(random.choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    plain, sealed = (statistics.median(times[mode]) for mode in ("unsealed", "sealed"))
    print(f"unsealed {plain:.0f} µs, sealed {sealed:.0f} µs an answer (medians of {len(ratios)})")
    print(f"ratio {np.median(ratios):.3f} ({low:.3f} to {high:.3f}), n = {len(ratios)} pairs of {arguments.answers}")


if __name__ == "__main__":
    main()
