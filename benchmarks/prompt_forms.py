"""What helps a prompted model to name the right label: ``scripts/bench prompt_forms``.

The same rows, weights and labels under several prompts (no examples, the nearest, fixed random ones, other orders, no
list of labels, labels as words, no chat template), each read three ways: the most probable label, the most probable
one per token, and the one that gains most over a prompt without content, which is contextual calibration (Zhao et al.
2021, arXiv 2102.09690) and, with the labels' probabilities unnormed, domain-conditional PMI (Holtzman et al. 2021,
arXiv 2104.08315); both choose the same label where one content-free prompt is the premise.

The weights are computed in torch, all labels of a prompt at once behind it, each blind to the others. What was answered
is kept in ``.bench/prompt_forms/`` row by row, so that a run which is stopped goes on there.
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks import table
from ockham.convert import gguf_unpack
from ockham.evals import comparison, tasks
from ockham.llm import template_process
from ockham.llm.llamacpp import Engine, EngineSpec
from ockham.llm.prompt_builder import PromptBuilder, PromptTask, infer_prompt_task
from ockham.llm.prompts import Shot, ShotPool, choose_pool, quote
from ockham.records import Answer, Example
from ockham.rungs.decoder_weights import find_model, gguf_of

SEED = 0
POOL = 1000
SHOTS = 8
CLINC_LABELS = 20
MOST_ROWS = 300
"""Test rows that may be asked for: none of them is ever an example."""
WITHOUT_CONTENT = ("N/A", "")
PLACE = table.CELLS / "prompt_forms"
SETS = ("bitext_support", "clinc150", "sms_spam", "mails")
READINGS = ("sum", "mean", "calibrated")

Branch = tuple[tuple[int, ...], int]
"""Tokens, and the branch that they follow, -1 for none."""


@dataclass(slots=True)
class Tree:
    """Sequences of tokens that share beginnings, computed in one pass: a token sees only what leads to it."""

    branches: list[Branch] = field(default_factory=list)

    def add(self, tokens: Sequence[int], parent: int = -1) -> int:
        """Add a branch, and give its number."""
        self.branches.append((tuple(tokens), parent))
        return len(self.branches) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A prompt form: its name, and the tokens that ask about a text, split where the text's own part begins."""

    name: str
    ask: Callable[[str], tuple[int, ...]]
    labels: dict[str, tuple[int, ...]]
    """Each label's tokens, with the one that ends an answer."""
    calibrated: bool


def log_probabilities(model: Any, tree: Tree, wanted: Sequence[int]) -> list[float]:  # noqa: ANN401 - torch
    """Return the summed log-probability of each wanted branch's tokens behind what leads to it, in nats."""
    import torch

    starts: list[int] = []
    position: list[int] = []
    ids: list[int] = []
    lineage: list[list[tuple[int, int]]] = []
    for tokens, parent in tree.branches:
        start, before = len(ids), lineage[parent] if parent >= 0 else []
        depth = sum(stop - first for first, stop in before)
        starts.append(start)
        lineage.append([*before, (start, start + len(tokens))])
        ids += tokens
        position += range(depth, depth + len(tokens))
    seen = torch.zeros(len(ids), len(ids), dtype=torch.bool)
    for spans in lineage:
        first, stop = spans[-1]
        for span in spans[:-1]:
            seen[first:stop, span[0] : span[1]] = True
        seen[first:stop, first:stop] = torch.ones(stop - first, stop - first).tril().bool()
    mask = torch.zeros(1, 1, len(ids), len(ids), dtype=model.dtype).masked_fill_(~seen, torch.finfo(model.dtype).min)
    needed = sorted({place for branch in wanted for place in _predictors(branch, tree, starts)})
    with torch.inference_mode():
        hidden = model.model(
            input_ids=torch.tensor([ids]),
            attention_mask=mask,
            position_ids=torch.tensor([position]),
            use_cache=False,
        ).last_hidden_state[0]
        logits = model.lm_head(hidden[needed]).float().log_softmax(-1)
    row_of = {place: row for row, place in enumerate(needed)}
    return [
        sum(
            float(logits[row_of[place], token])
            for place, token in zip(_predictors(branch, tree, starts), tree.branches[branch][0], strict=True)
        )
        for branch in wanted
    ]


def _predictors(branch: int, tree: Tree, starts: Sequence[int]) -> list[int]:
    """Return the places whose outputs predict a branch's tokens: the end of what leads to it, then its own."""
    tokens, parent = tree.branches[branch]
    before = starts[parent] + len(tree.branches[parent][0]) - 1
    return [before, *range(starts[branch], starts[branch] + len(tokens) - 1)]


