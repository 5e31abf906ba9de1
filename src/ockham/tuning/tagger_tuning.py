"""Tune a tagger: a sentence encoder and a head that tags its tokens.

The head begins from nothing: one that knows the training rows already, as a regression on the frozen encoder's states
does, leaves the layers below it little to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockham.models import bio_tags, tagger
from ockham.models.extraction.field_writer import FieldWriter
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.models.token_windows import TokenWindows
from ockham.records import EpochPoint, Example
from ockham.tuning.adapter_files import Adapter
from ockham.tuning.loop import Batch, Checkpoint, ValidationScore, by_length, train
from ockham.tuning.lora_encoder import LoraEncoder, Tokens, add_lora
from ockham.tuning.span_alignment import AlignedRow
from ockham.tuning.tune_spec import TuneSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

_IGNORED = -100
_SPREAD = 0.02
"""Standard deviation of the weights that a head begins with."""

Metric = Callable[[Sequence[str], Sequence[str]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerRows:
    """Texts as they are read, with one tag per token, and their targets; ``reached`` values stand in the tags."""

    texts: Sequence[str]
    readings: Sequence[TokenWindows]
    tags: Sequence[Sequence[int]]
    targets: Sequence[str]
    reached: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerTrainingData:
    """What tuning starts from; ``writer`` makes answers of tags, as it will when they are served."""

    sentence: SentenceEncoder
    train: TaggerRows
    valid: TaggerRows
    writer: FieldWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedTagger:
    """What tuning gave: merged weights by their original names, the adapter, the head (hidden, tags), and the curve.

    There is no adapter where all weights were tuned. ``answers`` are those to the validation rows before the
    adapter was merged.
    """

    weights: dict[str, NDArray[np.float32]]
    adapter: Adapter | None
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    answers: tuple[str, ...]
    points: tuple[EpochPoint, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """The windows of some rows as the loop takes them: their tokens, and a tag for each token that counts."""

    tokens: Tokens
    tags: Sequence[Sequence[int]]


@dataclass(slots=True)
class _Lesson:
    """An encoder with an adapter and a head for tags, as the loop trains it; its rows are windows."""

    body: LoraEncoder
    head: torch.nn.Linear
    data: TaggerTrainingData
    metric: Metric
    spec: TuneSpec
    learn: _Side
    check: _Side
    size: float
    """Tokens that count in a window, on average; a summed loss is divided by it, so that each token weighs the same."""

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """Name the adapter's and the head's tensors."""
        return self.body.parameters(self.head)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return batches of windows of like length."""
        return by_length([(len(row),) for row in self.learn.tokens], self.spec, epoch)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Return the summed cross-entropy of some windows' tokens, and how many windows have every tag right."""
        import torch

        margins = self._margins([self.learn.tokens[index] for index in batch])
        truth = _pad_rows([self.learn.tags[index] for index in batch], margins.shape[1])
        wrong = (margins.detach().argmax(dim=2) != truth) & (truth != _IGNORED)
        total = torch.nn.functional.cross_entropy(
            margins.flatten(0, 1), truth.flatten(), reduction="sum", ignore_index=_IGNORED
        )
        return total / self.size, int((~wrong.any(dim=1)).sum())

    def judge(self) -> ValidationScore:
        """Measure the task metric on the validation rows, through the answers that will be served; and the loss."""
        import numpy as np

        window_margins = self.body.each(self.check.tokens, self._margins)
        lost, seen = 0.0, 0
        for row, tags in zip(window_margins, self.check.tags, strict=True):
            indices = [index for index, tag in enumerate(tags) if tag != _IGNORED]
            scores = row[indices].astype(np.float64)
            right = scores[np.arange(len(indices)), [tags[index] for index in indices]]
            lost += float((np.logaddexp.reduce(scores, axis=1) - right).sum())
            seen += len(indices)
        metric = self.metric(self.data.valid.targets, self._write_answers(window_margins))
        return ValidationScore(metric=metric, loss=lost / seen if seen else None)

    def answers(self) -> list[str]:
        """Answer the validation rows."""
        return self._write_answers(self.body.each(self.check.tokens, self._margins))

    def _write_answers(self, window_margins: Sequence[NDArray[np.float32]]) -> list[str]:
        rows, parts, written = self.data.valid, iter(window_margins), []
        for text, reading in zip(rows.texts, rows.readings, strict=True):
            margins = reading.join([next(parts) for _ in reading.windows])
            written.append(str(tagger.answer_text(self.data.writer, text, reading, margins).value))
        return written

    def _margins(self, rows: Tokens) -> torch.Tensor:
        """Run some windows: (windows, tokens, tags)."""
        margins: torch.Tensor = self.head(self.body.hidden_states(rows)[0])
        return margins


