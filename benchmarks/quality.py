"""Our rungs against the same rungs written by hand, on the same rows: ``scripts/bench quality``.

One table, rung by set: accuracy with n and its 95 % interval. Every cell is a JSON file under ``.bench/quality/``; what
is there is not run again, so a long benchmark can be stopped and started. ``--redo`` forgets the cells asked for.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import table

RUNGS = ("constant", "lookup", "linear", "encoder", "encoder-tuned")
SEED = 0
CELLS = table.CELLS / "quality"
CUAD_ROWS = {"train": 1500, "test": 1000}
# `fit` says 3 where no candidate meets a requirement and 4 where it cannot tell; its verdict stands all the same.
ANSWERED = (0, 3, 4)


class Files(NamedTuple):
    """One set, ready to be read by both sides; ``more`` is what else `ockham fit` should know."""

    train: Path
    test: Path
    more: tuple[str, ...] = ()


def as_given(name: str, *more: str) -> Callable[[], Files]:
    """Use the set's own train and test files."""
    return lambda: Files(table.DATA / name / "train.csv", table.DATA / name / "test.csv", more)


def sms_spam() -> Files:
    """Split the one file 80/20 by seed, after rows of equal text have been removed."""
    with (table.DATA / "sms_spam" / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list({row["text"]: row for row in csv.DictReader(file)}.values())
    random.Random(SEED).shuffle(rows)
    cut = len(rows) // 5
    files = Files(CELLS / "sms_spam" / "train.csv", CELLS / "sms_spam" / "test.csv")
    files.train.parent.mkdir(parents=True, exist_ok=True)
    for path, part in ((files.test, rows[:cut]), (files.train, rows[cut:])):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(part)
    return files


def sample(path: Path, rows: int, out: Path) -> Path:
    """Write some rows of a CSV file, always the same ones, and give their place."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = list(csv.reader(file))
    chosen = sorted(random.Random(SEED).sample(range(len(lines)), min(rows, len(lines))))
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *(lines[place] for place in chosen)])
    return out


def cuad_clauses() -> Files:
    """Draw 1,500 training and 1,000 test rows: the hand-written tuning takes hours for all of these long texts."""
    given, mine = table.DATA / "cuad_clauses", CELLS / "cuad_clauses"
    sides = {name: sample(given / f"{name}.csv", rows, mine / f"{name}.csv") for name, rows in CUAD_ROWS.items()}
    return Files(sides["train"], sides["test"], ("--group", "contract"))


SETS: dict[str, Callable[[], Files]] = {
    "hwu64": as_given("hwu64"),
    "sms_spam": sms_spam,
    "clinc150": as_given("clinc150"),
    "cuad_clauses": cuad_clauses,
}


def handwritten(name: str, files: Files, rung: str) -> dict[str, Any]:
    """Run a hand-written rung, or read what it gave before."""
    cell = CELLS / name / f"{rung}.json"
    if not cell.exists():
        table.say(f"{name}: {rung}, by hand")
        script = table.ROOT / "benchmarks" / "handwritten.py"
        words: list[str | Path] = ["--train", files.train, "--test", files.test, "--seed", str(SEED), "--out", cell]
        command: list[str | Path] = [table.PEERS, script, rung, *words]
        cell.parent.mkdir(parents=True, exist_ok=True)
        table.need(table.run(command, cell.with_suffix(".log")), command)
    return dict(json.loads(cell.read_text(encoding="utf-8")))


def climb(files: Files, run: Path) -> table.Run:
    """Climb our ladder, all rungs; the verdict is the output, and the log stands beside the run."""
    words: list[str | Path] = ["--test", files.test, "--input", "text", "--target", "label", *files.more]
    command: list[str | Path] = [table.OCKHAM, "fit", files.train, *words, "--all", "--json", "--out", run]
    return table.need(table.run(command, run.with_suffix(".log")), command, ANSWERED)


def ours(name: str, files: Files) -> dict[str, Any]:
    """Climb our ladder once, all rungs, or read the verdict it gave before."""
    cell = CELLS / name / "ockham.json"
    if not cell.exists():
        table.say(f"{name}: ockham fit --all")
        cell.parent.mkdir(parents=True, exist_ok=True)
        done = climb(files, cell.with_suffix(".run"))
        measured = {"wall_seconds": done.wall, "cpu_seconds": done.cpu, "peak_rss_mb": done.peak_mb}
        cell.write_text(json.dumps({**measured, "verdict": json.loads(done.output)}) + "\n", encoding="utf-8")
    return dict(json.loads(cell.read_text(encoding="utf-8")))


def by_hand(cell: dict[str, Any]) -> dict[str, float]:
    """Give a hand-written rung's accuracy with Wilson's interval, the one our verdicts have."""
    from ockham.evals.intervals import wilson

    estimate = wilson(round(cell["accuracy"] * cell["test"]), cell["test"])
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


def by_us(verdict: dict[str, Any], rung: str) -> dict[str, float] | str:
    """Give our rung's accuracy from the verdict, or why there is none."""
    for candidate in verdict["candidates"]:
        if candidate["name"] == rung:
            found: dict[str, float] | None = candidate["metrics"].get("accuracy")
            return found or f"{candidate['status']}: {candidate['why']}"
    return "not on the ladder"


def written(estimate: dict[str, float] | str) -> str:
    """Write an accuracy with its interval and n."""
    if isinstance(estimate, str):
        return estimate
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}] n={estimate['n']:,}"


def line(name: str, rung: str, hand: dict[str, float], us: dict[str, float] | str) -> list[str]:
    """Write one line of the table; the difference is in points, ours minus theirs."""
    gap = "" if isinstance(us, str) else f"{round(100 * (us['value'] - hand['value']), 1) + 0.0:+.1f}"
    return [name, rung, written(hand), written(us), gap]


def main(argv: Sequence[str] | None = None) -> None:
    """Fill the cells asked for and write the table."""
    parser = argparse.ArgumentParser(description="Compare our rungs with hand-written ones.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=list(RUNGS))
    parser.add_argument("--redo", choices=("ours", "peers", "both"), help="forget these cells and run them again")
    args = parser.parse_args(argv)

    rows, record = [], {}
    for name in args.sets:
        files = SETS[name]()
        if args.redo in {"ours", "both"}:
            (CELLS / name / "ockham.json").unlink(missing_ok=True)
        if args.redo in {"peers", "both"}:
            for rung in args.rungs:
                (CELLS / name / f"{rung}.json").unlink(missing_ok=True)
        hand = {rung: by_hand(handwritten(name, files, rung)) for rung in args.rungs}
        verdict = ours(name, files)["verdict"]
        record[name] = {rung: {"handwritten": hand[rung], "ockham": by_us(verdict, rung)} for rung in args.rungs}
        rows += [line(name, rung, hand[rung], by_us(verdict, rung)) for rung in args.rungs]
    text = table.markdown(["set", "rung", "hand-written, accuracy", "ockham, accuracy", "points"], rows)
    foot = (
        "\n\nBoth sides were given the same files; where n differs, Ockham left test rows out (its verdict says why)."
    )
    table.publish("quality", text + foot, {"sets": record}, table.peer_versions())


if __name__ == "__main__":
    main()
