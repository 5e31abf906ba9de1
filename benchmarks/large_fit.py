"""Measure ``ockham fit`` to the linear rung on many rows and on many labels: ``scripts/bench large_fit``.

Rows are made up, always the same for the same numbers: 12 to 20 words of a vocabulary that follows Zipf's law, of which
a third or less depend on the row's label; one row in twenty is a near-duplicate of an earlier one (a word replaced),
one in a hundred carries a wrong label. Each size is one run of the command in a fresh process. Memory is that of the
command and its serving processes together, looked at four times a second, shared pages counted once; a stage is from
one line of progress to the next.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import table

WORDS = 40_000
OWN_WORDS = 12
SIZES = ("200000x20", "50000x2000")
RUNGS = ("constant", "lookup", "linear")


@dataclass(slots=True, kw_only=True)
class Measured:
    """One run of the command: seconds, CPU seconds, peak memory in 10^6 bytes; the same of each stage."""

    rows: int
    labels: int
    wall: float = 0.0
    cpu: float = 0.0
    peak_mb: float = 0.0
    stages: list[tuple[str, float, float, float]] = field(default_factory=list)


def words(rng: np.random.Generator) -> np.ndarray:
    """Invent the vocabulary from syllables: 40,000 distinct words, short ones first as in a language."""
    heads, vowels, tails = [*"bcdfghjklmnprstvwz", "ch", "sh", "st", "tr"], list("aeiou"), ["", "", "n", "r", "s"]
    found: dict[str, None] = {}
    while len(found) < WORDS:
        size = min(4, 1 + int(len(found) > 200) + int(len(found) > 4_000) + int(rng.random() < 0.3))
        found["".join(str(rng.choice(part)) for _ in range(size) for part in (heads, vowels, tails))] = None
        if len(found) < 200 and rng.random() < 0.5:
            found["".join(str(rng.choice(part)) for part in (vowels, heads))] = None
    return np.array(list(found))


def write(path: Path, rows: int, labels: int) -> None:
    """Write the rows as CSV with the columns text and label."""
    rng = np.random.default_rng([rows, labels])
    vocabulary = words(rng)
    zipf = 1 / (np.arange(WORDS) + 2.7)
    common = np.cumsum(zipf / zipf.sum())
    # A label's own words come from the middle of the vocabulary, so that labels share some of them.
    own = rng.integers(100, 8_000, size=(labels, OWN_WORDS))
    shares = rng.dirichlet(np.full(labels, 5.0))
    given = np.concatenate([np.arange(labels).repeat(3), rng.choice(labels, size=rows, p=shares)])[:rows]
    rng.shuffle(given)
    earlier: list[tuple[list[str], int]] = []
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for wanted in given.tolist():
            label = wanted
            if earlier and rng.random() < 0.05:
                text, label = earlier[int(rng.integers(len(earlier)))]
                text = list(text)
                text[int(rng.integers(len(text)))] = str(vocabulary[int(rng.integers(WORDS))])
            else:
                size = int(rng.integers(12, 21))
                places = np.searchsorted(common, rng.random(size))
                telling = rng.random(size) < 0.3
                places[telling] = own[label, rng.integers(0, OWN_WORDS, size=int(telling.sum()))]
                text = vocabulary[np.minimum(places, WORDS - 1)].tolist()
                earlier.append((text, label))
                del earlier[:-5_000]
            shown = int(rng.integers(labels)) if rng.random() < 0.01 else label
            out.writerow([" ".join(text), f"label {shown:04d}"])


def tree(root: int) -> Iterator[int]:
    """Give a process and all that descend from it."""
    yield root
    try:
        threads = list(Path(f"/proc/{root}/task").iterdir())
        children = [child for thread in threads for child in (thread / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from tree(int(child))


def resident_mb(root: int) -> float:
    """Add up the memory of a process and its descendants, in MB; a page that they share counts once (proc(5), Pss)."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError, IndexError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6


