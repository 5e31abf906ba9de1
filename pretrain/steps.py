"""From data to package, step by step; each leaves its files in the state folder and goes on where it stopped."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ockham.errors import ConfigError, Defect, InputError
from ockham.records import Progress
from ockham.store import save_text
from ockham.store.lock import take_lock
from pretrain import bpe, copying, corpus, model, packing, training
from pretrain.model import Portion
from pretrain.packing import Stream, Stretch
from pretrain.sources import SOURCES
from pretrain.training import Bound, Decay, Lesson, Spec, State

Tell = Callable[[Progress], None]

STABLE = "stable.safetensors"
_JUDGED = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is asked for. ``tokens`` and ``hours`` bound the stable phase; ``decay`` is a share of its steps.

    ``taught`` are the tokens of the supervised phase.
    """

    state: Path
    data: Path
    shape: str = "8m"
    spec: Spec = field(default_factory=Spec)
    tokens: int = 40_000_000
    hours: float | None = None
    decay: float = 0.25
    taught: int = 3_000_000
    workers: int = 2
    device: str = "cpu"


def prepare(recipe: Recipe, on_progress: Tell) -> None:
    """Clean the corpus, train the tokenizer, write both token streams and the account; done once."""
    folder = recipe.state
    if (folder / "corpus.json").exists():
        return
    made = corpus.build(SOURCES, recipe.data, lambda text: on_progress(Progress(stage="prepare", message=text)))
    on_progress(Progress(stage="prepare", message="training the vocabulary"))
    tokenizer = bpe.train(bpe.sample(made.train))
    bpe.save(tokenizer, folder, model.SHAPES[recipe.shape].context)
    about: dict[str, Any] = {"sources": [dataclasses.asdict(account) for account in made.accounts]}
    for side, documents in (("train", made.train), ("held", made.held)):

        def told(done: int, total: int, side: str = side) -> None:
            on_progress(Progress(stage="prepare", message=f"encoding ({side})", done=done, total=total))

        stream, stretches = packing.encode(tokenizer, documents, told)
        packing.save(stream, folder / f"{side}.tokens")
        about[side] = [dataclasses.asdict(stretch) for stretch in stretches]
    save_text(folder / "corpus.json", json.dumps(about, indent=1) + "\n")


@contextmanager
def alone(folder: Path, step: str) -> Iterator[None]:
    """Hold a step's lock: two processes would undo each other's work. Raises `RunError` where it is taken."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = take_lock(folder / f"{step}.lock")
    try:
        yield
    finally:
        os.close(descriptor)


def train(recipe: Recipe, on_progress: Tell) -> None:
    """Begin the stable phase, or go on with it, until it has seen ``tokens`` or worked for ``hours``."""
    path = recipe.state / STABLE
    shape = model.SHAPES[recipe.shape]
    with alone(recipe.state, "train"):
        if path.exists():
            state = training.load(path, recipe.device)
            if (state.shape, state.spec.until(state.step)) != (shape, recipe.spec.until(state.step)):
                raise ConfigError("E_CONFIG", f"{path}: begun with another shape or spec", fix="use another --state")
            state.spec = recipe.spec  # phases to come may be others than were thought of when it began
        else:
            state = training.begin(shape, recipe.spec, model.start(shape, recipe.spec.seed, recipe.device))
        if recipe.hours is not None:
            bound = Bound(seconds=3600 * recipe.hours)
        else:
            bound = Bound(step=math.ceil(recipe.tokens / (recipe.spec.batch * shape.context)))
        training.run(state, lesson(recipe, state), bound, path, on_progress, recipe.workers)


def decay(recipe: Recipe, on_progress: Tell) -> None:
    """Let the rate fall to nothing: go on with a branch that is not finished, else begin one from the stable phase."""
    with alone(recipe.state, "decay"):
        newest = newest_branch(recipe)
        state = None if newest is None else training.load(newest, recipe.device)
        if state is None or finished(state):
            state = training.load(recipe.state / STABLE, recipe.device)
            state.decay = Decay(start=state.step, steps=max(1, round(recipe.decay * state.step)))
        path = recipe.state / f"decay-{end_of(state).start:07d}.safetensors"
        training.run(state, lesson(recipe, state), Bound(step=end_of(state).end), path, on_progress, recipe.workers)


def newest_branch(recipe: Recipe) -> Path | None:
    """Find the decay that began last, finished or not."""
    return max(recipe.state.glob("decay-*.safetensors"), default=None)


def decayed(recipe: Recipe) -> State:
    """Load the newest decay. Raises `InputError` (``E_EMPTY``) where there is none, or where it is not finished."""
    path = newest_branch(recipe)
    state = None if path is None else training.load(path, recipe.device)
    if state is None or not finished(state):
        raise InputError("E_EMPTY", f"{recipe.state}: no finished decay here", fix="scripts/pretrain decay")
    return state


def finished(state: State) -> bool:
    """Tell whether a state's decay has come to its end."""
    return state.decay is not None and state.step >= state.decay.end