def score(model: Any, form: Form, text: str) -> dict[str, list[float]]:  # noqa: ANN401 - torch
    """Return each label's log-probability behind a text, and behind each prompt without content, in nats."""
    asked = [form.ask(text), *(form.ask(none) for none in (WITHOUT_CONTENT if form.calibrated else ()))]
    shared = 0
    if len(asked) > 1:
        shared = next(
            (place for place, tokens in enumerate(zip(*asked, strict=False)) if len(set(tokens)) > 1),
            min(map(len, asked)) - 1,
        )
    tree = Tree()
    root = tree.add(asked[0][:shared]) if shared else -1
    wanted = []
    for tokens in asked:
        end = tree.add(tokens[shared:], root)
        wanted += [tree.add(path, end) for path in form.labels.values()]
    values = log_probabilities(model, tree, wanted)
    step = len(form.labels)
    return {label: values[place::step] for place, label in enumerate(form.labels)}


def read(scores: dict[str, list[float]], lengths: dict[str, int], reading: str) -> str | None:
    """Return the label that a reading of the scores means; ``None`` where there is no prompt without content."""
    if reading == "calibrated" and any(len(values) < 2 for values in scores.values()):
        return None

    def value(label: str) -> float:
        raw, *without = scores[label]
        if reading == "calibrated":
            return raw - sum(without) / len(without)
        return raw / lengths[label] if reading == "mean" else raw

    return max(scores, key=value)


def draw(name: str, count: int) -> tuple[list[Example], list[Example]]:
    """Draw the pool that examples come from, and test rows, always the same ones: more rows begin with the same."""
    if name == "mails":
        train = test = read_rows(table.ROOT / "examples" / "support_mail.csv", ("subject", "body"))
    elif name == "sms_spam":
        train = test = read_rows(table.DATA / name / "all.csv", ("text",))
    else:
        train, test = (read_rows(table.DATA / name / f"{half}.csv", ("text",)) for half in ("train", "test"))
    if name == "clinc150":
        kept = set(random.Random(SEED).sample(sorted({label for _, label in train}), CLINC_LABELS))
        train, test = ([row for row in rows if row[1] in kept] for rows in (train, test))
    test = shuffle(test)[:MOST_ROWS]
    held = {text for text, _ in test}
    train = [row for row in shuffle(train) if row[0] not in held][:POOL]
    return examples(train), examples(test[:count])


def read_rows(path: Path, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Read the rows of a CSV file as text and label, each once."""
    with path.open(encoding="utf-8", newline="") as stream:
        return sorted({("\n".join(row[column] for column in columns), row["label"]) for row in csv.DictReader(stream)})


def shuffle(rows: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Shuffle rows by seed."""
    shuffled = list(rows)
    random.Random(SEED).shuffle(shuffled)
    return shuffled


def examples(rows: Sequence[tuple[str, str]]) -> list[Example]:
    """Number rows as examples."""
    return [Example(id=str(place), input=text, target=label) for place, (text, label) in enumerate(rows)]


def forms(pool: Sequence[Example], weights: Path, engine: Engine) -> Iterator[Form]:
    """Make every prompt form for a set."""
    skeletons = template_process.compile_templates(weights, SHOTS)

    def encode(text: str, special: bool, begin: bool) -> list[int]:
        return engine.tokens(text, special=special, begin=begin)

    task = infer_prompt_task("classify", [row.target for row in pool], "")
    nearest = ShotPool(choose_pool(pool))
    fixed = [Shot(text=row.input, label=row.target) for row in random.Random(SEED).sample(list(pool), SHOTS)]

    def near(text: str) -> list[Shot]:
        return nearest.choose(text, SHOTS)

    def form(
        name: str,
        choose: Callable[[str], list[Shot]],
        task: PromptTask = task,
        write: Callable[[str], str] = str,
        *,
        calibrated: bool = False,
    ) -> Form:
        builder = PromptBuilder(task, skeletons, encode)
        end = builder.end(engine.tokens("\n", special=False)[-1])

        # The prompts without content keep the examples of the text before them, so that only the text differs.
        kept: list[list[Shot]] = []

        def ask(text: str) -> tuple[int, ...]:
            if text not in WITHOUT_CONTENT:
                kept[:] = [[replace(shot, label=write(shot.label)) for shot in choose(text)]]
            return builder.ask(text, kept[0], 8192).tokens

        paths = {label: (*encode(write(label), False, False), end) for label in task_labels}
        return Form(name=name, ask=ask, labels=paths, calibrated=calibrated)

    task_labels = task.labels
    spaced = replace(task, labels=tuple(map(words, task.labels)))
    yield form("no examples", lambda _: [], calibrated=True)
    yield form("no examples, labels as words", lambda _: [], spaced, words, calibrated=True)
    yield form("nearest 8", near, calibrated=True)
    yield form("nearest 8, nearest first", lambda text: near(text)[::-1])
    yield form("nearest 8, labels not listed", near, replace(task, listed=False))
    yield form("nearest 8, labels as words", near, spaced, words)
    yield form("random 8", lambda _: fixed, calibrated=True)
    yield plain_form(task_labels, near, engine)


def plain_form(labels: Sequence[str], near: Callable[[str], list[Shot]], engine: Engine) -> Form:
    """Make the form without a chat template: order, examples and text as lines."""

    def ask(text: str) -> tuple[int, ...]:
        shots = "".join(f"Text: {quote(shot.text)}\nLabel: {shot.label}\n\n" for shot in near(text))
        whole = f"Label each text with one of {quote(list(labels))}.\n\n{shots}Text: {quote(text)}\nLabel:"
        return tuple(engine.tokens(whole, special=False, begin=True))

    paths = {label: tuple(engine.tokens(f" {label}\n", special=False)) for label in labels}
    return Form(name="nearest 8, no chat template", ask=ask, labels=paths, calibrated=False)


def words(label: str) -> str:
    """Write a label as words."""
    return label.replace("_", " ")


def answer(name: str, count: int, weights: Path, model: Any) -> dict[str, Any]:  # noqa: ANN401 - torch
    """Score the rows of a set under every form, or read what was scored before; gives figures by form and reading."""
    pool, test = draw(name, count)
    file = PLACE / f"{name}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    known = {
        (entry["form"], entry["row"]): entry["scores"]
        for entry in map(json.loads, file.read_text(encoding="utf-8").splitlines() if file.exists() else ())
    }
    engine = Engine(weights, EngineSpec(context=256, slots=1, threads=1))
    try:
        every = list(forms(pool, weights, engine))
        for row in test:
            for form in every:
                if (form.name, row.id) in known:
                    continue
                scores = score(model(), form, row.input)
                known[form.name, row.id] = scores
                with file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps({"form": form.name, "row": row.id, "scores": scores}) + "\n")
            if int(row.id) % 10 == 9:
                table.say(f"{name}: {int(row.id) + 1} of {len(test)} rows")
    finally:
        engine.close()
    return figures(test, every, known)


