"""Peak memory of `ockham curate` against the size of its input, over generated text of which much is duplicated.

``scripts/bench curate_memory --packed`` curates 400 MB, 5 GB and 10 GB; ``--megabytes 400 5000 10000 20000`` shows one
large run more (40 GB of disk, half an hour; packed, the rows come from and go to files of zstd, whose sizes are counted
unpacked). Each run is a process of its own, so that one's peak says nothing about another's. Text: words drawn from a
fixed vocabulary, four documents in ten a copy of one of the last thousand with 1 to 4 % of the words replaced.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks import table

COPIES, CHANGES = 0.4, (0.01, 0.04)
FULL = 5_000
"""Megabytes from which on every buffer is full: two million documents at a time."""


def write(path: Path, megabytes: int) -> None:
    """Write so many megabytes of rows, always the same for the same size."""
    rng = random.Random(megabytes)
    vocabulary = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(50_000)]
    recent: list[list[str]] = []
    held = 0
    with ExitStack() as leave:
        file: IO[bytes] = leave.enter_context(path.open("wb"))
        if path.suffix == ".zst":
            import zstandard

            file = leave.enter_context(zstandard.ZstdCompressor(level=1).stream_writer(file))
        while held < megabytes * 1_000_000:
            if recent and rng.random() < COPIES:
                words = list(rng.choice(recent))
                for _ in range(max(1, int(len(words) * rng.uniform(*CHANGES)))):
                    words[rng.randrange(len(words))] = rng.choice(vocabulary)
            else:
                words = rng.choices(vocabulary, k=rng.randint(60, 600))
                recent.append(words)
                del recent[:-1000]
            line = json.dumps({"text": " ".join(words)}).encode() + b"\n"
            file.write(line)
            held += len(line)


def main() -> None:
    """Generate, curate, measure, fit."""
    parser = argparse.ArgumentParser(description="Measure the memory of ockham curate.")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[400, 5_000, 10_000], help="sizes of the input")
    parser.add_argument("--workers", type=int, default=1, help="processes at work")
    parser.add_argument("--packed", action="store_true", help="read and write zstd: large runs need half the disk")
    args = parser.parse_args()
    form = "jsonl.zst" if args.packed else "jsonl"
    folder = table.CELLS / "curate_memory"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[str]] = []
    peaks: list[float] = []
    for size in args.megabytes:
        source, out = folder / f"{size}.{form}", folder / f"out-{size}"
        shutil.rmtree(out, ignore_errors=True)
        if not source.exists():
            write(source, size)
        steps = [word for step in ("personal", "language", "exact", "near") for word in ("--step", step)]
        command: list[str | Path] = [
            table.OCKHAM,
            "curate",
            source,
            "-o",
            out,
            "--workers",
            str(args.workers),
            "--format",
            form,
        ]
        command += ["--quiet", *steps]
        done = table.run(command, folder / f"{size}.log")
        if done.status:
            raise SystemExit(f"curating {size} MB failed; see {folder / f'{size}.log'}")
        report = json.loads((out / "report.json").read_text("utf-8"))
        peaks.append(done.peak_mb)
        rows.append(
            [f"{size:,}", f"{report['rows']:,}", f"{done.peak_mb:,.0f}", f"{done.cpu:,.0f}", f"{done.wall:,.0f}"]
        )
        table.say(f"{size} MB: {done.peak_mb:.0f} MB at most")
        source.unlink()
        shutil.rmtree(out)
    text = table.markdown(["input (MB)", "rows", "peak memory (MB)", "CPU (s)", "time (s)"], rows)
    # Below, the first part of the documents is not full, and what is in memory grows with it.
    full = [(size, peak) for size, peak in zip(args.megabytes, peaks, strict=True) if size >= FULL]
    slope = None
    if len(full) > 1:
        sizes, highest = zip(*full, strict=True)
        slope, base = np.polyfit(sizes, highest, 1).tolist()
        text += (
            f"\n\nA line through the peaks from {FULL:,} MB on: {base:,.0f} MB and {1000 * slope:.1f} MB for each GB."
        )
    record = {"megabytes": args.megabytes, "peaks": peaks, "slope": slope, "workers": args.workers, "form": form}
    table.publish("curate_memory", text, record)


if __name__ == "__main__":
    main()
