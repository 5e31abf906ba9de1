"""The rung below all others: always the most frequent answer. It shows what doing nothing scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ockham.errors import DataError
from ockham.models import model_files
from ockham.records import Answer, Example

FILE = "constant.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One answer for everything; ``share`` of the training rows have it."""

    value: str
    share: float = field(metadata={"above": 0, "max": 1})

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer every input alike, with the share it had in training as its confidence."""
        return [Answer(value=self.value, confidence=self.share) for _ in inputs]


def learn(examples: Sequence[Example]) -> Constant:
    """Find the most frequent target and its share; the first in sorted order where several are equally frequent.

    Raises `DataError` (``E_EMPTY``) where there is no example.
    """
    if not examples:
        raise DataError("E_EMPTY", "there is no example to learn from", fix="give at least one labelled row")
    counts = Counter(example.target for example in examples)
    value = min(counts, key=lambda target: (-counts[target], target))
    return Constant(value=value, share=counts[value] / len(examples))


def fit(examples: Sequence[Example], folder: Path) -> None:
    """Write what `learn` finds into a staging folder."""
    model_files.write(learn(examples), folder / FILE)


def load(folder: Path) -> Constant:
    """Read the model; raises `ModelError` where its file is missing or not as `fit` wrote it."""
    return model_files.read(Constant, folder / FILE)
