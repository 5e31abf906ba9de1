"""A model for tests: no learning, no library, the same answers on every machine.

Inputs it was fitted on get their target with confidence 1; any other input gets a label and a confidence drawn from a
hash of its text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham.models import model_files
from ockham.records import Answer, Example

FILE = "fake.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fake:
    """Known answers by input, and the labels to hash over for the rest (none: no answer)."""

    answers: Mapping[str, str]
    labels: tuple[str, ...]

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer from the table, else from the hash."""
        return [self._one(text) for text in inputs]

    def _one(self, text: str) -> Answer:
        if text in self.answers:
            return Answer(value=self.answers[text], confidence=1.0)
        if not self.labels:
            return Answer(value=None)
        # surrogatepass: a lone surrogate is a legal str, and a model must answer it rather than stop.
        drawn = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        choice, rest = divmod(drawn, 1000)
        return Answer(value=self.labels[choice % len(self.labels)], confidence=rest / 1000)


def fit(examples: Sequence[Example], folder: Path, *, remember: bool = True) -> None:
    """Write the labels, and with ``remember`` every input's target (the last one where an input comes twice)."""
    targets = {example.input: example.target for example in examples} if remember else {}
    labels = tuple(sorted({example.target for example in examples}))
    model_files.write(Fake(answers=targets, labels=labels), folder / FILE)


def load(folder: Path) -> Fake:
    """Read the model; raises `ModelError` where its file is missing or not as `fit` wrote it."""
    return model_files.read(Fake, folder / FILE)
