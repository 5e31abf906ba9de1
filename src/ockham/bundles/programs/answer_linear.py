"""Answer texts with the model of this folder: python predict.py "a text", or one text a line on standard input.

Needs onnxruntime and numpy. From Python: predict.load().answer("a text").
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when onnxruntime is imported

import numpy as np
import onnxruntime
from shared_passages import without_passages


class LinearClassifier:
    """The model of a folder, loaded."""

    def __init__(self, folder: Path) -> None:
        """Read the model, its terms and its labels."""
        self.labels, self.passages, vocabulary = (
            json.loads((folder / f"{name}.json").read_bytes()) for name in ("labels", "passages", "vocabulary")
        )
        self.columns = {half: {term: column for column, term in enumerate(vocabulary[half])} for half in vocabulary}
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def answer(self, text: str) -> dict[str, Any]:
        """Return the most probable label and its probability."""
        shares = self.probabilities(text)
        return {"answer": self.labels[int(shares.argmax())], "confidence": float(shares.max())}

    def probabilities(self, text: str) -> np.ndarray:
        """Return one probability per label, in the order of labels.json."""
        lower = without_passages(text, self.passages).lower()
        words = re.findall(r"(?u)\b\w+\b", lower)
        pairs = [f"{first} {second}" for first, second in itertools.pairwise(words)]
        inputs: dict[str, np.ndarray] = {}
        for half, terms in (("words", [*words, *pairs]), ("characters", character_runs(lower))):
            counts = Counter(self.columns[half][term] for term in terms if term in self.columns[half])
            inputs[half] = np.array(list(counts), np.int64)
            inputs[f"{half}_counts"] = np.array(list(counts.values()), np.float32)
        shares: np.ndarray = self.session.run(["probabilities"], inputs)[0]
        return shares


def character_runs(text: str) -> list[str]:
    """Return the runs of 2 to 5 characters of every word with a blank on both sides."""
    words = [f" {word} " for word in text.split()]
    return [
        word[start : start + width]
        for word in words
        for width in range(2, min(5, len(word)) + 1)
        for start in range(len(word) - width + 1)
    ]


def load() -> LinearClassifier:
    """Load the model that lies beside this file."""
    return LinearClassifier(Path(__file__).resolve().parent)


if __name__ == "__main__":
    model = load()
    for line in sys.argv[1:] or sys.stdin:
        sys.stdout.write(json.dumps(model.answer(line.rstrip("\n")), ensure_ascii=False) + "\n")
