"""Extract fields with our rungs and with peers: public sets at several sizes, and documents made by rules.

    scripts/bench extract [--rows 200,1000] [--test 500] [--sets wnut17,…] [--rungs pattern,…] [--again] [--out FOLDER]

What stands in the folder already is not measured again, so a run may be ended and gone on with, and parts add up; with
--again it is. receipts and notes are made by `benchmarks._made_documents`, shops by `benchmarks._shop_receipts`.

Each set is shuffled by its seed and cut to so many rows, a tenth of which choose thresholds and passes (validation).
pattern and linear-tagger are fitted by themselves, and not again on the validation rows. ``fit`` stands for the whole
of `ockham fit` on the same rows: every rung that it measured is a line, as it is served. The peers are spaCy's NER,
trained from nothing, and a token classifier written by hand with transformers on the encoder of encoder-tagger (all
of it tuned, BIO), each in an environment of its own; GLiNER is asked where OCKHAM_GLINER names its folder. Seconds
are those of the processor, over all threads, of ``fit`` those of the clock. "600 words" are texts of so many words,
made of the test texts: the processor time that 95 % of them take at most, over all threads. Memory is the peak of
the process that fits and answers, one a measurement; of ``fit`` that of serving.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import _shop_receipts
from benchmarks._made_documents import make_notes, make_receipts
from ockham.evals import field_scores, tasks
from ockham.ladder.fit import FitSpec, fit
from ockham.ladder.run_folder import bundle_of, load_result
from ockham.models.backend import Model, load_backend
from ockham.models.extraction import field_calibration, pattern_learning, tagger_learning
from ockham.models.extraction.tagger_learning import PlacedRows
from ockham.models.extraction.value_places import TextRow
from ockham.records import Score

DATA = Path(__file__).parents[2] / "shared" / "data"
SETS = ("restaurant8k", "usaddress", "ncbi_disease", "wnut17", "receipts", "notes", "shops")
MADE = {
    "receipts": (300, 200, make_receipts),
    "notes": (200, 200, make_notes),
    "shops": (400, 226, _shop_receipts.make),
}
"""Of each made set the rows to learn from, the most rows to measure on, and its maker."""
RUNGS: dict[str, Callable[[PlacedRows], Any]] = {
    "pattern": pattern_learning.learn,
    "linear-tagger": tagger_learning.learn,
}
PEERS = {"spacy": ".bench/venv-spacy", "classifier": ".bench/venv-peers", "gliner": ".bench/venv-peers"}
WHOLE = "fit"
FITTED = ("pattern", "linear-tagger", "encoder-tagger", "field-blend")
SEED = 0
_LONG_TEXTS, _LONG_WORDS = 20, 600


def read_rows(name: str, rows: int, test: int) -> tuple[list[TextRow], list[TextRow]]:
    """Return the rows to learn from and those to measure on."""
    if name in MADE:
        count, most, make = MADE[name]
        made = [TextRow(text=str(row["input"]), target=str(row["target"])) for row in make(count + most, SEED)]
        return made[:count], made[count:][:test]
    sides = []
    for side, most in (("train", rows), ("test", test)):
        lines = [json.loads(line) for line in (DATA / name / f"{side}.jsonl").read_text("utf-8").splitlines()]
        random.Random(SEED).shuffle(lines)
        sides.append([TextRow(text=line["input"], target=json.dumps(line["target"])) for line in lines[:most]])
    return sides[0], sides[1]


def measure(name: str, rung: str, rows: int, test: int) -> dict[str, Any]:
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
    return {
        "set": name,
        "rung": rung,
        "rows": len(train),
        **_shares(scores),
        "fit_s": fitted - begin,
        "p95_ms": sorted(times)[int(0.95 * (len(times) - 1))],
        "long_ms": _time_long_texts(lambda text: writer.answer(text, model.shares(text)), unseen),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }


def _answer_one(model: Model, text: str) -> object:
    return model.answer([text])


def _time_long_texts(answer: Callable[[str], object], rows: Sequence[TextRow]) -> float:
    """Return the milliseconds that 95 % of the texts of 600 words take at most; the first is not counted."""
    words = " \n ".join(row.text for row in rows).split(" ")
    times = []
    for number in range(_LONG_TEXTS + 1):
        first = number * _LONG_WORDS % max(1, len(words) - _LONG_WORDS)
        text = " ".join(words[first : first + _LONG_WORDS])
        start = time.process_time()
        answer(text)
        times.append(1000 * (time.process_time() - start))
    return sorted(times[1:])[int(0.95 * (_LONG_TEXTS - 1))]


def measure_peer(name: str, peer: str, rows: int, test: int) -> list[dict[str, object]]:
    """Let a peer learn from a set in its own environment, and judge its answers as ours are."""
    train, unseen = read_rows(name, rows, test)
    with tempfile.TemporaryDirectory() as folder:
        paths = _write_sides(Path(folder), train, unseen)
        out = Path(folder) / "answers.json"
        python = Path(os.environ.get(f"OCKHAM_PEER_{peer.upper()}", f"{PEERS[peer]}/bin/python"))
        command = [str(python), "benchmarks/_extract_peers.py", peer, "--out", str(out)]
        command += ["--train", str(paths[0]), "--test", str(paths[1]), "--gliner", os.environ.get("OCKHAM_GLINER", "")]
        subprocess.run(command, check=True)
        outcome = json.loads(out.read_text("utf-8"))
    scores = []
    for number, (answer, row) in enumerate(zip(outcome.pop("answers"), unseen, strict=True)):
        value = json.dumps(answer)
        right = float(field_scores.equal(value, row.target))
        scores.append(Score(example=str(number), answer=value, target=row.target, value=right))
    return [{"set": name, "rung": peer, "rows": len(train), **_shares(scores), **outcome}]


def measure_fit(name: str, rows: int, test: int) -> list[dict[str, object]]:
    """Run all of a fit on a set, and return what it measured of each rung that extracts."""
    train, unseen = read_rows(name, rows, test)
    with tempfile.TemporaryDirectory() as folder:
        paths = _write_sides(Path(folder), train, unseen)
        run = Path(folder) / "run"
        spec = FitSpec(task="extract", rungs=FITTED, all=True, test=str(paths[1]))
        fit(str(paths[0]), spec, out=run)
        reports = load_result(run).reports
        long_ms = {}
        for report in reports:
            model = load_backend(report.candidate.kind).load(bundle_of(run, report.candidate.name))
            long_ms[report.candidate.name] = _time_long_texts(partial(_answer_one, model), unseen)
    return [
        {
            "set": name,
            "rung": f"fit: {report.candidate.name}",
            "rows": len(train),
            **_shares(report.scores),
            "fit_s": report.fit_seconds,
            "p95_ms": report.profile.p95_ms.value if report.profile else 0.0,
            "long_ms": long_ms[report.candidate.name],
            "memory_mb": report.profile.memory_mb if report.profile else 0.0,
        }
        for report in reports
    ]


def _write_sides(folder: Path, *sides: list[TextRow]) -> list[Path]:
    paths = [folder / f"{name}.jsonl" for name in ("train", "test")]
    for path, side in zip(paths, sides, strict=True):
        lines = [json.dumps({"input": row.text, "target": json.loads(row.target)}) for row in side]
        path.write_text("\n".join(lines) + "\n", "utf-8")
    return paths


def _shares(scores: Sequence[Score]) -> dict[str, object]:
    """Return micro F1, whole objects and the F1 of each field, and how far confidences are from the shares of right."""
    metrics = tasks.estimate_metrics("extract", scores, ())
    fields = tasks.per_label_scores("extract", scores)
    return {
        **{key: _numbers(metrics[key]) for key in ("f1_micro", "accuracy")},
        "fields": {field.label: None if field.f1 is None else _numbers(field.f1) for field in fields},
    }


def _numbers(estimate: object) -> dict[str, float]:
    return {name: getattr(estimate, name) for name in ("value", "low", "high", "n")}


def _share(numbers: dict[str, float]) -> str:
    value, low, high = (100 * numbers[name] for name in ("value", "low", "high"))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def write_table(results: list[dict[str, Any]]) -> str:
    """Return the measurements as a page of Markdown."""
    head = (
        "| set | rows | rung | micro F1, % | whole objects, % | test rows | fit s | p95 ms | 600 words ms | "
        "memory MB |\n|---|--:|---|--:|--:|--:|--:|--:|--:|--:|"
    )
    lines = [
        f"| {r['set']} | {r['rows']} | {r['rung']} | {_share(r['f1_micro'])} | {_share(r['accuracy'])} | "
        f"{r['f1_micro']['n']:,} | {r['fit_s']:.1f} | {r['p95_ms']:.2f} | "
        f"{_milliseconds(r.get('long_ms'))} | {r['memory_mb']:.0f} |"
        for r in results
    ]
    made = [r for r in results if r["set"] in MADE and r["rung"].endswith("linear-tagger")]
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
    parser.add_argument("--rungs", default=",".join((*RUNGS, WHOLE, "spacy", "classifier")))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--one", nargs=3, metavar=("SET", "RUNG", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, rung, rows = options.one
        if rung in RUNGS:
            lines = [measure(name, rung, int(rows), options.test)]
        elif rung == WHOLE:
            lines = measure_fit(name, int(rows), options.test)
        else:
            lines = measure_peer(name, rung, int(rows), options.test)
        print(json.dumps(lines))
        return 0
    known = options.out / "extract.json"
    results = json.loads(known.read_text("utf-8")) if known.exists() else []
    for name in options.sets.split(","):
        for rows in [MADE[name][0]] if name in MADE else map(int, options.rows.split(",")):
            for rung in options.rungs.split(","):
                if any(_is_of(line, name, rung, rows) for line in results) and not options.again:
                    continue
                command = [sys.executable, "-m", "benchmarks.extract", "--test", str(options.test)]
                done = subprocess.run(
                    [*command, "--one", name, rung, str(rows)], stdout=subprocess.PIPE, text=True, check=True
                )
                lines = json.loads(done.stdout.splitlines()[-1])
                print(*map(json.dumps, lines), sep="\n", flush=True)
                results = _add_lines(results, lines)
                known.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
                (options.out / "extract.md").write_text(write_table(results), "utf-8")
    return 0


def _is_of(line: dict[str, Any], name: str, rung: str, rows: int) -> bool:
    """Tell whether a line of the table is of a measurement; a fit has one line for each of its rungs."""
    return bool((line["set"], line["rows"], line["rung"].partition(": ")[0]) == (name, rows, rung))


def _add_lines(results: list[dict[str, Any]], lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put lines in the place of those of the same measurement, in the order of the sets, their rows, and rungs."""
    order = (*RUNGS, WHOLE, *PEERS)

    def rank(line: dict[str, Any]) -> tuple[int, int, int]:
        return SETS.index(line["set"]), line["rows"], order.index(line["rung"].partition(": ")[0])

    new = {rank(line) for line in lines}
    return sorted([*(line for line in results if rank(line) not in new), *lines], key=rank)


if __name__ == "__main__":
    sys.exit(main())
