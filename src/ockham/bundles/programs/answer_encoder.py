"""Answer texts with the model of this folder: python predict.py "a text", or one text a line on standard input.

Needs onnxruntime, tokenizers and numpy. From Python: predict.load().answer("a text").
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when onnxruntime is imported

import numpy as np
import onnxruntime
from shared_passages import without_passages
from tokenizers import Tokenizer


class EncoderClassifier:
    """The model of a folder, loaded."""

    def __init__(self, folder: Path) -> None:
        """Read the model, its tokenizer and its labels."""
        self.labels, self.passages, self.settings = (
            json.loads((folder / f"{name}.json").read_bytes()) for name in ("labels", "passages", "settings")
        )
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(self.settings["max_tokens"], stride=self.settings["shared_tokens"])
        options = onnxruntime.SessionOptions()
        # Higher levels are slower for these graphs, and their answers differ in the last digits.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])

    def answer(self, text: str) -> dict[str, Any]:
        """Return the most probable label and its probability."""
        shares = self.probabilities(text)
        return {"answer": self.labels[int(shares.argmax())], "confidence": float(shares.max())}

    def probabilities(self, text: str) -> np.ndarray:
        """Return one probability per label, in the order of labels.json."""
        shown = self.settings["prefix"] + without_passages(text, self.passages)
        clean = shown.encode("utf-8", "replace").decode()
        encoding = self.tokenizer.encode(clean, add_special_tokens=self.settings["special_tokens"])
        windows = [encoding.ids, *(part.ids for part in encoding.overflowing)]
        last, most = len(windows) - 1, self.settings["windows"]
        if last >= most:  # of a very long text some windows are read, evenly spaced
            windows = [windows[round(step * last / max(1, most - 1))] for step in range(most)]
        inputs = {
            "ids": np.array([token for window in windows for token in window], np.int64),
            "lengths": np.array([len(window) for window in windows], np.int64),
        }
        shares: np.ndarray = self.session.run(["probabilities"], inputs)[0]
        return shares


def load() -> EncoderClassifier:
    """Load the model that lies beside this file."""
    return EncoderClassifier(Path(__file__).resolve().parent)


if __name__ == "__main__":
    model = load()
    for line in sys.argv[1:] or sys.stdin:
        sys.stdout.write(json.dumps(model.answer(line.rstrip("\n")), ensure_ascii=False) + "\n")
