"""Tune a sentence encoder with LoRA: mean pooling, a linear head that starts from the frozen solution."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from ockham.models import onnx_encoder, softmax
from ockham.models.encoder import HeadSettings, LinearHead
from ockham.models.sentence_encoder import SentenceEncoder, dense_weights
from ockham.records import EpochPoint
from ockham.tuning.adapter_files import Adapter
from ockham.tuning.loop import Batch, Checkpoint, ValidationScore, by_length, train
from ockham.tuning.lora_encoder import LoraEncoder, Tokens, add_lora
from ockham.tuning.tune_spec import TuneSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Metric = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderRows:
    """Tokenized rows and their targets; ``counts`` says how many windows each text has, where any has several.

    The windows of one text follow one another in ``tokens``.
    """

    tokens: Tokens
    targets: Sequence[str]
    counts: Sequence[int] | None = None

    def texts(self) -> list[Tokens]:
        """Return the windows of each text."""
        windows = iter(self.tokens)
        return [list(itertools.islice(windows, count)) for count in self.counts or [1] * len(self.tokens)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedEncoder:
    """What tuning gave: merged weights by their original names, the adapter, the head, and the curve.

    ``answers`` are those to the validation rows before the adapter was merged.
    """

    weights: dict[str, NDArray[np.float32]]
    adapter: Adapter
    head: LinearHead
    answers: tuple[str, ...]
    points: tuple[EpochPoint, ...]


@dataclass(slots=True)
class _Lesson:
    """An encoder with an adapter and a head, as the loop trains it."""

    body: LoraEncoder
    head: torch.nn.Linear
    data: EncoderTrainingData
    metric: Metric
    spec: TuneSpec
    _truth: torch.Tensor = field(init=False)
    _texts: list[Tokens] = field(init=False)

    def __post_init__(self) -> None:
        import torch

        self._texts = self.data.train.texts()

        column = {label: index for index, label in enumerate(self.labels)}
        self._truth = torch.tensor([column[target] for target in self.data.train.targets])

    @property
    def labels(self) -> tuple[str, ...]:
        """The head's labels."""
        return self.data.head.settings.labels

    def read(self) -> None:
        """Take every row through the lower layers once, if there is room to keep what comes out."""
        self.body.read([*self.data.train.tokens, *self.data.valid.tokens])

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Name the adapter's and the head's tensors."""
        return self.body.parameters(self.head)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return batches of rows of like length."""
        return by_length([(len(text), len(text[0])) for text in self._texts], self.spec, epoch)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Return the summed cross-entropy of some rows."""
        import torch

        margins = self._margins([self._texts[index] for index in batch])
        truth = self._truth[list(batch)]
        right = int((margins.detach().argmax(dim=1) == truth).sum())
        return torch.nn.functional.cross_entropy(margins, truth, reduction="sum"), right

    def judge(self) -> ValidationScore:
        """Measure the task metric on the validation rows."""
        return ValidationScore(metric=self.metric(self.data.valid.targets, self.answers()))

    def answers(self) -> list[str]:
        """Answer the validation rows."""
        return softmax.best(self.margins(self.data.valid), self.labels)

    def margins(self, rows: EncoderRows) -> NDArray[np.float32]:
        """Return the head's margins for any texts: (texts, labels)."""
        import numpy as np
        import torch

        windows = self.body.each(rows.tokens, self._vectors)
        vectors = np.array(windows, np.float32).reshape(len(rows.tokens), self.data.sentence.width)
        pooled = onnx_encoder.pool(vectors, rows.counts or [1] * len(vectors))
        with torch.no_grad():
            margins: NDArray[np.float32] = self.head(torch.from_numpy(pooled)).numpy()
        return margins

    def _margins(self, texts: Sequence[Tokens]) -> torch.Tensor:
        """Run some texts: (texts, labels)."""
        vectors = self._vectors([window for text in texts for window in text])
        margins: torch.Tensor = self.head(_pool(vectors, [len(text) for text in texts]))
        return margins

    def _vectors(self, rows: Tokens) -> torch.Tensor:
        """Run some windows: (windows, hidden)."""
        import torch

        hidden, mask = self.body.hidden_states(rows)
        vector = _pool_tokens(self.data.sentence.pooling, hidden, mask)
        for number, layer in enumerate(self.data.sentence.dense):
            fixed = _dense_tensors(self.data.sentence)
            vector = torch.nn.functional.linear(vector, fixed[f"dense.{number}.weight"], fixed[f"dense.{number}.bias"])
            vector = getattr(torch.nn, layer.activation)()(vector)
        if self.data.sentence.normalize:
            vector = torch.nn.functional.normalize(vector, dim=-1)
        return vector


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderTrainingData:
    """What tuning starts from."""

    sentence: SentenceEncoder
    head: LinearHead
    """The frozen encoder's head; its temperature is applied, so that it starts neither too sure nor too shy."""
    train: EncoderRows
    valid: EncoderRows