def cpu_seconds(root: int) -> float:
    """Add up the processor time of a process, its descendants, and those of them that are gone (proc_pid_stat(5))."""
    ticks = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(command: Sequence[str | Path], log: Path, into: Measured) -> Measured:
    """Run the command to its end; stages are told apart by the lines that it writes while it works."""
    begin = time.perf_counter()
    environment = {**os.environ, **table.ENVIRONMENT}
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=table.ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    ended = threading.Event()
    peaks = [0.0]
    """Of each stage so far."""

    def watch() -> None:
        while not ended.wait(0.25):
            peaks[-1] = max(peaks[-1], resident_mb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    name, since, spent = "start", begin, 0.0
    with log.open("w", encoding="utf-8") as file:
        for line in process.stderr or ():
            now, spent_now = time.perf_counter(), cpu_seconds(process.pid)
            stage = re.sub(r"\s+", " ", line).strip()[:70]
            if not stage.endswith("so far)"):
                into.stages.append((name, now - since, spent_now - spent, peaks[-1]))
                name, since, spent = stage, now, spent_now
                peaks.append(0.0)
            file.write(f"{now - begin:9.2f} {line}")
            file.flush()
    _, status, used = os.wait4(process.pid, 0)
    ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    into.wall, into.cpu = time.perf_counter() - begin, used.ru_utime + used.ru_stime
    into.stages.append((name, time.perf_counter() - since, into.cpu - spent, peaks[-1]))
    into.peak_mb = max(peaks)
    if process.returncode not in (0, 1):
        raise SystemExit(f"exit status {process.returncode}; see {log}")
    return into


def main() -> None:
    """Make the rows, fit, write the table."""
    parser = argparse.ArgumentParser(description="Measure ockham fit on many rows and on many labels.")
    parser.add_argument("--size", nargs="+", default=list(SIZES), help="ROWSxLABELS, one run for each")
    parser.add_argument("--rung", nargs="+", default=list(RUNGS), help="the rungs to climb")
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1")
    parser.add_argument("--dry", action="store_true", help="write no results file")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    folder = table.CELLS / "large_fit"
    folder.mkdir(parents=True, exist_ok=True)
    done: list[Measured] = []
    for size in args.size:
        rows, labels = (int(part) for part in size.split("x"))
        source, out = folder / f"{size}.csv", folder / f"run-{size}"
        if not source.exists():
            table.say(f"making {rows:,} rows of {labels:,} labels")
            write(source, rows, labels)
        shutil.rmtree(out, ignore_errors=True)
        climbed = [word for rung in args.rung for word in ("--rung", rung)]
        command: list[str | Path] = [sys.executable, "-m", "ockham", "fit", source, "--out", out, *climbed]
        done.append(measure(command, folder / f"{size}.log", Measured(rows=rows, labels=labels)))
        last = done[-1]
        table.say(f"{size}: {last.wall:,.0f} s, {last.cpu:,.0f} CPU s, {last.peak_mb:,.0f} MB")
        for name, seconds, cpu, peak in last.stages:
            if seconds >= 1:
                table.say(f"    {seconds:7.1f} s {cpu:7.1f} CPU s {peak:7,.0f} MB  {name}")
    header = ["rows", "labels", "wall s", "CPU s", "peak memory, MB"]
    lines = [
        [f"{one.rows:,}", f"{one.labels:,}", f"{one.wall:,.0f}", f"{one.cpu:,.0f}", f"{one.peak_mb:,.0f}"]
        for one in done
    ]
    if not args.dry:
        record = {"rungs": args.rung, "cores": cores, "runs": [asdict(one) for one in done]}
        text = f"{table.markdown(header, lines)}\n\n`ockham fit` to the rungs {', '.join(args.rung)}."
        table.publish("large_fit", text, record)


if __name__ == "__main__":
    main()
