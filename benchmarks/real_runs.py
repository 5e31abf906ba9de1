"""The whole ladder with a language model on real tasks of every kind: ``scripts/bench real_runs``.

One ``ockham fit --all`` for each set, on rows drawn by seed from the set's own training and test halves; the table
shows every rung, also where the language model loses. A set that was run is read from ``.bench/real_runs/``.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Sequence
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
}


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


def climb(name: str, model: str) -> dict[str, Any]:
    """Climb the ladder once on a set, or read the verdict it gave before."""
    cell = CELLS / Path(model).name / f"{name}.json"
    if not cell.exists():
        table.say(f"{name}: ockham fit --models {Path(model).name} --all")
        given = next((table.DATA / name).glob("train.*"))
        half = SETS[name]
        folder = cell.with_suffix("")
        train = sample(given, half.train, folder / given.name)
        test = sample(given.with_stem("test"), half.test, folder / f"test{given.suffix}")
        words: list[str | Path] = ["--test", test, "--models", model, "--all", "--json", "--out", folder / "run"]
        if given.suffix == ".csv":
            words += ["--input", "text", "--target", "label"]
        command: list[str | Path] = [table.OCKHAM, "fit", train, *words]
        done = table.need(table.run(command, folder / "log"), command, ANSWERED)
        measured = {"wall_seconds": done.wall, "peak_rss_mb": done.peak_mb}
        verdict = json.loads(done.output)
        del verdict["run"]  # where it lies says nothing to others
        cell.write_text(json.dumps({**measured, "verdict": verdict}) + "\n", encoding="utf-8")
    return dict(json.loads(cell.read_text(encoding="utf-8")))


def written(estimate: dict[str, float]) -> str:
    """Write a metric in percent with its interval."""
    return f"{100 * estimate['value']:.1f} ({100 * estimate['low']:.1f} to {100 * estimate['high']:.1f})"


def lines(name: str, verdict: dict[str, Any]) -> list[list[str]]:
    """Write a line of the table for each rung that was measured or failed."""
    shown = SETS[name].metrics
    found = []
    for candidate in verdict["candidates"]:
        metrics = candidate["metrics"]
        if candidate["status"] == "skipped":
            continue
        if candidate["status"] != "measured":
            found.append([name, candidate["name"], f"{candidate['status']}: {candidate['why']}", *[""] * 6])
            continue
        chosen = " (chosen)" if candidate["name"] == verdict["chosen"] else ""
        found.append(
            [
                name,
                candidate["name"] + chosen,
                *(f"{metric} {written(metrics[metric])}" for metric in shown),
                *[""] * (3 - len(shown)),
                f"{metrics[shown[0]]['n']:,}",
                f"{candidate['latency_ms']['p95']:,.1f}",
                f"{candidate['memory_mb']:,.0f}",
                f"{candidate['artifact_mb']:,.1f}",
            ]
        )
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Fill the sets asked for and write the table."""
    parser = argparse.ArgumentParser(description="Climb the whole ladder with a language model on real tasks.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--model", default="ockham-nano", help="a model that can be tuned: a name or a folder")
    args = parser.parse_args(argv)

    rows, record = [], {}
    for name in args.sets:
        record[name] = climb(name, args.model)
        rows += lines(name, record[name]["verdict"])
    head = ["set", "rung", "metric, %", "second, %", "third, %", "n", "p95 ms", "memory MB", "size MB"]
    table.publish("real_runs", table.markdown(head, rows), {"sets": record})


if __name__ == "__main__":
    main()
