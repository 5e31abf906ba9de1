"""Whether a model is worth tuning: told from a first short part of it, before hours are spent.

Two things can be known early. How long the whole would take here, from the pace of the first batch; a tuning so small
that no machine needs too long for it is not tried for that. And, where several
models are named, what each has learnt from the same first rows: one that then needs more nats for the validation
answers than another that is no larger would have to overtake it to be chosen (successive halving, Jamieson and
Talwalkar 2016, within what is no larger). The prompted rung's answers are no evidence: a model that cannot be prompted
may well be tuned.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ockham.convert.gguf_unpack import unpacked_bytes
from ockham.errors import OckhamError
from ockham.evals.intervals import mean
from ockham.plain_numbers import digits
from ockham.readers.row_sample import evenly_spaced
from ockham.records import Estimate, Progress
from ockham.rungs.decoder_weights import convert_or_find, find_model, model_name, packed_file, signature
from ockham.rungs.rung import RunContext
from ockham.rungs.tokenized_rows import tokenize_rows
from ockham.rungs.tuning_folder import tuning_folder
from ockham.store.memo import find_or_make

LONGEST_HOURS = 12.0
"""A tuning that would take longer is not begun unasked."""
_SLOWEST = 5e9
"""Floating-point operations a second of the slowest processor that a model is tuned on."""
_PER_TOKEN = 8
"""Operations for each parameter and token: forward, backward and forward again (Kaplan et al. 2020, section 2.1)."""
_PROMPT_BYTES = 1000
"""The words around a row and its answer take no more than so many, beside labels and instructions."""
_SHARE, _ROWS = 20, 256
"""The first part is a twentieth of all that would be learnt from, and no more rows than these."""
_HEARD = 64
"""Validation rows whose answers are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotRun:
    """What the first part showed: seconds a row, the rows learnt from, and nats for each validation answer by its id.

    No nats where the pace was all that had to be known, or was too slow.
    """

    seconds: float
    rows: int
    nats: Mapping[str, float]


def reject_early(model: str, others: Sequence[str], context: RunContext) -> str | None:
    """Say why a model is not worth tuning here, with the figure, or nothing; ``others`` are those it stands beside.

    Nothing is tried where the user wants every rung. Raises `ModelError` where the model cannot be read or converted.
    """
    if context.config.every or (not others and _most_hours(model, context) <= LONGEST_HOURS):
        return None
    mine = first_part(model, context, alone=not others)
    hours = _hours(mine, context)
    if hours > LONGEST_HOURS:
        passes, rows = context.config.tune.epochs, len(context.side("train"))
        what = f"{digits(mine.seconds)} s per row, {rows:,} rows, up to {passes} epochs"
        return f"tuning it would take about {hours:,.0f} hours here ({what}; --all tunes it)"
    size = weight_bytes(find_model(model))
    for other in others:
        try:
            if weight_bytes(find_model(other)) > size:
                continue
            theirs = first_part(other, context, alone=False)
        except OckhamError:  # the other one's own rung says what is wrong with it
            continue
        gap = loss_gap(mine, theirs)
        if gap is not None and gap.low > 0:
            return _rejection_text(mine, model_name(other), gap)
    return None


def loss_gap(mine: PilotRun, theirs: PilotRun) -> Estimate | None:
    """Estimate how many nats an answer more a model needs than another, on the rows that both could read whole."""
    both = sorted(mine.nats.keys() & theirs.nats.keys())
    return mean([mine.nats[row_id] - theirs.nats[row_id] for row_id in both]) if len(both) > 1 else None


def first_part(model: str, context: RunContext, *, alone: bool) -> PilotRun:
    """Tune a model on a first part of the rows, once a run; where it is ``alone``, the pace of one batch is enough."""
    source = tuning_folder(model, context)
    key = context.cache_key("first", model, signature(source), context.config.tune, context.config.precision, alone)
    return find_or_make(context.run, "first", key, PilotRun, partial(_tune_first_part, model, source, context, alone))


def _tune_first_part(model: str, source: Path, context: RunContext, alone: bool) -> PilotRun:
    from ockham.tuning import decoder_tuning as tuning

    config, train, valid = context.config, context.side("train"), context.side("valid")
    few = evenly_spaced(train, _part(len(train), config.tune.epochs))
    sample = evenly_spaced(valid, _HEARD)
    with context.run.staging() as staging:
        tokenized = tokenize_rows(context, convert_or_find(source, model, context), staging, few, sample)
    message = f"tuning {model_name(model)} on a first part of the rows, as a trial"
    context.on_progress(Progress(stage="climb", message=message))
    begun = tuning.begin(
        tuning.DecoderTrainingData(
            folder=source,
            train=tokenized.train,
            valid=tokenized.valid,
            judge=lambda _: 0.0,
            precision=config.precision,
            rate=config.learning_rate,
            device=config.device,
        ),
        config.tune,
        time.monotonic,
        lambda seconds: alone or _hours(PilotRun(seconds=seconds, rows=0, nats={}), context) > LONGEST_HOURS,
    )
    nats = {sample[index].id: value for index, value in zip(tokenized.heard, begun.nats, strict=False)}
    return PilotRun(seconds=begun.seconds, rows=len(tokenized.train), nats=nats)


def weight_bytes(source: Path) -> int:
    """Return the size in bytes of a folder's weights, or of a GGUF file's as they are unpacked for tuning."""
    packed = packed_file(source)
    if packed is not None:
        return unpacked_bytes(packed)
    return sum(path.stat().st_size for path in source.glob("*.safetensors")) if source.is_dir() else 0


def _part(rows: int, passes: int) -> int:
    return max(1, min(_ROWS, rows, rows * passes // _SHARE))


def _most_hours(model: str, context: RunContext) -> float:
    """Return the hours that tuning takes at most, on the slowest processor: a token is no shorter than a byte."""
    config, train = context.config, context.side("train")
    shared = _PROMPT_BYTES + sum(_bytes(text) for text in (config.instructions, *_named_labels(context)))
    tokens = sum(shared + _bytes(row.input) + _bytes(row.target) for row in train)
    parameters = weight_bytes(find_model(model)) / 2
    return _PER_TOKEN * parameters * tokens * config.tune.epochs / _SLOWEST / 3600


def _named_labels(context: RunContext) -> Sequence[str]:
    """Return the labels that a prompt lists."""
    return context.labels() if context.config.task == "classify" else ()


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _hours(first: PilotRun, context: RunContext) -> float:
    return first.seconds * len(context.side("train")) * context.config.tune.epochs / 3600


def _rejection_text(mine: PilotRun, other: str, gap: Estimate) -> str:
    spread = f"{gap.low:.2g} to {gap.high:.2g}, n = {gap.n}"
    return (
        f"after the same first {mine.rows:,} rows it needs {gap.value:.2g} nats more ({spread}) for a validation "
        f"answer than {other}, which is no larger (--all tunes it)"
    )
