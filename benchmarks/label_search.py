"""Which label a prompted model is taken to mean: ``scripts/bench label_search``.

The most probable of all labels, found by a search (as served), against the most probable token at every fork (as a
tuned model is served): the same model, prompts and rows, on public tasks. Beside the accuracies stand how often each
one asks the model and how long an answer takes.
"""

from __future__ import annotations

import argparse
import csv
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import table
from ockham import catalog, records
from ockham.convert.gguf_export import Converter
from ockham.evals import comparison, tasks
from ockham.models import causal_lm
from ockham.records import Answer, Estimate, Example, Score

MODEL = "ockham-nano"
SETS = ("bitext_support", "clinc150", "hwu64")
SHOTS = (0, 8)
TRAIN = 1500
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One set with so many examples in the prompt; pairs are of the search and of the forks."""

    task: str
    shots: int
    accuracy: tuple[Estimate, Estimate]
    difference: Estimate
    p: float
    asked: tuple[float, float]
    ms: tuple[float, float]


def rows(name: str, half: str, count: int) -> list[Example]:
    """Draw rows of a set's half, always the same ones."""
    with (table.DATA / name / f"{half}.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.DictReader(stream))
    chosen = random.Random(SEED).sample(found, min(count, len(found)))
    return [Example(id=str(place), input=row["text"], target=row["label"]) for place, row in enumerate(chosen)]


def answered(model: causal_lm.Decoder, text: str, *, search: bool) -> tuple[Answer, float, int]:
    """Answer once; gives the answer, the milliseconds and how many nodes of the trie were asked for."""
    trie, tokens, asked = model.trie(text), model.question(text).tokens, 0
    if trie is None:
        raise SystemExit("labels make a trie")
    engine = model.engine
    ask, take = (engine.likelihoods, trie.search) if search else (engine.probabilities, trie.walk)

    def chances(taken: tuple[int, ...], allowed: tuple[int, ...]) -> list[float]:
        nonlocal asked
        asked += 1
        return ask((*tokens, *taken), allowed, slot=0)

    began = time.perf_counter()
    label, share = take(chances)
    return Answer(value=label, confidence=share), 1e3 * (time.perf_counter() - began), asked


def compared(name: str, shots: int, weights: Path, folder: Path, count: int) -> Compared:
    """Answer rows of a set in both ways, in turn, and judge them."""
    folder.mkdir()
    spec = causal_lm.GgufSpec(shots=shots, context=1024, slots=1, threads=1)
    causal_lm.fit(rows(name, "train", TRAIN), folder, causal_lm.Base(weights=weights, copy=False), spec)
    model = causal_lm.load(folder)
    scores: dict[bool, list[Score]] = {True: [], False: []}
    times: dict[bool, list[float]] = {True: [], False: []}
    asked = {True: 0, False: 0}
    test = rows(name, "test", count)
    for row in test:
        model.engine.probabilities(model.question(row.input).tokens, (0, 1), slot=0)  # read once, for both
        for search in (True, False):
            answer, took, nodes = answered(model, row.input, search=search)
            scores[search] += tasks.score_answers("classify", [row], [answer])
            times[search].append(took)
            asked[search] += nodes
    model.close()
    labels = sorted({row.target for row in test})
    both = comparison.compare(scores[True], scores[False], "accuracy")
    return Compared(
        task=name,
        shots=shots,
        accuracy=(accuracy(scores[True], labels), accuracy(scores[False], labels)),
        difference=both.difference,
        p=both.p_value,
        asked=(asked[True] / len(test), asked[False] / len(test)),
        ms=(median(times[True]), median(times[False])),
    )


def accuracy(scores: Sequence[Score], labels: Sequence[str]) -> Estimate:
    return tasks.estimate_metrics("classify", scores, labels)["accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description="The most probable label, against the most probable token at a fork.")
    parser.add_argument("--rows", type=int, default=300)
    given = parser.parse_args()
    source = catalog.shipped_folder(MODEL)
    if source is None:
        raise SystemExit(f"{MODEL} is not in this package")
    record = []
    with tempfile.TemporaryDirectory() as name:
        weights = Path(name) / "model.gguf"
        with Converter() as converter:
            converter.convert(source, weights, "q8_0")
        for task in SETS:
            for shots in SHOTS:
                table.say(f"{task}, {shots} examples")
                record.append(compared(task, shots, weights, Path(name) / f"{task}-{shots}", given.rows))
    publish(record)


def percent(share: Estimate) -> str:
    return f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def publish(record: Sequence[Compared]) -> None:
    body = [
        [
            one.task,
            str(one.shots),
            *map(percent, one.accuracy),
            percent(one.difference),
            f"{one.p:.2g}",
            str(one.difference.n),
            "{:.1f} / {:.1f}".format(*one.asked),
            "{:.0f} / {:.0f}".format(*one.ms),
        ]
        for one in record
    ]
    head = ["set", "examples", "search, %", "forks, %", "difference, points", "p", "n", "asked", "ms"]
    note = f"{MODEL} in Q8_0, prompted; accuracy. Asked, ms: search / forks, behind a prompt that was read before."
    table.publish("label_search", f"{table.markdown(head, body)}\n\n{note}", {"rows": records.plain(list(record))})


if __name__ == "__main__":
    main()
