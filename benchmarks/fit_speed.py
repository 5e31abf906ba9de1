"""The whole ladder by hand against ``ockham fit --all``: time, CPU, memory and accuracy. ``scripts/bench fit_speed``.

The hand-written side is one process per rung, one after the other; its time is their sum, its memory the largest. Sides
take turns on the same cores. ``ockham fit`` does more in its time (cleaning, splitting, intervals, latency, a report);
nothing is taken off for it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import table
from benchmarks.quality import RUNGS, SEED, Files, climb, sample

# A hand-written rung's own figures: from its first line to its last answer, the scoring left out.
FIGURES = {"wall": "wall_seconds", "cpu": "cpu_seconds", "peak_mb": "peak_rss_mb", "accuracy": "accuracy"}


def by_hand(train: Path, test: Path, rungs: list[str], folder: Path) -> dict[str, Any]:
    """Run the hand-written rungs one after the other."""
    script = table.ROOT / "benchmarks" / "handwritten.py"
    parts = {}
    for rung in rungs:
        out = folder / f"{rung}.json"
        words: list[str | Path] = ["--train", train, "--test", test, "--seed", str(SEED), "--out", out]
        command: list[str | Path] = [table.PEERS, script, rung, *words]
        table.need(table.run(command, folder / f"{rung}.log"), command)
        told = json.loads(out.read_text(encoding="utf-8"))
        parts[rung] = {key: told[name] for key, name in FIGURES.items()}
        table.say(f"  {rung}: {told['wall_seconds']:,.0f} s, accuracy {told['accuracy']:.3f}")
    return {
        "wall": sum(part["wall"] for part in parts.values()),
        "cpu": sum(part["cpu"] for part in parts.values()),
        "peak_mb": max(part["peak_mb"] for part in parts.values()),
        "rungs": parts,
    }


def by_us(train: Path, test: Path, folder: Path) -> dict[str, Any]:
    """Climb our ladder, all rungs."""
    done = climb(Files(train, test), folder / "run")
    rungs = {
        one["name"]: {"accuracy": one["metrics"]["accuracy"]["value"], "fit_seconds": one["fit_seconds"]}
        for one in json.loads(done.output)["candidates"]
        if one["status"] == "measured"
    }
    return {"wall": done.wall, "cpu": done.cpu, "peak_mb": done.peak_mb, "rungs": rungs}


def totals(name: str, turns: list[dict[str, Any]], rungs: list[str]) -> list[str]:
    """Write one side's line: the last turn's accuracies, the median of the rest."""
    reached = [turns[-1]["rungs"].get(rung, {}).get("accuracy") for rung in rungs]
    return [
        name,
        table.spread([turn["wall"] for turn in turns]),
        table.spread([turn["cpu"] for turn in turns]),
        table.spread([turn["peak_mb"] for turn in turns], 0),
        *("none" if value is None else f"{value:.3f}" for value in reached),
    ]


def main() -> None:
    """Take turns and write the table."""
    parser = argparse.ArgumentParser(description="Compare fit with the hand-written rungs.")
    parser.add_argument("--data", type=Path, default=table.DATA / "clinc150", help="a folder with train.csv, test.csv")
    parser.add_argument("--rows", type=int, default=10_000, help="training rows, drawn by a fixed seed")
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=list(RUNGS))
    parser.add_argument("--repeats", type=int, default=1, help="turns; a published figure needs five or CPU seconds")
    parser.add_argument("--cores", help="hold everything to these cores, as in 0,1")
    args = parser.parse_args()
    cores = table.pin(args.cores)
    train = sample(args.data.resolve() / "train.csv", args.rows, table.CELLS / "fit_speed" / "train.csv")
    test = args.data.resolve() / "test.csv"
    hand, us = [], []
    for turn in range(args.repeats):
        with tempfile.TemporaryDirectory() as folder:
            table.say(f"turn {turn + 1}: by hand")
            hand.append(by_hand(train, test, args.rungs, Path(folder)))
            table.say(f"turn {turn + 1}: ockham fit --all")
            us.append(by_us(train, test, Path(folder)))

    header = ["", "wall s", "CPU s", "peak memory, MB", *args.rungs]
    rows = [totals("hand-written", hand, args.rungs), totals("ockham fit --all", us, args.rungs)]
    ratio = {key: median(a[key] / b[key] for a, b in zip(hand, us, strict=True)) for key in ("wall", "cpu")}
    missing = [rung for rung in args.rungs if rung not in us[-1]["rungs"]]
    foot = (
        f"\n\n{args.rows:,} training rows of {args.data.name}, {args.repeats} turn(s); columns of rungs: accuracy. "
        f"Hand-written to ours: {ratio['wall']:.2f} in wall time, {ratio['cpu']:.2f} in CPU time, turn by turn."
    )
    if missing:
        foot += f" NOT COMPARABLE: ours did not measure {', '.join(missing)}."
    record = {"data": args.data.name, "handwritten": hand, "ockham": us, "ratio": ratio, "cores": cores}
    table.publish("fit_speed", table.markdown(header, rows) + foot, record, table.peer_versions())


if __name__ == "__main__":
    main()
