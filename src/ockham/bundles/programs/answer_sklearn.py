"""Answer texts with the model of this folder: python predict.py "a text", or one text a line on standard input.

Needs scikit-learn and skops. From Python: predict.load().answer("a text"); predict.load().pipeline is the pipeline.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import skops.io
from shared_passages import without_passages

TRUSTED: list[str] = []
"""What the file may hold beside what skops trusts by itself: nothing."""


class PipelineClassifier:
    """The model of a folder, loaded."""

    def __init__(self, folder: Path) -> None:
        """Read the pipeline; a file that holds anything else than it should is refused."""
        self.passages = json.loads((folder / "passages.json").read_bytes())
        self.pipeline = skops.io.load(folder / "model.skops", trusted=TRUSTED)

    def answer(self, text: str) -> dict[str, Any]:
        """Return the most probable label and its probability."""
        shares = self.pipeline.predict_proba([without_passages(text, self.passages)])[0]
        return {"answer": str(self.pipeline.classes_[shares.argmax()]), "confidence": float(shares.max())}


def load() -> PipelineClassifier:
    """Load the model that lies beside this file."""
    return PipelineClassifier(Path(__file__).resolve().parent)


if __name__ == "__main__":
    model = load()
    for line in sys.argv[1:] or sys.stdin:
        sys.stdout.write(json.dumps(model.answer(line.rstrip("\n")), ensure_ascii=False) + "\n")
