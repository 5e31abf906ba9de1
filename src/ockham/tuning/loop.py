"""The training loop, the only one: what is trained, and how a batch becomes a loss, is data (`TrainingTask`).

Deterministic on a CPU: the order of the batches follows from seed and pass alone, so a run that was killed goes on from
its last checkpoint to the same weights, bit by bit.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ockham.records import EpochPoint
from ockham.tuning.tune_spec import TuneSpec

if TYPE_CHECKING:
    import torch

CHECKPOINT_SECONDS = 20.0
_NEVER = sys.maxsize
"""A pass that no spec comes to."""

_log = logging.getLogger(__name__)

Batch = Sequence[int]
"""Places of rows in the lesson."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationScore:
    """What the validation rows say of a pass: the task metric, where larger is better, and the loss where it is known.

    The metric decides; of two passes with the same metric the one with the smaller loss is better.
    """

    metric: float
    loss: float | None = None

    def beats(self, other: ValidationScore) -> bool:
        """Tell whether this pass is better than another."""
        if self.metric != other.metric or self.loss is None or other.loss is None:
            return self.metric > other.metric
        return self.loss < other.loss


class TrainingTask(Protocol):
    """What is trained."""

    def parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """Name the tensors that training changes."""
        ...

    def batches(self, epoch: int) -> Sequence[Batch]:
        """Return the batches of a pass, in the order in which they are taken; the same at every call."""
        ...

    def loss(self, batch: Batch) -> tuple[torch.Tensor, int]:
        """Return the summed loss over some rows, and how many of them were answered right; several threads call it."""
        ...

    def judge(self) -> ValidationScore:
        """Measure the validation rows."""
        ...


class Checkpoint(Protocol):
    """Where the state of a training run survives a kill."""

    def load(self) -> bytes | None:
        """Return the last state saved, or ``None``."""
        ...

    def save(self, state: bytes) -> None:
        """Save a state in place of the last one, atomically."""
        ...


@dataclass(slots=True)
class _State:
    """Where training stands: everything that decides how it goes on."""

    epoch: int
    batch: int
    step: int
    loss: float
    right: int
    rows: int
    best: ValidationScore
    best_epoch: int
    points: list[EpochPoint]


def train(
    lesson: TrainingTask, spec: TuneSpec, checkpoint: Checkpoint, on_progress: Callable[[int, int], None]
) -> tuple[EpochPoint, ...]:
    """Train until the passes are over or validation gains nothing more, and leave the best weights in the lesson.

    A pass gains where it is the best by the task metric, or where its loss on the validation rows is the least so far:
    a metric that counts whole answers may stay at nothing while a model learns.

    The start counts as pass 0: where no pass is better, the weights stay as they were. Each batch is divided into parts
    of at most ``spec.part`` rows, for ``spec.workers`` threads with one core each, and their gradients are added in a
    fixed order: no core waits inside a small matrix product, and the sum is the same every time. ``on_progress`` hears
    (batches done, batches in all). Gives one point per pass, the start included.
    """
    import torch

    parameters = lesson.parameters()
    optimizer = torch.optim.AdamW(parameters.values(), lr=spec.learning_rate, weight_decay=spec.weight_decay)
    per_epoch = len(lesson.batches(1))
    total = per_epoch * spec.epochs
    best = {name: tensor.detach().clone() for name, tensor in parameters.items()}
    state = _restore(checkpoint.load(), parameters, optimizer, best)
    if state is None:
        with single_threaded():
            score = lesson.judge()
        first = EpochPoint(
            epoch=0.0,
            train_loss=None,
            train_metric=None,
            valid_metric=score.metric,
            is_best=True,
            valid_loss=score.loss,
        )
        state = _State(1, 0, 0, 0.0, 0, 0, score, 0, [first])
    saved = time.monotonic()
    with single_threaded(), ThreadPoolExecutor(spec.workers) as pool:
        while state.epoch <= spec.epochs and state.epoch - _best_pass(state) <= spec.patience:
            batches = lesson.batches(state.epoch)
            while state.batch < len(batches):
                _gradients(lesson, batches[state.batch], spec, pool, state)
                _step(optimizer, _rate(spec, state.step, total), state)
                on_progress(state.step, total)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    checkpoint.save(_freeze(state, parameters, optimizer, best))
                    saved = time.monotonic()
            _close_epoch(lesson, state, parameters, best)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                checkpoint.save(_freeze(state, parameters, optimizer, best))
                saved = time.monotonic()
        checkpoint.save(_freeze(state, parameters, optimizer, best))
    with torch.no_grad():
        for name, tensor in parameters.items():
            tensor.copy_(best[name])
    return tuple(_mark_kept(point, state.best_epoch) for point in state.points)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Hold torch to one core for each thread that calls it, as long as the block lasts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _gradients(lesson: TrainingTask, batch: Batch, spec: TuneSpec, pool: ThreadPoolExecutor, state: _State) -> None:
    """Leave the gradient of the mean loss in the parameters."""
    import torch

    parameters = list(lesson.parameters().values())

    def part(rows: Batch) -> tuple[float, int, tuple[torch.Tensor, ...]]:
        loss, right = lesson.loss(rows)
        return float(loss.detach()), right, torch.autograd.grad(loss / len(batch), parameters)

    # Neighbours have like lengths: dealing them out keeps both the padding and the loads even.
    count = max(min(spec.workers, len(batch)), math.ceil(len(batch) / spec.part))
    shards = [batch[index::count] for index in range(count)]
    parts = list(pool.map(part, shards))
    for index, parameter in enumerate(parameters):
        total = parts[0][2][index]
        for _, _, gradients in parts[1:]:
            total = total + gradients[index]
        parameter.grad = total
    state.loss += sum(loss for loss, _, _ in parts)
    state.right += sum(right for _, right, _ in parts)
    state.rows += len(batch)


