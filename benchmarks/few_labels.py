"""Measure what the ladder chooses with few labelled rows, beside the frozen encoder and the linear model alone.

Six sub-tasks of each data set: a label drawn at random and the 15 whose mean vectors are nearest to its own, so labels
that are easily confused. Of each, 48 to 1,500 rows, spread evenly over the labels, are climbed on as `ockham fit` does
(linear, encoder and their blend; the tuned rungs are left out). Of the other rows one half is the sealed test set that
the verdict is made from, and the figures are of the other half, which no choice has seen.

    python -m benchmarks.few_labels --data ../shared/data/hwu64 --data ../shared/data/clinc150
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchmarks import table
from ockham import store
from ockham.convert import onnx_export
from ockham.data.prepare import prepare
from ockham.data.split import SplitSpec
from ockham.evals import comparison, sample_size, tasks
from ockham.models import blend, encoder, linear, model_files, onnx_encoder, sentence_encoder, softmax
from ockham.readers.read import ReadSpec
from ockham.records import Answer, Example, Requirements, Score
from ockham.rungs import encoder_rungs
from ockham.rungs.baselines import LINEAR
from ockham.rungs.blend_rung import LINEAR_ENCODER
from ockham.rungs.encoder_rungs import ENCODER
from ockham.rungs.label_rows import SETTING
from ockham.rungs.rung import BuildConfig, RunContext, build_rung
from ockham.tuning import linear_head
from ockham.tuning.tune_spec import TuneSpec
from ockham.verdict.decide import MeasuredCandidate, decide

SIZES = (48, 96, 200, 500, 1500)
LABELS, TASKS, LEAST_ROWS, MOST_TEST = 16, 6, 100, 1000
FROZEN = "frozen encoder"
VECTORS = "vectors.npy"
CACHE = table.CELLS / "few_labels"
SINGLE = (FROZEN, "linear", "encoder")
RUNGS = (LINEAR, ENCODER, LINEAR_ENCODER)
Vectors = npt.NDArray[np.float32]
Margins = tuple[npt.NDArray[np.floating[Any]], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A data set: its texts, their labels, and their vectors by the encoder as it is served."""

    name: str
    texts: list[str]
    labels: list[str]
    vectors: Vectors
    graph: Path
    """The folder of the encoder's graph, made once."""


def read(folder: Path) -> Rows:
    """Read a data set and its vectors, which are made once and kept."""
    files = [path for path in sorted(folder.glob("t*.csv")) if "scope" not in path.name]
    rows = pd.concat([pd.read_csv(path, dtype=str).dropna() for path in files]).drop_duplicates("text")
    texts, graph = rows["text"].tolist(), CACHE / folder.name
    if not (graph / VECTORS).exists():
        graph.mkdir(parents=True, exist_ok=True)
        found = sentence_encoder.find(None)
        embedder = onnx_export.write(found, found.weights(), texts[:2000], graph)
        table.say(f"reading {len(texts):,} texts of {folder.name}")
        np.save(graph / VECTORS, embedder.embed(texts))
    vectors: Vectors = np.load(graph / VECTORS)
    return Rows(name=folder.name, texts=texts, labels=rows["label"].tolist(), vectors=vectors, graph=graph)


def sub_tasks(rows: Rows) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the rows of each sub-task, in random order."""
    labels = np.array(rows.labels)
    names = [name for name, count in zip(*np.unique(labels, return_counts=True), strict=True) if count >= LEAST_ROWS]
    means = np.stack([rows.vectors[labels == name].mean(axis=0) for name in names])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    random = np.random.default_rng(1)
    for first in random.choice(len(names), TASKS, replace=False):
        near = [names[index] for index in np.argsort(-(means @ means[first]))[:LABELS]]
        yield random.permutation(np.flatnonzero(np.isin(labels, near)))


def spread(order: Sequence[int], labels: Sequence[str], count: int) -> list[int]:
    """Take rows in order, one of each label in turn."""
    turns: dict[str, int] = {}
    ranked = []
    for place, row in enumerate(order):
        turns[labels[row]] = turns.get(labels[row], -1) + 1
        ranked.append((turns[labels[row]], place, row))
    return [row for _, _, row in sorted(ranked)[:count]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Accuracies on the rows that no choice has seen, and what was chosen."""

    accuracy: dict[str, float]
    chosen: str
    names_used: bool
    rows: int