def figures(test: Sequence[Example], every: Sequence[Form], known: dict[tuple[str, str], Any]) -> dict[str, Any]:
    """Judge every form and reading, each beside the form's own sum, and the forms beside the nearest 8."""
    labels = sorted({row.target for row in test})
    judged: dict[tuple[str, str], Any] = {}
    for form in every:
        lengths = {label: len(path) for label, path in form.labels.items()}
        for reading in READINGS:
            answers = [Answer(value=read(known[form.name, row.id], lengths, reading)) for row in test]
            if answers[0].value is not None:
                judged[form.name, reading] = tasks.score_answers("classify", test, answers)
    result = {}
    for (form_name, reading), scores in judged.items():
        beside = judged[form_name, "sum"] if reading != "sum" else judged["nearest 8", "sum"]
        gap = None if beside is scores else comparison.compare(scores, beside, "accuracy").difference
        result[f"{form_name}: {reading}"] = {
            "accuracy": tasks.estimate_metrics("classify", scores, labels)["accuracy"],
            "difference": gap,
        }
    return result


def load(folder: Path) -> Any:  # noqa: ANN401 - torch
    """Load the unpacked weights, once."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="sdpa").eval()


def percent(share: dict[str, float] | None) -> str:
    """Write a share in percent with its interval."""
    return (
        ""
        if share is None
        else "{:.1f} ({:.1f} to {:.1f})".format(*(100 * share[end] for end in ("value", "low", "high")))
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Score the sets asked for and write the table."""
    from ockham import records

    parser = argparse.ArgumentParser(description="Forms of prompts for labels, and ways to read them.")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rows", type=int, default=100, help=f"test rows of a set, {MOST_ROWS} at most")
    parser.add_argument("--model", default="SmolLM2-135M-Instruct", help="a model that is here as a GGUF file")
    args = parser.parse_args(argv)
    source = gguf_of(find_model(args.model))
    if source is None:
        raise SystemExit(f"{args.model} is not here as a GGUF file")
    folder = PLACE / args.model
    if not (folder / "config.json").exists():
        gguf_unpack.write_folder(source, folder)
    model = functools.cache(lambda: load(folder))
    published = table.RESULTS / "prompt_forms.json"
    record = json.loads(published.read_text(encoding="utf-8"))["sets"] if published.exists() else {}
    for name in args.sets:
        record[name] = records.plain(answer(name, args.rows, source, model))
        publish(args.model, record)


def publish(model: str, record: dict[str, Any]) -> None:
    """Write the table of every set that was ever measured."""
    body = [
        [
            name,
            *form.rsplit(": ", 1),
            percent(seen["accuracy"]),
            percent(seen["difference"]),
            str(seen["accuracy"]["n"]),
        ]
        for name in SETS
        for form, seen in record.get(name, {}).items()
    ]
    head = ["set", "prompt", "label by", "accuracy, %", "difference, points", "n"]
    note = (
        f"{model} in bfloat16 (unpacked from its file). Difference: of mean and calibrated against the same prompt's "
        "sum, of sum against nearest 8; paired."
    )
    table.publish("prompt_forms", f"{table.markdown(head, body)}\n\n{note}", {"sets": record})


if __name__ == "__main__":
    main()
