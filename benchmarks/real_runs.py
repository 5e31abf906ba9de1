"""The whole ladder with a language model on real tasks of every kind: ``scripts/bench real_runs``.

One ``ockham fit --all`` for each set, on rows drawn by seed from the set's own training and test halves; the table
shows every rung, also where the language model loses. A set that was run is read from ``.bench/real_runs/``; what a
run measured takes the place of what the published table says of the same set, model, rows and rungs, and leaves the
rest of it as it is.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import table

SEED = 0
CELLS = table.CELLS / "real_runs"
ANSWERED = (0, 3, 4)


class Half(NamedTuple):
    """Rows wanted of the training and the test half, and the task's metrics, the first one for choosing."""

    train: int
    test: int
    metrics: tuple[str, ...]


EXTRACT = ("f1_micro", "accuracy", "validity")
GENERATE = ("chrf", "accuracy", "rouge_l")
CLASSIFY = ("accuracy", "f1_macro")
SETS = {
    "restaurant8k": Half(1000, 500, EXTRACT),
    "usaddress": Half(600, 300, EXTRACT),
    "ncbi_disease": Half(600, 300, EXTRACT),
    "text2sql": Half(600, 200, GENERATE),
    "tldr_commands": Half(800, 300, GENERATE),
    "clinc150": Half(1500, 600, CLASSIFY),
    "bitext_support": Half(600, 300, CLASSIFY),
    "gsm8k": Half(400, 100, ("accuracy", "chrf", "rouge_l")),
    "bbh": Half(600, 200, ("accuracy",)),
}


class Run(NamedTuple):
    """What was run on a set: a model, how many rows of each half, and the rungs, none for the whole ladder."""

    set: str
    model: str
    train: int
    test: int
    rungs: tuple[str, ...] = ()
    epochs: int | None = None

    @property
    def name(self) -> str:
        """Return the name that the record keeps it by."""
        passes = () if self.epochs is None else (f"{self.epochs} passes",)
        return "/".join([self.set, Path(self.model).name, f"{self.train}+{self.test}", *self.rungs, *passes])


def sample(source: Path, rows: int, out: Path) -> Path:
    """Write some rows of a JSON lines or CSV file, always the same ones; gives their place."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with source.open(encoding="utf-8", newline="") as file:
        lines: list[Any] = list(csv.reader(file)) if source.suffix == ".csv" else file.readlines()
    head = [lines.pop(0)] if source.suffix == ".csv" else []
    chosen = [
        *head,
        *(lines[place] for place in sorted(random.Random(SEED).sample(range(len(lines)), min(rows, len(lines))))),
    ]
    with out.open("w", encoding="utf-8", newline="") as file:
        if source.suffix == ".csv":
            csv.writer(file).writerows(chosen)
        else:
            file.writelines(chosen)
    return out


def halves(name: str, wanted: Run, folder: Path) -> tuple[Path, Path]:
    """Draw the rows of both halves; a set of one file is divided by seed first."""
    files = sorted((table.DATA / name).glob("*.*l")) + sorted((table.DATA / name).glob("*.csv"))
    given = {file.stem: file for file in files}
    if "train" in given and "test" in given:
        train, test = given["train"], given["test"]
    else:
        train, test = divide(files[0], folder)
    suffix = train.suffix
    return sample(train, wanted.train, folder / f"train{suffix}"), sample(test, wanted.test, folder / f"test{suffix}")


def divide(source: Path, folder: Path) -> tuple[Path, Path]:
    """Divide the lines of a JSON lines file into four fifths and one fifth, by seed."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    random.Random(SEED).shuffle(lines)
    fifth = len(lines) // 5
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"most": lines[fifth:], "rest": lines[:fifth]}
    for stem, part in parts.items():
        (folder / f"{stem}{source.suffix}").write_text("".join(part), encoding="utf-8")
    return folder / f"most{source.suffix}", folder / f"rest{source.suffix}"