def climb(rows: Rows, order: Sequence[int], size: int, plan: BuildConfig) -> Outcome | None:
    """Build the rungs on so many rows, let the verdict choose, and measure on rows that are left."""
    learnt = spread(order, rows.labels, size)
    others = [row for row in order if row not in set(learnt)][:MOST_TEST]
    if len(learnt) < size or len(others) < 200:
        return None
    sealed, fresh = others[::2], others[1::2]
    with tempfile.TemporaryDirectory() as scratch, store.open_run(Path(scratch) / "run", {"few": 1}) as run:
        context = run_context(rows, learnt, plan, run)
        built = {rung.name: build_rung(context, rung) for rung in RUNGS}
        margins = {name: margins_of(name, one.folder, rows, others) for name, one in built.items()}
        plain = frozen_answers(context, rows, fresh)
        used = any(one.built.settings.get(SETTING) for one in built.values())
    answers = {name: dict(zip(others, softmax.best(*part), strict=True)) for name, part in margins.items()}
    accuracy = {
        name: float(np.mean([given[row] == rows.labels[row] for row in fresh])) for name, given in answers.items()
    }
    chosen = choose(rows, sealed, answers)
    accuracy[FROZEN] = float(np.mean([given == rows.labels[row] for given, row in zip(plain, fresh, strict=True)]))
    return Outcome(accuracy=accuracy, chosen=chosen, names_used=used, rows=len(fresh))


def frozen_answers(context: RunContext, rows: Rows, asked: Sequence[int]) -> list[str]:
    """Answer with the head on frozen vectors alone, without the names of the labels: what the others are held to."""
    vectors = encoder_rungs.embed_sides(
        context, sentence_encoder.find(None), lambda: onnx_encoder.load(rows.graph, threads=1)
    )
    train, valid = ([row.target for row in context.side(side)] for side in ("train", "valid"))
    fitted = linear_head.fit(vectors["train"], train, vectors["valid"], valid, context.metric)
    return fitted.head.best(rows.vectors[list(asked)])


def run_context(rows: Rows, learnt: Sequence[int], plan: BuildConfig, run: store.Run) -> RunContext:
    """Prepare rows as `ockham fit` does where the test set is a file of its own; the vectors are there already."""
    known = {rows.texts[row].strip(): row for row in learnt}
    source = [{"text": rows.texts[row], "label": rows.labels[row]} for row in learnt]
    test = [{"text": "a row that is put aside", "label": rows.labels[learnt[0]]}] * 3
    prepared = prepare(source, ReadSpec(), SplitSpec(), test=test, task_name="classify", on_progress=lambda _: None)
    context = RunContext(prepared, plan, run, lambda _: None)

    def embed_sides(*_: object) -> dict[str, Vectors]:
        return {
            side: rows.vectors[[known[row.input.strip()] for row in context.side(side)]] for side in ("train", "valid")
        }

    def write_encoder(_context: object, _sentence: object, _weights: object, folder: Path) -> onnx_encoder.Embedder:
        for path in (path for path in rows.graph.iterdir() if path.name != VECTORS):
            shutil.copyfile(path, folder / path.name)
        return onnx_encoder.load(rows.graph, threads=2)

    # What costs most and is the same for all sub-tasks of a data set is done once.
    monkeypatch: Any = encoder_rungs
    monkeypatch.embed_sides, monkeypatch._write_encoder = embed_sides, write_encoder
    return context


def margins_of(name: str, folder: Path, rows: Rows, asked: Sequence[int]) -> Margins:
    """Return a bundle's margins for rows whose vectors are known, and its labels."""
    if name == LINEAR.name:
        model = linear.load(folder)
        return model.margins([rows.texts[row] for row in asked]), model.labels
    if name == ENCODER.name:
        head = encoder.load(folder).head
        return head.margins(rows.vectors[list(asked)]), head.settings.labels
    settings = model_files.read(blend.BlendSettings, folder / blend.FILE)
    parts = [
        margins_of(member.kind, blend.member_folder(folder, index, member.kind), rows, asked)
        for index, member in enumerate(settings.members)
    ]
    aligned = [blend.align(part, labels, settings.labels) for part, labels in parts]
    return blend.pool(aligned, settings.weights), settings.labels