def tune(
    data: EncoderTrainingData,
    spec: TuneSpec,
    metric: Metric,
    checkpoint: Checkpoint,
    on_progress: Callable[[int, int], None],
) -> TunedEncoder:
    """Tune an encoder and its head; early stopping on ``metric`` over the validation rows, best pass kept.

    Raises `ModelError` (``E_MODEL_MISSING``) where torch, transformers or peft is not installed.
    """
    # A part of a batch holds the gradients of all windows of its texts.
    longest = max(data.train.counts or (1,))
    spec = dataclasses.replace(spec, part=max(1, spec.part // longest))
    lesson = _lesson(data, spec, metric)
    lesson.read()
    points = train(lesson, spec, checkpoint, on_progress)
    answers = tuple(lesson.answers())
    weight = lesson.head.weight.detach().numpy().T.copy()
    settings = HeadSettings(labels=lesson.labels, temperature=1.0)
    head = LinearHead(settings, weight, lesson.head.bias.detach().numpy().copy())
    adapter, weights = lesson.body.adapter(), lesson.body.merge_adapter()
    return TunedEncoder(weights=weights, adapter=adapter, head=head, answers=answers, points=points)


def _pool(vectors: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    """Make one vector a text of those of its windows, as `ockham.models.onnx_encoder.pool` does."""
    import torch

    if len(counts) == len(vectors):
        return vectors
    pooled = []
    for part in vectors.split(list(counts)):
        largest = part.max(dim=0).values
        if len(part) > 1:
            largest = largest * (part.norm(dim=1).mean() / largest.norm().clamp(min=1e-12))
        pooled.append(largest)
    return torch.stack(pooled)


def _pool_tokens(pooling: str, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Make one vector of the states of each text's tokens: (texts, hidden)."""
    counts = mask.sum(dim=1)
    if pooling == "mean":
        return (hidden * mask[:, :, None]).sum(dim=1) / counts[:, None]
    if pooling == "max":
        return hidden.masked_fill(~mask[:, :, None], float("-inf")).max(dim=1).values
    return hidden[:, 0] if pooling == "cls" else hidden[range(len(hidden)), counts - 1]


def _lesson(data: EncoderTrainingData, spec: TuneSpec, metric: Metric) -> _Lesson:
    body = add_lora(data.sentence, spec)  # says what to install where torch is not
    import torch

    frozen = data.head
    head = torch.nn.Linear(data.sentence.width, len(frozen.settings.labels))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(frozen.weight.T / frozen.settings.temperature))
        head.bias.copy_(torch.from_numpy(frozen.bias / frozen.settings.temperature))
    return _Lesson(body, head, data, metric, spec)


@lru_cache(maxsize=1)
def _dense_tensors(sentence: SentenceEncoder) -> dict[str, torch.Tensor]:
    """Return the weights of the layers behind the pooling, which are not tuned."""
    import torch

    return {name: torch.from_numpy(array) for name, array in dense_weights(sentence).items()}