def climb(wanted: Run) -> dict[str, Any]:
    """Climb the ladder once on a set, or read the verdict it gave before."""
    folder = CELLS / wanted.name
    cell = folder / "cell.json"
    if not cell.exists():
        table.say(f"{wanted.name}: ockham fit --all")
        train, test = halves(wanted.set, wanted, folder)
        words: list[str | Path] = ["--test", test, "--models", wanted.model, "--all", "--json", "--out", folder / "run"]
        for rung in wanted.rungs:
            words += ["--rung", rung]
        if wanted.epochs is not None:
            words += ["--epochs", str(wanted.epochs)]
        if train.suffix == ".csv":
            words += ["--input", "text", "--target", "label"]
        command: list[str | Path] = [table.OCKHAM, "fit", train, *words]
        done = table.need(table.run(command, folder / "log"), command, ANSWERED)
        today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
        measured = {"date": today, "wall_seconds": done.wall, "peak_rss_mb": done.peak_mb}
        verdict = json.loads(done.output)
        del verdict["run"], verdict["next"]  # where it lies says nothing to others
        cell.write_text(json.dumps({**measured, "verdict": verdict}) + "\n", encoding="utf-8")
    return dict(json.loads(cell.read_text(encoding="utf-8")))


def written(estimate: dict[str, float]) -> str:
    """Write a metric in percent with its interval."""
    return f"{100 * estimate['value']:.1f} ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"


def lines(name: str, run: dict[str, Any]) -> list[list[str]]:
    """Write a line of the table for each rung that was measured or failed."""
    verdict, shown = run["verdict"], SETS[name].metrics
    rows = f"{verdict['dataset']['train']:,}"
    written_lines = []
    for candidate in verdict["candidates"]:
        metrics = candidate["metrics"]
        if candidate["status"] == "skipped":
            continue
        if candidate["status"] != "measured":
            why = f"{candidate['status']}: {candidate['why']}"
            written_lines.append([name, rows, candidate["name"], why, *[""] * 6, run["date"]])
            continue
        busy = " (busy)" if candidate["latency_ms"].get("lost_to_other_programs") else ""
        chosen = " (chosen)" if candidate["name"] == verdict["chosen"] else ""
        written_lines.append(
            [
                name,
                rows,
                candidate["name"] + chosen,
                *(f"{metric} {written(metrics[metric])}" for metric in shown),
                *[""] * (3 - len(shown)),
                f"{metrics[shown[0]]['n']:,}",
                f"{candidate['latency_ms']['p95']:,.1f}{busy}",
                f"{candidate['memory_mb']:,.0f}",
                f"{candidate['artifact_mb']:,.1f}",
                run["date"],
            ]
        )
    return written_lines


def known_runs() -> dict[str, Any]:
    """Return the runs that the published record holds, by their names."""
    file = table.RESULTS / "real_runs.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))["runs"]) if file.exists() else {}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the sets asked for and write them into the table."""
    parser = argparse.ArgumentParser(description="Climb the whole ladder with a language model on real tasks.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--model", default="ockham-nano", help="a model that can be tuned: a name or a folder")
    parser.add_argument("--rung", action="append", default=[], help="only this rung; several are allowed")
    parser.add_argument("--train", type=int, help="rows of the training half, instead of the set's own number")
    parser.add_argument("--test", type=int, help="rows of the test half, instead of the set's own number")
    parser.add_argument("--epochs", type=int, help="most passes over the training rows")
    args = parser.parse_args(argv)

    for name in args.sets:
        train, test = args.train or SETS[name].train, args.test or SETS[name].test
        wanted = Run(name, args.model, train, test, tuple(args.rung), args.epochs)
        measured = climb(wanted)
        runs = {**known_runs(), wanted.name: measured}
        runs = dict(sorted(runs.items(), key=lambda run: (list(SETS).index(run[0].split("/")[0]), run[0])))
        rows = [line for key, run in runs.items() for line in lines(key.split("/")[0], run)]
        head = [
            "set",
            "training rows",
            "rung",
            "metric, %",
            "second, %",
            "third, %",
            "n",
            "p95 ms",
            "memory MB",
            "size MB",
            "date",
        ]
        table.publish("real_runs", table.markdown(head, rows), {"runs": runs})


if __name__ == "__main__":
    main()
