"""Extract fields with the rungs that need no encoder: public sets at several sizes, and documents made by rules.

    scripts/bench extract [--rows 200,1000] [--test 500] [--sets wnut17,…] [--out benchmarks/results]

Each set is shuffled by its seed and cut to so many rows, a tenth of which choose thresholds (validation); the models
are not fitted again on those. Seconds are those of the processor, over all threads. Memory is the peak of the process
that fits and answers, one a measurement.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._made_documents import make_notes, make_receipts
from ockham.evals import field_scores, tasks
from ockham.models.extraction import field_calibration, pattern_learning, tagger_learning
from ockham.models.extraction.value_places import TextRow
from ockham.records import Score

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("restaurant8k", "usaddress", "ncbi_disease", "wnut17", "receipts", "notes")
MADE = {"receipts": (300, make_receipts), "notes": (200, make_notes)}
RUNGS = {"pattern": pattern_learning.learn, "linear-tagger": tagger_learning.learn}
SEED = 0


def read_rows(name: str, rows: int, test: int) -> tuple[list[TextRow], list[TextRow]]:
    """Return the rows to learn from and those to measure on."""
    if name in MADE:
        count, make = MADE[name]
        made = [TextRow(text=str(row["input"]), target=str(row["target"])) for row in make(count + test, SEED)]
        return made[:count], made[count:]
    sides = []
    for side, most in (("train", rows), ("test", test)):
        lines = [json.loads(line) for line in (DATA / name / f"{side}.jsonl").read_text("utf-8").splitlines()]
        random.Random(SEED).shuffle(lines)
        sides.append([TextRow(text=line["input"], target=json.dumps(line["target"])) for line in lines[:most]])
    return sides[0], sides[1]


def measure(name: str, rung: str, rows: int, test: int) -> dict[str, object]:
    """Fit a rung on a set and measure it, in this process."""
    train, unseen = read_rows(name, rows, test)
    valid = train[-max(1, len(train) // 10) :]
    begin = time.process_time()
    placed = tagger_learning.place_rows(train[: len(train) - len(valid)])
    model = RUNGS[rung](placed)
    rules = field_calibration.calibrate(model.writer, model.shares, valid)
    writer = model.writer.with_rules(rules)
    fitted = time.process_time()
    times, scores = [], []
    for number, row in enumerate(unseen):
        start = time.process_time()
        answer = writer.answer(row.text, model.shares(row.text)).value
        times.append(1000 * (time.process_time() - start))
        right = float(field_scores.equal(answer, row.target))
        scores.append(Score(example=str(number), answer=answer, target=row.target, value=right))
    metrics = tasks.estimate_metrics("extract", scores, ())
    fields = tasks.per_label_scores("extract", scores)
    return {
        "set": name,
        "rung": rung,
        "rows": len(train),
        **{key: _numbers(metrics[key]) for key in ("f1_micro", "accuracy")},
        "fields": {field.label: None if field.f1 is None else _numbers(field.f1) for field in fields},
        "fit_s": fitted - begin,
        "p95_ms": sorted(times)[int(0.95 * (len(times) - 1))],
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


def _numbers(estimate: object) -> dict[str, float]:
    return {name: getattr(estimate, name) for name in ("value", "low", "high", "n")}


def _share(numbers: dict[str, float]) -> str:
    value, low, high = (100 * numbers[name] for name in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def write_table(results: list[dict[str, object]]) -> str:
    """Return the measurements as a page of Markdown."""
    head = (
        "| set | rows | rung | micro F1, % | whole objects, % | test rows | fit s | p95 ms | memory MB |\n"
        "|---|--:|---|--:|--:|--:|--:|--:|--:|"
    )
    lines = [
        f"| {r['set']} | {r['rows']} | {r['rung']} | {_share(r['f1_micro'])} | {_share(r['accuracy'])} | "
        f"{r['f1_micro']['n']:,} | {r['fit_s']:.1f} | {r['p95_ms']:.2f} | {r['memory_mb']:.0f} |"
        for r in results
    ]
    made = [r for r in results if r["set"] in MADE and r["rung"] == "linear-tagger"]
    fields = [
        f"- {r['set']}: " + ", ".join(f"{name} {_share(f1)}" for name, f1 in r["fields"].items() if f1) for r in made
    ]
    return "\n".join(
        [
            "# Extracting fields",
            "",
            __doc__.strip(),
            "",
            head,
            *lines,
            "",
            "F1 of each field, %, linear-tagger:",
            "",
            *fields,
            "",
        ]
    )


def main() -> int:
    """Measure every set, size and rung, each in a process of its own, and write the results down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", default="200,1000")
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--one", nargs=3, metavar=("SET", "RUNG", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, rung, rows = options.one
        print(json.dumps(measure(name, rung, int(rows), options.test)))
        return 0
    results = []
    for name in options.sets.split(","):
        for rows in [0] if name in MADE else map(int, options.rows.split(",")):
            for rung in RUNGS:
                command = [sys.executable, "-m", "benchmarks.extract", "--test", str(options.test)]
                done = subprocess.run(
                    [*command, "--one", name, rung, str(rows)], stdout=subprocess.PIPE, text=True, check=True
                )
                results.append(json.loads(done.stdout))
                print(json.dumps(results[-1]), flush=True)
                (options.out / "extract.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
                (options.out / "extract.md").write_text(write_table(results), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
