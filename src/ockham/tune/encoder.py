"""Tune a sentence encoder with LoRA: mean pooling, a linear head that starts from the frozen solution.

Rows of like length stand together in a batch, so hardly any padding is computed; the layers below the tuned ones need
no backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.models import softmax
from ockham.models.encoder import Head, HeadSettings
from ockham.models.sentence import Sentence
from ockham.records import EpochPoint
from ockham.tune.loop import Batch, Checkpoint, train
from ockham.tune.spec import TuneSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

TARGETS = {
    "distilbert": ("q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"),
}
_BERT_TARGETS = ("query", "key", "value", "dense")
_STRETCH = 32
"""Batches that are sorted by length together: enough for equal lengths, few enough to stay random."""
_EVAL_ROWS = 64

Metric = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Tokenized rows and their targets."""

    tokens: Sequence[Sequence[int]]
    targets: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What tuning gave: merged weights by their original names, the head, and the curve."""

    weights: dict[str, NDArray[np.float32]]
    head: Head
    points: tuple[EpochPoint, ...]


@dataclass(slots=True)
class _Lesson:
    """An encoder with an adapter and a head, as the loop trains it."""

    model: Any
    head: torch.nn.Linear
    sentence: Sentence
    labels: tuple[str, ...]
    train: Rows
    valid: Rows
    metric: Metric
    spec: TuneSpec
    _truth: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        import torch

        place = {label: index for index, label in enumerate(self.labels)}
        self._truth = torch.tensor([place[target] for target in self.train.targets])

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Name the adapter's and the head's tensors."""
        adapter = {name: tensor for name, tensor in self.model.named_parameters() if tensor.requires_grad}
        return adapter | {f"head.{name}": tensor for name, tensor in self.head.named_parameters()}

    def batches(self, epoch: int) -> list[list[int]]:
        """Shuffle the rows, sort each stretch of them by length, and shuffle the batches that this gives."""
        import numpy as np

        random = np.random.default_rng([self.spec.seed, epoch])
        order = random.permutation(len(self.train.tokens)).tolist()
        done: list[list[int]] = []
        for start in range(0, len(order), _STRETCH * self.spec.batch):
            stretch = sorted(
                order[start : start + _STRETCH * self.spec.batch], key=lambda place: len(self.train.tokens[place])
            )
            done += [stretch[at : at + self.spec.batch] for at in range(0, len(stretch), self.spec.batch)]
        return [done[place] for place in random.permutation(len(done)).tolist()]

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Give the cross-entropy of a batch."""
        import torch

        self.model.train()
        margins = self._margins([self.train.tokens[place] for place in batch])
        truth = self._truth[list(batch)]
        right = int((margins.detach().argmax(dim=1) == truth).sum())
        return torch.nn.functional.cross_entropy(margins, truth), right

    def judge(self) -> float:
        """Measure the task metric on the validation rows."""
        answers = softmax.best(self.margins(self.valid.tokens), self.labels)
        return self.metric(self.valid.targets, answers)

    def margins(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Give the head's margins for any rows: (rows, labels)."""
        import numpy as np
        import torch

        self.model.eval()
        out = np.empty((len(tokens), len(self.labels)), np.float32)
        order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        with torch.no_grad():
            for start in range(0, len(order), _EVAL_ROWS):
                batch = order[start : start + _EVAL_ROWS]
                out[batch] = self._margins([tokens[place] for place in batch]).numpy()
        return out

    def _margins(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Run some rows, padded to the longest of them."""
        import torch

        longest = max(len(row) for row in rows)
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(longest)[None, :] < lengths[:, None]).long()
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.sentence.pooling == "mean":
            vector = (hidden * mask[:, :, None]).sum(dim=1) / lengths[:, None]
        else:
            vector = hidden[:, 0]
        if self.sentence.normalize:
            vector = torch.nn.functional.normalize(vector, dim=-1)
        margins: torch.Tensor = self.head(vector)
        return margins


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What tuning starts from."""

    sentence: Sentence
    head: Head
    """The frozen encoder's head; its temperature is applied, so that it starts neither too sure nor too shy."""
    train: Rows
    valid: Rows


def tune(
    material: Material, spec: TuneSpec, metric: Metric, checkpoint: Checkpoint, tell: Callable[[int, int], None]
) -> Tuned:
    """Tune an encoder and its head; early stopping on ``metric`` over the validation rows, best pass kept.

    Raises `ModelError` (``E_MODEL_MISSING``) where torch, transformers or peft is not installed.
    """
    lesson = _lesson(material, spec, metric)
    points = train(lesson, spec, checkpoint, tell)
    weight = lesson.head.weight.detach().numpy().T.copy()
    settings = HeadSettings(labels=lesson.labels, temperature=1.0)
    head = Head(settings, weight, lesson.head.bias.detach().numpy().copy())
    return Tuned(weights=_merged(lesson.model, material.sentence), head=head, points=points)


def calibrated(head: Head, vectors: NDArray[np.float32], targets: Sequence[str]) -> Head:
    """Give the head the temperature that fits the validation rows as they will be served, (rows, hidden)."""
    temperature = 1.0
    if len(targets) and len(head.settings.labels) > 1:
        temperature = softmax.temperature(head.margins(vectors), targets, head.settings.labels)
    return Head(HeadSettings(labels=head.settings.labels, temperature=temperature), head.weight, head.bias)


def _lesson(material: Material, spec: TuneSpec, metric: Metric) -> _Lesson:
    try:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModel
        from transformers.utils import logging
    except ImportError:
        message = "torch, transformers and peft are needed for tuning"
        raise ModelError("E_MODEL_MISSING", message, fix="pip install 'ockham[tune]'") from None
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    sentence, frozen = material.sentence, material.head
    torch.manual_seed(spec.seed)
    body = AutoModel.from_pretrained(str(sentence.folder), local_files_only=True, trust_remote_code=False)
    first = min(sentence.layers - 1, round(sentence.layers * (1 - spec.depth)))
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=int(spec.alpha),
        lora_dropout=0.0,
        target_modules=list(TARGETS.get(sentence.family, _BERT_TARGETS)),
        layers_to_transform=list(range(first, sentence.layers)),
    )
    model = get_peft_model(body, config)
    head = torch.nn.Linear(sentence.hidden, len(frozen.settings.labels))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(frozen.weight.T / frozen.settings.temperature))
        head.bias.copy_(torch.from_numpy(frozen.bias / frozen.settings.temperature))
    labels = frozen.settings.labels
    return _Lesson(model, head, sentence, labels, material.train, material.valid, metric, spec)


def _merged(model: Any, sentence: Sentence) -> dict[str, NDArray[np.float32]]:  # noqa: ANN401 - a peft model
    merged = model.merge_and_unload()
    found = {name: tensor.detach().float().numpy() for name, tensor in merged.state_dict().items()}
    wanted = sentence.weights()
    return {name: found.get(name, value) for name, value in wanted.items()}