def choose(rows: Rows, sealed: Sequence[int], answers: Mapping[str, Mapping[int, str]]) -> str:
    """Let the verdict choose by the sealed test rows, as after a climb without requirements."""
    examples = [Example(id=str(row), input=rows.texts[row], target=rows.labels[row]) for row in sealed]
    scores: dict[str, tuple[Score, ...]] = {
        name: tasks.score_answers("classify", examples, [Answer(value=given[row]) for row in sealed], None)
        for name, given in answers.items()
    }
    labels = tuple(sorted(set(rows.labels)))
    measured = [
        MeasuredCandidate(
            name=rung.name,
            rung=rung.number,
            metrics=tasks.estimate_metrics("classify", scores[rung.name], labels),
            artifact_mb=float(place),
        )
        for place, rung in enumerate(RUNGS)
    ]
    names = [rung.name for rung in RUNGS]
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    compared = comparison.correct(
        [comparison.compare(scores[b], scores[a], "accuracy", names=(b, a)) for a, b in pairs]
    )
    decision = decide(measured, Requirements(), compared, rows_needed=sample_size.rows_needed)
    return decision.chosen or ENCODER.name


def interval(values: Sequence[float]) -> str:
    """Write a mean of points over sub-tasks with its 95 % interval (Student's t)."""
    points = 100 * np.array(values)
    half = stats.t.ppf(0.975, len(points) - 1) * points.std(ddof=1) / np.sqrt(len(points))
    return f"{points.mean():+.1f} ± {half:.1f}"


def measure(folder: Path, size: int, plan: BuildConfig) -> list[Outcome]:
    """Climb on the sub-tasks of a data set with so many rows each; what was measured before is kept in `.bench`."""
    kept = CACHE / f"{folder.name}-{size}.json"
    if not kept.exists():
        rows = read(folder)
        found = [climb(rows, order.tolist(), size, plan) for order in sub_tasks(rows)]
        table.say(f"{folder.name}: {size:,} rows")
        kept.write_text(json.dumps([asdict(one) for one in found if one is not None]), encoding="utf-8")
    return [Outcome(**one) for one in json.loads(kept.read_text(encoding="utf-8"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, action="append", help="folder with train.csv and test.csv (text, label)")
    parser.add_argument("--size", type=int, action="append")
    given = parser.parse_args()
    folders = given.data or [table.DATA / name for name in ("hwu64", "clinc150", "cuad_clauses")]
    plan = BuildConfig(task="classify", metric="accuracy", seed=0, encoder=None, tune=TuneSpec(), endpoint=None)
    outcomes: dict[int, list[tuple[str, Outcome]]] = {}
    for size in given.size or SIZES:
        for folder in folders:
            outcomes.setdefault(size, []).extend((folder.name, one) for one in measure(folder, size, plan))
    lines = []
    for size, found in sorted(outcomes.items()):
        gains = [one.accuracy[one.chosen] - one.accuracy[FROZEN] for _, one in found]
        best = [
            one.accuracy[one.chosen] - max(one.accuracy[name] for name in (FROZEN, "linear", "encoder"))
            for _, one in found
        ]
        blended = [one.accuracy[LINEAR_ENCODER.name] - one.accuracy[FROZEN] for _, one in found]
        names = (FROZEN, *(rung.name for rung in RUNGS))
        means = [f"{100 * np.mean([one.accuracy[name] for _, one in found]):.1f}" for name in names]
        chosen = ", ".join(f"{rung.name} {sum(one.chosen == rung.name for _, one in found)}" for rung in RUNGS)
        used = f"{sum(one.names_used for _, one in found)} of {len(found)}"
        lines.append([f"{size:,}", *means, interval(gains), interval(blended), interval(best), chosen, used])
    header = ["rows", FROZEN, *(rung.name for rung in RUNGS), "choice - frozen encoder", "blend - frozen encoder"]
    header += ["choice - best single rung", "chosen", "label names used"]
    foot = "\n\nAccuracy in %, differences in points with their 95 % interval over the sub-tasks; every figure is of "
    foot += "rows that neither training nor the verdict has seen (100 to 500 a sub-task)."
    plain = {
        size: [
            {"data": name, "accuracy": one.accuracy, "chosen": one.chosen, "names": one.names_used, "n": one.rows}
            for name, one in found
        ]
        for size, found in outcomes.items()
    }
    table.publish("few_labels", table.markdown(header, lines) + foot, {"sub_tasks": plain})


if __name__ == "__main__":
    main()