def tune(
    data: TaggerTrainingData,
    spec: TuneSpec,
    metric: Metric,
    checkpoint: Checkpoint,
    on_progress: Callable[[int, int], None],
    on_read: Callable[[int, int], None] = lambda _done, _total: None,
) -> TunedTagger:
    """Tune an encoder and its tags; early stopping on ``metric`` over the validation rows, best pass kept.

    ``on_read`` hears how many windows of how many the layers that are not tuned have read. Raises `ModelError`
    (``E_MODEL_MISSING``) where torch, transformers or peft is not installed.
    """
    lesson = _lesson(data, spec, metric, on_read)
    points = train(lesson, spec, checkpoint, on_progress)
    answers = tuple(lesson.answers())
    weight = lesson.head.weight.detach().numpy().T.copy()
    bias = lesson.head.bias.detach().numpy().copy()
    adapter = lesson.body.adapter() if lesson.body.has_adapter else None
    weights = lesson.body.merge_adapter()
    return TunedTagger(weights=weights, adapter=adapter, weight=weight, bias=bias, answers=answers, points=points)


def rows_of(rows: Sequence[Example], readings: Sequence[TokenWindows], aligned: Sequence[AlignedRow]) -> TaggerRows:
    """Write the spans of rows as tags; a span whose ends are no tokens' ends is passed over.

    Tokens of the other places of a value are neither right nor wrong, and are not learnt from.
    """
    encoded = []
    for aligned_row, reading in zip(aligned, readings, strict=True):
        tags, spans = bio_tags.encode(aligned_row.spans, reading.spans, reading.free)
        for token, (start, end) in enumerate(reading.spans) if aligned_row.left_open else ():
            if tags[token] == bio_tags.OUTSIDE and any(a <= start and end <= b for a, b in aligned_row.left_open):
                tags[token] = _IGNORED
        encoded.append((tags, spans))
    return TaggerRows(
        texts=[row.input for row in rows],
        readings=readings,
        tags=[marked for marked, _ in encoded],
        targets=[row.target for row in rows],
        reached=sum(len(spans) for _, spans in encoded),
    )


def _lesson(
    data: TaggerTrainingData,
    spec: TuneSpec,
    metric: Metric,
    on_read: Callable[[int, int], None] = lambda _done, _total: None,
) -> _Lesson:
    body = add_lora(data.sentence, spec)  # says what to install where torch is not
    import torch

    learn, check = _side(data.train), _side(data.valid)
    body.read([*learn.tokens, *check.tokens], on_read)
    head = torch.nn.Linear(data.sentence.hidden, bio_tags.count(len(data.writer.fields)))
    with torch.no_grad():  # as transformers begins its heads
        head.weight.normal_(0.0, _SPREAD)
        head.bias.zero_()
    counted = sum(tag != _IGNORED for row in learn.tags for tag in row)
    return _Lesson(body, head, data, metric, spec, learn, check, max(1.0, counted / max(1, len(learn.tags))))


def _side(rows: TaggerRows) -> _Side:
    tokens, marked = [], []
    for reading, tags in zip(rows.readings, rows.tags, strict=True):
        left = iter(tags)
        for window in reading.windows:
            row = [_IGNORED] * len(window.tokens)
            for index in window.counts:
                row[index] = next(left)
            tokens.append(window.tokens)
            marked.append(row)
    return _Side(tokens, marked)


def _pad_rows(rows: Sequence[Sequence[int]], width: int) -> torch.Tensor:
    import torch

    return torch.tensor([[*row, *[_IGNORED] * (width - len(row))] for row in rows])
