"""Answer texts with the models of this folder: python predict.py "a text", or one text a line on standard input.

Needs onnxruntime, tokenizers and numpy. From Python: predict.load().answer("a text").
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from shared_passages import without_passages

SMALLEST = float(np.finfo(np.float32).tiny)


class BlendedClassifier:
    """The models of a folder, loaded: the weighted sum of their log-probabilities decides."""

    def __init__(self, folder: Path) -> None:
        """Read the labels, and each member with the factor of its log-probabilities."""
        self.labels, self.passages, members = (
            json.loads((folder / f"{name}.json").read_bytes()) for name in ("labels", "passages", "members")
        )
        self.members = [(load_member(folder / member["folder"]), member["factor"]) for member in members]

    def answer(self, text: str) -> dict[str, Any]:
        """Return the most probable label and its probability."""
        shares = self.probabilities(text)
        return {"answer": self.labels[int(shares.argmax())], "confidence": float(shares.max())}

    def probabilities(self, text: str) -> np.ndarray:
        """Return one probability per label, in the order of labels.json."""
        shown, total = without_passages(text, self.passages), np.zeros(len(self.labels))
        for member, factor in self.members:
            logs = np.log(np.maximum(member.probabilities(shown).astype(np.float64), SMALLEST))
            known = dict(zip(member.labels, logs.tolist(), strict=True))
            total += factor * np.array([known.get(label, logs.min()) for label in self.labels])
        weights = np.exp(total - total.max())
        shares: np.ndarray = weights / weights.sum()
        return shares


def load_member(folder: Path) -> Any:  # noqa: ANN401 - the model of another program
    """Load the model of a member's folder by its own program."""
    spec = importlib.util.spec_from_file_location(folder.name, folder / "predict.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{folder} has no predict.py")
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program.load()


def load() -> BlendedClassifier:
    """Load the models that lie beside this file."""
    return BlendedClassifier(Path(__file__).resolve().parent)


if __name__ == "__main__":
    model = load()
    for line in sys.argv[1:] or sys.stdin:
        sys.stdout.write(json.dumps(model.answer(line.rstrip("\n")), ensure_ascii=False) + "\n")