def end_of(state: State) -> Decay:
    """Give the decay of a state that has one. Raises `Defect` where it has none."""
    if state.decay is None:
        raise Defect("E_DEFECT", "a branch without a decay", fix="report this with the command you gave")
    return state.decay


def lesson(recipe: Recipe, state: State) -> Lesson:
    """Give next-token training on the prepared streams; validation reads 32 windows spread over the held-out text."""
    stream, held = tokens_of(recipe, "train"), tokens_of(recipe, "held")
    context, spec = state.shape.context, state.spec
    pieces = spec.pieces if state.decay is None else 1
    places = np.linspace(0, packing.windows(held, context) - 1, _JUDGED).astype(np.int64)
    judged = torch.from_numpy(packing.cut(packing.window(held, places, context), pieces)).to(recipe.device)
    dtype = torch.bfloat16 if recipe.device == "cuda" else torch.float32

    books = packing.windows(stream[: _books(recipe)], context)
    groups = (books, packing.windows(stream, context) - books)

    def batch(step: int) -> Portion:
        phase = spec.at(step)
        chosen = packing.batch(step, spec.batch, groups, phase.others, spec.seed)
        rows = packing.cut(packing.window(stream, chosen, context), pieces)
        rows, periods = copying.repeat(rows, round(phase.copies * len(rows)), np.random.default_rng([spec.seed, step]))
        return Portion(
            tokens=torch.from_numpy(rows).to(recipe.device),
            periods=torch.from_numpy(periods).to(recipe.device),
            guidance=phase.guidance,
        )

    def valid(weights: Mapping[str, Tensor]) -> float:
        parts = [model.losses(weights, state.shape, part, dtype) for part in judged.split(4)]
        return float(torch.cat(parts).double().mean())

    return Lesson(batch=batch, valid=valid)


def _books(recipe: Recipe) -> int:
    """Count the tokens of books, which lie at the beginning of the stream."""
    first = stretches_of(recipe, "train")[0]
    return first.tokens if first.source == "books" else 0


def tokens_of(recipe: Recipe, side: str) -> Stream:
    """Open a prepared stream (``train`` or ``held``). Raises `InputError` (``E_EMPTY``) before the step `prepare`."""
    path = recipe.state / f"{side}.tokens"
    if not path.exists():
        raise InputError("E_EMPTY", f"{path}: not here", fix="scripts/pretrain prepare")
    return packing.load(path)


def account_of(recipe: Recipe) -> dict[str, Any]:
    """Read the account that `prepare` wrote."""
    found: dict[str, Any] = json.loads((recipe.state / "corpus.json").read_text(encoding="utf-8"))
    return found


def stretches_of(recipe: Recipe, side: str) -> tuple[Stretch, ...]:
    """Read where the sources lie in a prepared stream."""
    return tuple(Stretch(**stretch) for stretch in account_of(recipe)[side])
