"""The steps after the decay: the supervised phase, the scores beside n-grams, the card and the package."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ockham.errors import InputError
from ockham.records import Progress
from ockham.store import save_text
from pretrain import bpe, card, corpus, evaluation, folder, instruct, model, ngram, sampling, training
from pretrain.evaluation import Held
from pretrain.model import Portion
from pretrain.sources import SOURCES, Document, documents
from pretrain.steps import (
    Recipe,
    Tell,
    account_of,
    alone,
    decayed,
    end_of,
    finished,
    lesson,
    stretches_of,
    tokens_of,
)
from pretrain.training import Bound, Decay, Lesson, State

_GENTLE = 0.2
"""The supervised phase learns at this share of the rates."""
_WARMUP = 20
_ASKING, _REHEARSED = 0.7, 0.2
"""The share of the windows that are chats, and how much a token of the others, which are plain text, counts.

A model that sees chats alone forgets the rest; earlier text beside them keeps it (rehearsal; Robins 1995).
"""
_JUDGED = 16
_ASKED = 60
_LABELLED = ("clinc150", "hwu64")
_CHATS = (*_LABELLED, "ncbi_disease", "tldr_commands", "medical", "dialogues", "books")
_BOOKS = 60
"""Books whose sentences are read for fields."""


def teach(recipe: Recipe, on_progress: Tell) -> None:
    """Run the supervised phase from the newest decay, or go on with it."""
    base = decayed(recipe)
    path = _taught_path(recipe, base)
    steps = max(2 * _WARMUP, recipe.taught // (base.spec.batch * base.shape.context))
    with alone(recipe.state, "instruct"):
        if path.exists():
            state = training.load(path, recipe.device)
        else:
            gentle = dataclasses.replace(
                base.spec,
                muon_rate=_GENTLE * base.spec.muon_rate,
                adam_rate=_GENTLE * base.spec.adam_rate,
                warmup=_WARMUP,
                phases=(),
            )
            state = training.begin(base.shape, gentle, base.weights)
            state.decay = Decay(start=_WARMUP, steps=steps - _WARMUP)
        if finished(state):
            return
        on_progress(Progress(stage="instruct", message="writing chats"))
        training.run(state, _lesson(recipe, state), Bound(step=end_of(state).end), path, on_progress, recipe.workers)


def score(recipe: Recipe, on_progress: Tell) -> None:
    """Measure the model, before and after the supervised phase, and the n-grams on the held-out text."""
    held, stretches = tokens_of(recipe, "held"), stretches_of(recipe, "held")
    base = decayed(recipe)
    found: dict[str, tuple[Held, ...]] = {}
    for name, state in (("nano", _taught(recipe, base)), ("before the supervised phase", base)):
        on_progress(Progress(stage="score", message=f"reading the held-out text: {name}"))
        found[name] = evaluation.by_source(evaluation.nats(state.weights, base.shape, held, recipe.workers), stretches)
    save_text(recipe.state / "scores.json", _written({**found, **_yardsticks(recipe, on_progress)}))


def write_card(recipe: Recipe, on_progress: Tell) -> None:
    """Write the card and its curve to the folder ``card``."""
    base = decayed(recipe)
    taught = _taught(recipe, base)
    tokenizer = bpe.load(recipe.state / "tokenizer.json")
    on_progress(Progress(stage="card", message="writing samples"))
    held = _rows(recipe, held=True)
    kinds = instruct.kinds(held, base.spec.seed)
    chats = [(name, next(kind)) for name, kind in kinds.items()]
    labelled = itertools.islice(instruct.chats(held, base.spec.seed + 1, only=_LABELLED), _ASKED)
    facts = card.Facts(
        shape=base.shape,
        spec=base.spec,
        accounts=account_of(recipe)["sources"],
        curve=base.points,
        stable_tokens=end_of(base).start * base.spec.batch * base.shape.context,
        scores=_scores(recipe.state / "scores.json"),
        samples=sampling.texts(taught.weights, base.shape, tokenizer, _first_documents(recipe)),
        chats=sampling.answers(taught.weights, base.shape, tokenizer, chats),
        labels=sampling.obedience(taught.weights, base.shape, tokenizer, labelled),
    )
    place = recipe.state / "card"
    save_text(place / "README.md", card.write(facts))
    save_text(place / card.CURVE, card.chart(base.points))


def package(recipe: Recipe, on_progress: Tell) -> None:
    """Write what ships to the folder ``package``: weights in 16 bits, tokenizer, card.

    Raises `InputError` (``E_TOO_FEW``) where the model does not clearly beat the 5-gram: it would not be fit to ship.
    """
    base = decayed(recipe)
    scores = _scores(recipe.state / "scores.json")
    if not card.beats(scores):
        raise InputError(
            "E_TOO_FEW",
            f"{scores['nano'][-1].bits_per_byte:.3f} bits per byte do not clearly beat the 5-gram's "
            f"{scores['5-gram'][-1].bits_per_byte:.3f}",
            fix="go on with the stable phase (scripts/pretrain train --hours 8), then decay, instruct, score and card",
        )
    place = recipe.state / "package"
    tokenizer = recipe.state / "tokenizer.json"
    folder.write(_taught(recipe, base).weights, base.shape, tokenizer, place, torch.bfloat16)
    for name in ("README.md", card.CURVE):
        save_text(place / name, (recipe.state / "card" / name).read_text(encoding="utf-8"))
    size = sum(path.stat().st_size for path in place.iterdir())
    on_progress(Progress(stage="package", message=f"{place}: {size / 1e6:.1f} MB"))


def _taught_path(recipe: Recipe, base: State) -> Path:
    return recipe.state / f"instruct-{end_of(base).start:07d}.safetensors"


def _taught(recipe: Recipe, base: State) -> State:
    state = training.load(_taught_path(recipe, base), recipe.device)
    if not finished(state):
        raise InputError("E_EMPTY", "the supervised phase is not finished", fix="scripts/pretrain instruct")
    return state


def _rows(recipe: Recipe, *, held: bool) -> dict[str, list[Document]]:
    """Read the rows of each source that chats are made of, those to learn from or those held out."""
    wanted = [source for source in SOURCES if source.name in _CHATS]
    found: dict[str, list[Document]] = {}
    for source in wanted:
        given = itertools.islice(documents(source, recipe.data), _BOOKS if source.name == "books" else None)
        usable = corpus.usable(source, given, recipe.data, Counter())
        found[source.name] = [row for row in usable if corpus.is_held_out(row) == held]
    return found


def _lesson(recipe: Recipe, state: State) -> Lesson:
    """Give the supervised phase: chats of learnt rows in the order in which they were written, judged on held ones.

    Beside them it reads on in the text, from where the decay ended.
    """
    base, context = decayed(recipe), state.shape.context
    size = max(1, round(_ASKING * state.spec.batch))
    # A step's windows begin with books and end with all else: those that are read are spread over them.
    spread = np.linspace(0, state.spec.batch - 1, state.spec.batch - size).round().astype(np.int64)
    text = lesson(recipe, base)
    tokenizer = bpe.load(recipe.state / "tokenizer.json")
    chats = {held: instruct.chats(_rows(recipe, held=held), state.spec.seed) for held in (False, True)}
    learnt = instruct.pack(tokenizer, chats[False], size * end_of(state).end, context)
    judged = instruct.pack(tokenizer, chats[True], _JUDGED, context)
    dtype = torch.bfloat16 if recipe.device == "cuda" else torch.float32

    def batch(step: int) -> Portion:
        some = slice(step * size, (step + 1) * size)
        plain = text.batch(base.step + step).tokens.cpu()[spread]
        tokens = torch.cat((torch.from_numpy(learnt.tokens[some]), plain))
        counts = torch.cat((torch.from_numpy(learnt.counts[some]), torch.full((len(plain), context), _REHEARSED)))
        return Portion(tokens=tokens.to(recipe.device), counts=counts.to(recipe.device))

    def valid(weights: Mapping[str, Tensor]) -> float:
        each = model.losses(weights, state.shape, torch.from_numpy(judged.tokens).to(recipe.device), dtype).cpu()
        return float((each.double() * torch.from_numpy(judged.counts)).sum() / float(judged.counts.sum()))

    return Lesson(batch=batch, valid=valid)


def _yardsticks(recipe: Recipe, on_progress: Tell) -> dict[str, tuple[Held, ...]]:
    """Score the n-grams, once: they depend on the prepared streams alone."""
    path = recipe.state / "ngram.json"
    if path.exists():
        return _scores(path)
    on_progress(Progress(stage="score", message="counting 5-grams"))
    vocabulary = model.SHAPES[recipe.shape].vocabulary
    stream, held = np.asarray(tokens_of(recipe, "train")), np.asarray(tokens_of(recipe, "held"))
    stretches = stretches_of(recipe, "held")
    five = ngram.nats(ngram.fit(stream, vocabulary), held)
    one = ngram.unigram_nats(stream, held, vocabulary)
    found = {"5-gram": evaluation.by_source(five, stretches), "unigram": evaluation.by_source(one, stretches)}
    save_text(path, _written(found))
    return found


def _first_documents(recipe: Recipe) -> Iterator[tuple[str, list[int]]]:
    """Give the beginning of the held-out text of each source."""
    held, at = tokens_of(recipe, "held"), 0
    for stretch in stretches_of(recipe, "held"):
        yield stretch.source, [int(token) for token in held[at : at + min(stretch.tokens, 2 * sampling.LENGTH)]]
        at += stretch.tokens


def _written(scores: Mapping[str, Sequence[Held]]) -> str:
    plain = {name: [dataclasses.asdict(one) for one in each] for name, each in scores.items()}
    return json.dumps(plain, indent=1) + "\n"


def _scores(path: Path) -> dict[str, tuple[Held, ...]]:
    if not path.exists():
        raise InputError("E_EMPTY", f"{path}: not here", fix="scripts/pretrain score")
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: tuple(Held(**one) for one in each) for name, each in found.items()}