def _step(optimizer: Any, rate: float, state: _State) -> None:  # noqa: ANN401
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    state.batch += 1
    state.step += 1


def _close_epoch(
    lesson: TrainingTask, state: _State, parameters: Mapping[str, torch.Tensor], best: dict[str, torch.Tensor]
) -> None:
    rows = max(1, state.rows)
    if not math.isfinite(state.loss):
        _log.warning(
            "the loss is no longer a number (the learning rate is too high): tuning stops, and its best epoch is kept"
        )
        state.epoch = _NEVER
        return
    score = lesson.judge()
    state.points.append(
        EpochPoint(
            epoch=float(state.epoch),
            train_loss=state.loss / rows,
            train_metric=state.right / rows,
            valid_metric=score.metric,
            is_best=False,
            valid_loss=score.loss,
        )
    )
    if score.beats(state.best):
        state.best, state.best_epoch = score, state.epoch
        for name, tensor in parameters.items():
            best[name] = tensor.detach().clone()
    state.epoch, state.batch, state.loss, state.right, state.rows = state.epoch + 1, 0, 0.0, 0, 0


def _best_pass(state: _State) -> int:
    """Return the last pass that was the best, or had the least loss on the validation rows."""
    losses = [(point.valid_loss, int(point.epoch)) for point in state.points if point.valid_loss is not None]
    return max(state.best_epoch, min(losses)[1]) if losses else state.best_epoch


def _rate(spec: TuneSpec, step: int, total: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then a linear decay to zero."""
    warm = max(1.0, spec.warmup * total)
    return spec.learning_rate * min(1.0, (step + 1) / warm) * max(0.0, 1.0 - step / total)


def _mark_kept(point: EpochPoint, best: int) -> EpochPoint:
    return dataclasses.replace(point, is_best=point.epoch == best)


def _freeze(
    state: _State,
    parameters: Mapping[str, torch.Tensor],
    optimizer: Any,  # noqa: ANN401
    best: Mapping[str, torch.Tensor],
) -> bytes:
    """Write the state as safetensors bytes: weights, best weights, both moments of AdamW, and the counters."""
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in parameters.items():
        tensors[f"now/{name}"] = tensor.detach().contiguous()
        tensors[f"best/{name}"] = best[name].contiguous()
        moments = optimizer.state.get(tensor)
        if moments:
            tensors[f"first/{name}"] = moments["exp_avg"].contiguous()
            tensors[f"second/{name}"] = moments["exp_avg_sq"].contiguous()
            tensors[f"steps/{name}"] = moments["step"].reshape(1)
    written: bytes = save(tensors, metadata={"state": json.dumps(dataclasses.asdict(state))})
    return written


def _restore(
    data: bytes | None,
    parameters: Mapping[str, torch.Tensor],
    optimizer: Any,  # noqa: ANN401
    best: dict[str, torch.Tensor],
) -> _State | None:
    import torch
    from safetensors.torch import load

    if data is None:
        return None
    length = struct.unpack("<Q", data[:8])[0]
    values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["state"])
    tensors = load(data)
    with torch.no_grad():
        for name, tensor in parameters.items():
            tensor.copy_(tensors[f"now/{name}"])
            best[name] = tensors[f"best/{name}"]
            if f"first/{name}" in tensors:
                optimizer.state[tensor] = {
                    "step": tensors[f"steps/{name}"].reshape(()),
                    "exp_avg": tensors[f"first/{name}"].to(tensor.device),
                    "exp_avg_sq": tensors[f"second/{name}"].to(tensor.device),
                }
    values["points"] = [EpochPoint(**point) for point in values["points"]]
    values["best"] = ValidationScore(**values["best"])
    return _State(**values)


_STRETCH = 32
"""Batches that are sorted by length together: enough for equal lengths, few enough to stay random."""


def by_length(lengths: Sequence[tuple[int, ...]], spec: TuneSpec, epoch: int) -> list[list[int]]:
    """Shuffle the rows, sort each stretch of them by length, and shuffle the batches that this gives.

    Gives the places of rows; the order follows from the spec's seed and the pass alone.
    """
    import numpy as np

    random = np.random.default_rng([spec.seed, epoch])
    order = random.permutation(len(lengths)).tolist()
    done: list[list[int]] = []
    for start in range(0, len(order), _STRETCH * spec.batch):
        stretch = sorted(order[start : start + _STRETCH * spec.batch], key=lambda index: lengths[index])
        done += [stretch[at : at + spec.batch] for at in range(0, len(stretch), spec.batch)]
    return [done[index] for index in random.permutation(len(done)).tolist()]
