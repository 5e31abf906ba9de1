"""A sentence encoder and a linear head: the plug of both encoder rungs, frozen and tuned.

The two differ in their files only. The head is a logistic regression on the vectors; its confidence is the probability
of the answer, with one temperature fitted on the validation rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import machine
from ockham.models import model_files, onnx_encoder, softmax
from ockham.models.backend import Decisions
from ockham.records import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "head.json"
WEIGHTS = "head.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSettings:
    """The head's labels and its temperature."""

    labels: tuple[str, ...]
    temperature: float = field(metadata={"above": 0})


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A linear head: ``weight`` (hidden, labels), ``bias`` (labels,)."""

    settings: HeadSettings
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]

    def margins(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one number per label for each vector, (rows, labels): the same bits however many rows there are.

        A matrix product is none of it: for one row it is computed otherwise than for several.
        """
        import numpy as np

        margins: NDArray[np.float32] = np.einsum("rh,hl->rl", vectors, self.weight) + self.bias
        return margins

    def best(self, vectors: NDArray[np.float32]) -> list[str]:
        """Answer each vector with the label of the largest margin."""
        return softmax.best(self.margins(vectors), self.settings.labels)

    def with_temperature(self, temperature: float) -> LinearHead:
        """Return the same head with another temperature."""
        return LinearHead(HeadSettings(labels=self.settings.labels, temperature=temperature), self.weight, self.bias)

    def save(self, folder: Path) -> None:
        """Write the head into a staging folder."""
        from safetensors.numpy import save_file

        model_files.write(self.settings, folder / FILE)
        save_file({"weight": self.weight, "bias": self.bias}, folder / WEIGHTS)


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder ready to answer."""

    embedder: onnx_encoder.Embedder
    head: LinearHead

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the most probable label; confidence is its probability."""
        return self.decide(inputs).answers

    @property
    def width(self) -> int:
        """How many numbers the vector of a text has."""
        return self.embedder.settings.hidden

    def embed(self, inputs: Sequence[str]) -> tuple[list[list[float]], list[int]]:
        """Return the vector of each input, of length 1, and how many tokens were read of it."""
        import numpy as np

        texts = self.embedder.windows(inputs)
        vectors = self.embedder.embed_windows(texts)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        rows: list[list[float]] = (vectors / np.maximum(lengths, 1e-12)).tolist()
        read, start = [], 0
        for count in texts.counts:
            read.append(sum(map(len, texts.rows[start : start + count])))
            start += count
        return rows, read

    def decide(self, inputs: Sequence[str]) -> Decisions:
        """Return each input's answer with the probability of every label."""
        settings = self.head.settings
        if not inputs:
            return Decisions([], settings.labels, [])
        texts = self.embedder.windows(inputs)
        margins = self.head.margins(self.embedder.embed_windows(texts))
        lengths = iter(map(len, texts.rows))
        read = [sum(itertools.islice(lengths, count)) for count in texts.counts]
        answers, labels, shares = softmax.decisions(margins, settings.labels, settings.temperature, read)
        unread = zip(answers, texts.unread, strict=True)
        return Decisions([replace(answer, unread=share) for answer, share in unread], labels, shares)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of their probabilities."""
        return self.head.settings.labels

    def probabilities(self, inputs: Sequence[str]) -> list[list[float]]:
        """Return the probability of every label for each input."""
        if not inputs:
            return []
        return softmax.rows_of(self.margins(inputs), self.head.settings.temperature)

    def margins(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        """Return one number per label for each input: (inputs, labels)."""
        return self.head.margins(self.embedder.embed(inputs))


def load(folder: Path) -> Encoder:
    """Read the model; raises `ModelError` where a file is missing or not as it was written."""
    arrays = model_files.read_arrays(folder / WEIGHTS, ("weight", "bias"))
    head = LinearHead(model_files.read(HeadSettings, folder / FILE), arrays["weight"], arrays["bias"])
    body = onnx_encoder.load(folder, threads=machine.cores())
    model_files.check_shapes(arrays, (body.settings.hidden, len(head.settings.labels)), (WEIGHTS, FILE))
    return Encoder(body, head)
