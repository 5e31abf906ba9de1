"""Accuracy of the cheap rungs against noise in their training rows, raw and curated: ``scripts/bench noise``.

Into each of two real tasks are planted, at 0, 5, 20 and 40 % of the rows: wrong labels, copies (each with the label of
another row in one case of four, as scraped copies have), and junk (boilerplate, markup, noise) under some label. The
rungs lookup, linear and encoder learn from the rows as they are, and from what `ockham curate` leaves of them, once
with its defaults and once with ``--doubts drop``; all are measured on the same clean test rows. The encoder's C is 10,
as that of a fit without validation rows. Each cell is a file under ``.bench/noise/``; what is there is not run again.
``--rows`` takes fewer training rows, ``--tasks`` fewer tasks.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks import table
from ockham.reporting import line_chart
from ockham.reporting.html import tag
from ockham.reporting.scales import write_shares
from ockham.reporting.svg import Picture, standalone, words_at

TASKS = ("clinc150", "hwu64")
LEVELS = (0.0, 0.05, 0.2, 0.4)
WAYS = ("raw", "curated", "curated, doubts dropped")
RUNGS = ("lookup", "linear", "encoder")
STRENGTH = 5.0
CELLS = table.CELLS / "noise"
_SCRAPS = (
    "<div class='nav'><a href='#'>Home</a> | <a href='#'>Contact</a></div>", "Loading, please wait...", "error 404",
    "&nbsp;&nbsp;&copy; all rights reserved", "asdf asdf asdf asdf", "-----", "click here click here click here",
)  # fmt: skip


def read(name: str, part: str) -> list[tuple[str, str]]:
    with (table.DATA / name / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def planted(rows: list[tuple[str, str]], level: float, rng: random.Random) -> list[tuple[str, str]]:
    """Give the rows with wrong labels, copies and junk, each in so large a share of them, in random order."""
    labels = sorted({label for _, label in rows})
    number = round(level * len(rows))
    noisy = list(rows)
    for place in rng.sample(range(len(rows)), number):
        text, label = rows[place]
        noisy[place] = text, rng.choice([other for other in labels if other != label])
    for text, label in rng.choices(noisy, k=number):
        noisy.append((text, rng.choice(labels) if rng.random() < 0.25 else label))
    for _ in range(number):
        letters = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789 ", k=rng.randint(10, 60)))
        noisy.append((rng.choice([letters, f"{rng.choice(_SCRAPS)} {rng.randint(1, 99)}"]), rng.choice(labels)))
    rng.shuffle(noisy)
    return noisy


def curated(rows: list[tuple[str, str]], way: str, folder: Path) -> list[tuple[str, str]]:
    """Curate the rows in the given way; raw rows stay as they are."""
    from ockham.curation.curate import CurateSpec, curate

    if way == "raw":
        return rows
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / "rows.jsonl"
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    spec = CurateSpec(doubts="drop" if way.endswith("dropped") else "report")
    done = curate(source, spec, out=folder / "out")
    shards = [done.path / shard.path for shard in done.report.shards if shard.path.startswith("clean/")]
    found = [json.loads(line) for shard in shards for line in shard.read_text("utf-8").splitlines()]
    shutil.rmtree(folder)
    return [(row["text"], row["label"]) for row in found]


@lru_cache(maxsize=1)
def embedder(task: str) -> Any:  # noqa: ANN401 - the embedder of ockham
    """Make the sentence encoder as a fit would serve it, its 8-bit ranges set by the clean training rows."""
    from ockham.convert import onnx_export
    from ockham.models import sentence_encoder

    found = sentence_encoder.find(None)
    folder = CELLS / "encoder"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return onnx_export.write(found, found.weights(), [text for text, _ in read(task, "train")], folder)


def vectors(task: str, texts: list[str], known: dict[str, Any]) -> Any:  # noqa: ANN401 - an array (texts, hidden)
    """Embed texts; each is embedded once a task."""
    import numpy as np

    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        known.update(zip(new, embedder(task).embed(new), strict=True))
    return np.stack([known[text] for text in texts])


def accuracies(
    task: str, rows: list[tuple[str, str]], test: list[tuple[str, str]], known: dict[str, Any]
) -> dict[str, Any]:
    """Learn from rows, and give the share of test rows that each rung answers rightly, with its interval."""
    from ockham.evals.intervals import wilson
    from ockham.models import linear, lookup
    from ockham.records import Example
    from ockham.tuning import linear_head

    examples = [Example(id=str(place), input=text, target=label) for place, (text, label) in enumerate(rows)]
    models: dict[str, Any] = {
        "lookup": lookup.learn(examples),
        "linear": linear.learn(examples, STRENGTH, seed=0),
    }
    asked = [text for text, _ in test]
    answers = {name: [one.value for one in model.answer(asked)] for name, model in models.items()}
    head = linear_head.solve(vectors(task, [text for text, _ in rows], known), [label for _, label in rows], 10.0)
    answers["encoder"] = head.best(vectors(task, asked, known))
    found = {}
    for name, given in answers.items():
        right = wilson(sum(one == label for one, (_, label) in zip(given, test, strict=True)), len(test))
        found[name] = [right.value, right.low, right.high]
    return found


def cell(task: str, level: float, way: str, most: int, known: dict[str, Any]) -> dict[str, Any]:
    """Measure one cell, or read it."""
    path = CELLS / f"{task}-{most}-{round(100 * level)}-{way.replace(', ', '-').replace(' ', '-')}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found
    rng = random.Random(f"{task} {level}")
    rows, test = read(task, "train"), read(task, "test")
    random.Random(0).shuffle(rows)
    noisy = planted(rows[:most], level, rng)
    kept = curated(noisy, way, CELLS / "work")
    cell = {"task": task, "level": level, "way": way, "rows": len(noisy), "kept": len(kept), "test": len(test)}
    cell |= {"accuracy": accuracies(task, kept, test, known)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(cell), encoding="utf-8")
    table.say(f"{task} {level:.0%} {way}: {cell['accuracy']}")
    return cell


def drawn(cells: list[dict[str, Any]]) -> str:
    """Draw accuracy against noise as an SVG file, a panel for each task and rung, three in a row."""
    panels = [
        (f"{task}, {rung}", [one for one in cells if one["task"] == task], rung)
        for task in dict.fromkeys(one["task"] for one in cells)
        for rung in RUNGS
    ]
    axes = line_chart.Chart(
        x_title="noise of each kind", y_title="accuracy", write_x=write_shares, write_y=write_shares, joints=True
    )
    width, parts, height, told = 400, [], 0.0, []
    for place, (title, own, rung) in enumerate(panels):
        lines = [
            line_chart.ChartLine(
                name=way,
                points=tuple((one["level"], *one["accuracy"][rung]) for one in own if one["way"] == way),
            )
            for way in WAYS
        ]
        picture = line_chart.draw(lines, axes, width)
        down, across = divmod(place, 3)
        head = words_at(title, width / 2, 8, "middle", font_weight="bold")
        where = f"translate({across * (width + 24)} {down * (picture.height + 40)})"
        body = tag("g", picture.parts, transform="translate(0 20)")
        parts.append(tag("g", head, body, transform=where))
        height = max(height, (down + 1) * (picture.height + 40))
        told.append(f"{title}: {line_chart.description(lines, axes)}")
    whole = Picture(width=3 * (width + 24), height=height, parts=tuple(parts))
    return standalone(whole, "Accuracy against noise", " ".join(told))


def main() -> None:
    """Measure every cell, write the table and the picture."""
    parser = argparse.ArgumentParser(description="Measure what curating gains under noise.")
    parser.add_argument("--rows", type=int, default=10**9, help="training rows to plant into (all if not set)")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--cores", help="hold everything to these cores, as in 0")
    args = parser.parse_args()
    table.pin(args.cores)
    cells = []
    for task in args.tasks:
        known: dict[str, Any] = {}
        cells += [cell(task, level, way, args.rows, known) for level in LEVELS for way in WAYS]
    rows = [
        [
            one["task"],
            f"{one['level']:.0%}",
            one["way"],
            f"{one['kept']:,} of {one['rows']:,}",
            *(
                "{:.1f} % ({:.1f} to {:.1f})".format(*(100 * share for share in one["accuracy"][rung]))
                for rung in RUNGS
            ),
        ]
        for one in cells
    ]
    text = table.markdown(["task", "noise of each kind", "training rows", "rows", *RUNGS], rows)
    size = "" if args.rows == 10**9 else f" Only {args.rows:,} training rows of each task were taken."
    sizes = " and ".join(
        f"{cells[place]['test']:,} ({cells[place]['task']})" for place in range(0, len(cells), len(LEVELS) * len(WAYS))
    )
    text += f"\n\nAccuracy on clean test rows, with 95 % intervals; {sizes} of them.{size}"
    table.publish("noise", text, {"cells": cells, "rows": None if args.rows == 10**9 else args.rows})
    (table.RESULTS / "noise.svg").write_text(drawn(cells), encoding="utf-8")


if __name__ == "__main__":
    main()
