"""Next-token training that can be stopped and gone on with: on a CPU, to the same weights byte for byte.

The learning rate warms up and then stays ("warm-up, stable, decay"; Hu et al., 2024, arXiv:2404.06395): the stable
phase has no end, and a short decay from any of its checkpoints gives weights that are fit to be used.
"""

from __future__ import annotations

import dataclasses
import json
import math
import struct
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ockham.errors import ModelError
from ockham.records import Progress
from ockham.store import save_bytes
from ockham.tuning.loop import single_threaded
from pretrain import model
from pretrain.model import Portion, Shape
from pretrain.muon import Optimizer

CHECKPOINT_SECONDS = 240.0
_TELL_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What holds from step ``since`` on.

    ``rate`` is the share of the full rates; ``others`` the share of windows that are not from books (as many as there
    are, where it is None); ``copies`` the share that repeats itself, in which attention is led with the weight
    ``guidance``.
    """

    since: int = 0
    rate: float = 1.0
    others: float | None = None
    copies: float = 0.0
    guidance: float = 0.0


PHASES = (
    Phase(),
    Phase(since=1245, rate=0.25),
    Phase(since=2500, rate=0.5, others=0.375, copies=0.25, guidance=1.0),
    Phase(since=2800, rate=0.5, others=0.375, copies=0.125),
    Phase(since=2900, rate=0.5, others=0.375, copies=0.1875, guidance=0.3),
    Phase(since=3400, rate=0.5, others=0.375, copies=0.125),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How to train. ``batch`` windows a step are taken ``part`` by ``part``; sums do not depend on ``workers``.

    Until the decay, windows are cut into ``pieces``: less attention a token, and long contexts are learnt late.
    """

    seed: int = 0
    batch: int = 8
    part: int = 2
    pieces: int = 2
    muon_rate: float = 0.02
    adam_rate: float = 0.004
    weight_decay: float = 0.01
    warmup: int = 50
    phases: tuple[Phase, ...] = PHASES
    judge_every: int = 100

    def at(self, step: int) -> Phase:
        """Give the phase of a step."""
        return next((phase for phase in reversed(self.phases) if step >= phase.since), Phase())

    def until(self, step: int) -> Spec:
        """Give what decided the steps before this one."""
        return dataclasses.replace(self, phases=tuple(phase for phase in self.phases if phase.since < step))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay:
    """From which step the rate falls, and in how many steps it comes to nothing."""

    start: int
    steps: int

    @property
    def end(self) -> int:
        """The step at which nothing is left."""
        return self.start + self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where a run ends: at a step, after some seconds, or at what comes first."""

    step: int | None = None
    seconds: float | None = None

    def left(self, state: State, seconds: float, speed: float) -> float:
        """Give the seconds that are left after ``seconds`` of work at ``speed`` tokens a second."""
        tokens = state.spec.batch * state.shape.context
        by_step = math.inf if self.step is None else (self.step - state.step) * tokens / max(speed, 1e-9)
        by_clock = math.inf if self.seconds is None else self.seconds - seconds
        return max(0.0, min(by_step, by_clock))


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of the loss curve, in nats per token: training since the last point, validation now."""

    step: int
    tokens: int
    train: float
    valid: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is learnt: the windows of a step, whole or cut, and the validation loss."""

    batch: Callable[[int], Portion]
    valid: Callable[[Mapping[str, Tensor]], float]


@dataclass(slots=True, kw_only=True)
class State:
    """Where training stands: everything that decides how it goes on."""

    shape: Shape
    spec: Spec
    weights: dict[str, Tensor]
    optimizer: Optimizer
    step: int = 0
    tokens: int = 0
    since: float = 0.0
    counted: float = 0.0
    decay: Decay | None = None
    points: list[Point] = field(default_factory=list)


def begin(shape: Shape, spec: Spec, weights: dict[str, Tensor]) -> State:
    """Give the state before the first step, from weights that are changed in place."""
    weights = dict(sorted(weights.items()))  # the order in which they are read back
    return State(
        shape=shape,
        spec=spec,
        weights=weights,
        optimizer=Optimizer(weights, model.matrices(shape), spec.weight_decay),
    )


def run(
    state: State,
    lesson: Lesson,
    bound: Bound,
    path: Path,
    on_progress: Callable[[Progress], None],
    workers: int,
) -> None:
    """Train up to a bound, saving the state to ``path`` every few minutes and at the end.

    On a CPU each part of a batch is worked on by one thread, ``workers`` of them side by side, and the gradients are
    added in a fixed order. Raises `ModelError` (``E_MODEL_FORMAT``) where the loss is no longer a number.
    """
    began = saved = told = now = time.monotonic()
    tokens = state.tokens
    with single_threaded(), ThreadPoolExecutor(workers) as pool:
        while bound.left(state, now - began, 1.0) > 0:
            _step(state, lesson, pool)
            now = time.monotonic()
            if now - told > _TELL_SECONDS:
                speed = (state.tokens - tokens) / (now - told)
                on_progress(_progress(state, speed, bound.left(state, now - began, speed)))
                told, tokens = now, state.tokens
            if now - saved > CHECKPOINT_SECONDS:
                save(state, path)
                saved = now
    save(state, path)


def _step(state: State, lesson: Lesson, pool: Executor) -> None:
    spec = state.spec
    portion = lesson.batch(state.step)
    gradients, loss = _gradients(state, portion, pool)
    share = rate(spec, state.step, state.decay)
    state.optimizer.step(gradients, (share * spec.muon_rate, share * spec.adam_rate), state.step + 1, pool)
    state.step += 1
    state.tokens += portion.tokens[:, 1:].numel()
    state.since += loss
    state.counted += portion.counted
    if state.step % spec.judge_every == 0:
        if not state.since < float("inf"):
            raise ModelError(
                "E_MODEL_FORMAT", "the loss is no longer a number", fix="start again with a lower learning rate"
            )
        valid = lesson.valid(state.weights)
        mean = state.since / state.counted
        state.points.append(Point(step=state.step, tokens=state.tokens, train=mean, valid=valid))
        state.since = state.counted = 0.0


def _gradients(state: State, portion: Portion, pool: Executor) -> tuple[dict[str, Tensor], float]:
    """Give the gradients of the mean loss, and the summed loss."""
    names = list(state.weights)
    leaves = [tensor.detach().requires_grad_() for tensor in state.weights.values()]
    weights = dict(zip(names, leaves, strict=True))
    dtype = torch.bfloat16 if portion.tokens.is_cuda else torch.float32
    total, windows = portion.counted, len(portion.tokens)
    rows = max(1, state.spec.part * windows // state.spec.batch)

    def part(start: int) -> tuple[float, tuple[Tensor, ...]]:
        nats, descended = model.loss(weights, state.shape, portion.part(slice(start, start + rows)), dtype)
        return float(nats), torch.autograd.grad(descended / total, leaves)

    sums: list[Tensor] | None = None
    loss = 0.0
    for value, found in pool.map(part, range(0, windows, rows)):
        loss += value
        if sums is None:
            sums = list(found)
        else:
            for total_so_far, gradient in zip(sums, found, strict=True):
                total_so_far += gradient  # noqa: PLW2901 - the tensor is changed, not the name
    return dict(zip(names, sums or [], strict=True)), loss


def rate(spec: Spec, step: int, decay: Decay | None) -> float:
    """Give the share of the full learning rates at a step (from 0).

    Warm-up is linear; decay is one minus the square root (Haegele et al., 2024, arXiv:2405.18392).
    """
    share = min(1.0, (step + 1) / max(1, spec.warmup))
    share *= spec.at(step).rate
    if decay is None or step < decay.start:
        return share
    return share * max(0.0, 1.0 - math.sqrt((step - decay.start) / decay.steps))


def save(state: State, path: Path) -> None:
    """Save the state as safetensors, whole or not at all."""
    from safetensors.torch import save as pack

    tensors = {f"weights/{name}": tensor for name, tensor in state.weights.items()}
    tensors |= {f"moments/{name}": tensor for name, tensor in state.optimizer.state.items()}
    about = {
        "shape": dataclasses.asdict(state.shape),
        "spec": dataclasses.asdict(state.spec),
        "decay": None if state.decay is None else dataclasses.asdict(state.decay),
        "step": state.step,
        "tokens": state.tokens,
        "since": state.since,
        "counted": state.counted,
        "points": [dataclasses.asdict(point) for point in state.points],
    }
    cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_bytes(path, pack(cpu, metadata={"state": json.dumps(about, sort_keys=True)}))


def load(path: Path, device: str) -> State:
    """Read a saved state. Raises `ModelError`: ``E_MODEL_MISSING``, ``E_MODEL_FORMAT``."""
    from safetensors import SafetensorError
    from safetensors.torch import load as unpack

    try:
        data = path.read_bytes()
    except OSError:
        raise ModelError("E_MODEL_MISSING", f"{path.name}: no state here", fix="run the step before") from None
    try:
        tensors = {name: tensor.to(device) for name, tensor in unpack(data).items()}
        length = struct.unpack("<Q", data[:8])[0]
        about: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["state"])
    except (SafetensorError, struct.error, ValueError, KeyError):
        raise ModelError("E_MODEL_FORMAT", f"{path.name}: not a saved state", fix="begin that step again") from None
    weights = {name[8:]: tensor for name, tensor in tensors.items() if name.startswith("weights/")}
    phases = tuple(Phase(**phase) for phase in about["spec"].pop("phases"))
    state = begin(Shape(**about["shape"]), Spec(phases=phases, **about["spec"]), weights)
    for name in state.optimizer.state:
        state.optimizer.state[name] = tensors[f"moments/{name}"]
    state.decay = None if about["decay"] is None else Decay(**about["decay"])
    state.points = [Point(**point) for point in about["points"]]
    state.step, state.tokens = about["step"], about["tokens"]
    state.since, state.counted = about["since"], about["counted"]
    return state


def _progress(state: State, speed: float, left: float) -> Progress:
    parts = [f"step {state.step:,}", f"{state.tokens / 1e6:.2f} million tokens"]
    if state.counted:
        parts.append(f"loss {state.since / state.counted:.3f}")
    if state.points:
        parts.append(f"held out {state.points[-1].valid:.3f}")
    parts.append(f"{speed:,.0f} tokens/s")
    if not math.isinf(left):
        parts.append(f"{left // 3600:.0f} h {left % 3600 / 60:.0f} min left")
    return Progress(stage="train", message=", ".join(parts), done=state.step)
