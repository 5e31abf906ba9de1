"""Tune a sentence encoder with LoRA: mean pooling, a linear head that starts from the frozen solution.

Rows of like length stand together in a batch, so hardly any padding is computed. The layers below the tuned ones are
the same in every pass: the rows go through them once, and what comes out is kept, in half precision, where it fits.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.models import softmax
from ockham.models.encoder import Head, HeadSettings
from ockham.models.sentence import Sentence
from ockham.records import EpochPoint
from ockham.tune.batches import by_length
from ockham.tune.loop import Batch, Checkpoint, Judgement, train
from ockham.tune.spec import TuneSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

TARGETS = {
    "distilbert": ("q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"),
}
_BERT_TARGETS = ("query", "key", "value", "dense")
_EVAL_ROWS = 64
_KEPT_BYTES = 600e6

Metric = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Tokenized rows and their targets."""

    tokens: Sequence[Sequence[int]]
    targets: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What tuning gave: merged weights by their original names, the head, and the curve.

    ``answers`` are those to the validation rows before the adapter was merged.
    """

    weights: dict[str, NDArray[np.float32]]
    head: Head
    answers: tuple[str, ...]
    points: tuple[EpochPoint, ...]


@dataclass(slots=True)
class _Lesson:
    """An encoder with an adapter and a head, as the loop trains it."""

    lower: Any
    """The embeddings and the layers that are not tuned."""
    upper: Any
    """The tuned layers with their adapter; takes what ``lower`` gives."""
    head: torch.nn.Linear
    material: Material
    metric: Metric
    spec: TuneSpec
    _truth: torch.Tensor = field(init=False)
    _kept: dict[int, torch.Tensor] = field(default_factory=dict)
    """What ``lower`` gave for a row, by the identity of its tokens (they live as long as the material)."""

    def __post_init__(self) -> None:
        import torch

        place = {label: index for index, label in enumerate(self.labels)}
        self._truth = torch.tensor([place[target] for target in self.material.train.targets])

    @property
    def labels(self) -> tuple[str, ...]:
        """The head's labels."""
        return self.material.head.settings.labels

    def read(self) -> None:
        """Take every row through the lower layers once, if there is room to keep what comes out."""
        rows = [*self.material.train.tokens, *self.material.valid.tokens]
        if 2 * self.material.sentence.hidden * sum(len(row) for row in rows) > _KEPT_BYTES:
            return
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        for start in range(0, len(order), _EVAL_ROWS):
            batch = [rows[place] for place in order[start : start + _EVAL_ROWS]]
            for row, hidden in zip(batch, self._lowered(batch), strict=True):
                self._kept[id(row)] = hidden[: len(row)].half()

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Name the adapter's and the head's tensors."""
        adapter = {name: tensor for name, tensor in self.upper.named_parameters() if tensor.requires_grad}
        return adapter | {f"head.{name}": tensor for name, tensor in self.head.named_parameters()}

    def batches(self, epoch: int) -> list[list[int]]:
        """Give batches of rows of like length."""
        return by_length([(len(row),) for row in self.material.train.tokens], self.spec, epoch)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Give the summed cross-entropy of some rows."""
        import torch

        margins = self._margins([self.material.train.tokens[place] for place in batch])
        truth = self._truth[list(batch)]
        right = int((margins.detach().argmax(dim=1) == truth).sum())
        return torch.nn.functional.cross_entropy(margins, truth, reduction="sum"), right

    def judge(self) -> Judgement:
        """Measure the task metric on the validation rows."""
        return Judgement(metric=self.metric(self.material.valid.targets, self.answers()))

    def answers(self) -> list[str]:
        """Answer the validation rows."""
        return softmax.best(self.margins(self.material.valid.tokens), self.labels)

    def margins(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Give the head's margins for any rows: (rows, labels)."""
        import numpy as np

        out = np.empty((len(tokens), len(self.labels)), np.float32)
        order = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        batches = [order[start : start + _EVAL_ROWS] for start in range(0, len(order), _EVAL_ROWS)]
        with ThreadPoolExecutor(self.spec.workers) as pool:
            for batch, margins in zip(
                batches, pool.map(lambda b: self._seen([tokens[i] for i in b]), batches), strict=True
            ):
                out[batch] = margins.numpy()
        return out

    def _seen(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        import torch

        with torch.no_grad():  # holds for this thread alone
            return self._margins(rows)

    def _margins(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Run some rows, padded to the longest of them."""
        import torch

        lengths, mask = _mask(rows)
        if self._kept:
            entering = torch.zeros((*mask.shape, self.material.sentence.hidden))
            for place, row in enumerate(rows):
                entering[place, : len(row)] = self._kept[id(row)]
        else:
            entering = self._lowered(rows)
        hidden = self.upper(inputs_embeds=entering, attention_mask=mask).last_hidden_state
        if self.material.sentence.pooling == "mean":
            vector = (hidden * mask[:, :, None]).sum(dim=1) / lengths[:, None]
        else:
            vector = hidden[:, 0]
        if self.material.sentence.normalize:
            vector = torch.nn.functional.normalize(vector, dim=-1)
        margins: torch.Tensor = self.head(vector)
        return margins

    def _lowered(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        import torch

        _, mask = _mask(rows)
        ids = torch.tensor([[*row, *[0] * (mask.shape[1] - len(row))] for row in rows])
        with torch.no_grad():
            hidden: torch.Tensor = self.lower(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden


def _mask(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the lengths of some rows, and where their tokens stand when padded: (rows, tokens) of booleans."""
    import torch

    lengths = torch.tensor([len(row) for row in rows])
    return lengths, torch.arange(int(lengths.max()))[None, :] < lengths[:, None]


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
    lesson.read()
    points = train(lesson, spec, checkpoint, tell)
    answers = tuple(lesson.answers())
    weight = lesson.head.weight.detach().numpy().T.copy()
    settings = HeadSettings(labels=lesson.labels, temperature=1.0)
    head = Head(settings, weight, lesson.head.bias.detach().numpy().copy())
    merged = _merged(lesson.upper, material.sentence, spec)
    return Tuned(weights=merged, head=head, answers=answers, points=points)


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
    first = _first(sentence, spec)
    lower, upper = body, copy.deepcopy(body)
    _keep_layers(lower, slice(None, first))
    _keep_layers(upper, slice(first, None))
    upper.embeddings = _as_given(torch.nn.Module)
    upper.pooler = None  # BERT's own pooling over the first token, which sentence encoders do not use
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=int(spec.alpha),
        lora_dropout=0.0,
        target_modules=list(TARGETS.get(sentence.family, _BERT_TARGETS)),
    )
    # Without dropout: a few low-rank weights do not need it, and every pass is then the same for a given seed.
    with warnings.catch_warnings():
        # peft asks transformers by an older name; the user can do nothing about it.
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(upper, config).eval()
    head = torch.nn.Linear(sentence.hidden, len(frozen.settings.labels))
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(frozen.weight.T / frozen.settings.temperature))
        head.bias.copy_(torch.from_numpy(frozen.bias / frozen.settings.temperature))
    return _Lesson(lower.eval(), adapted, head, material, metric, spec)


def _first(sentence: Sentence, spec: TuneSpec) -> int:
    """Give the first layer that is tuned."""
    return min(sentence.layers - 1, round(sentence.layers * (1 - spec.depth)))


def _keep_layers(body: Any, part: slice) -> None:  # noqa: ANN401 - a transformers model
    """Leave only some layers in a body."""
    stack = body.transformer if hasattr(body, "transformer") else body.encoder
    stack.layer = stack.layer[part]


def _as_given(module: type[torch.nn.Module]) -> torch.nn.Module:
    """Make a stand-in for the embeddings that passes on what it is given."""

    class AsGiven(module):  # type: ignore[misc]  # the base class is known at run time only
        def forward(self, *args: torch.Tensor | None, **named: torch.Tensor | None) -> torch.Tensor:
            # The families call their embeddings by name or by place; only what we give has three axes.
            return next(x for x in (*args, *named.values()) if x is not None and x.ndim == 3)

    return AsGiven()


def _merged(adapted: Any, sentence: Sentence, spec: TuneSpec) -> dict[str, NDArray[np.float32]]:  # noqa: ANN401
    """Put the tuned layers in the place of the encoder's own, under their original names."""
    merged = adapted.merge_and_unload()
    first, weights = _first(sentence, spec), sentence.weights()
    for name, tensor in merged.state_dict().items():
        head, mark, rest = name.partition("layer.")
        if not mark:
            continue
        number, _, part = rest.partition(".")
        weights[f"{head}layer.{int(number) + first}.{part}"] = tensor.detach().float().numpy()
    return weights
