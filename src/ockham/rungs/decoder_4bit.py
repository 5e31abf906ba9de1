"""The 4-bit form of a decoder, a candidate below its 8-bit form: the same prompt in less memory.

It is offered only where the same validation rows are answered as well, within chance: a form that costs quality is left
out with the figure, before a test row is spent on it.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ockham.convert.gguf_quantize import fit_quantization, quantize
from ockham.convert.gguf_repack import is_slow, weight_type
from ockham.errors import ModelError, OckhamError, PlugError, StoreError
from ockham.evals import parity
from ockham.models import causal_lm
from ockham.models.causal_lm import Base
from ockham.plain_numbers import percent
from ockham.records import Parity, Progress, digest
from ockham.rungs import decoder_prompted
from ockham.rungs.decoder_weights import (
    WEIGHTS,
    convert_or_find_16_bits,
    find_model,
    gguf_of,
    is_gguf,
    repack_or_find,
    signature,
)
from ockham.rungs.rung import BuildInfo, BuiltRung, RunContext, Rung, build_rung
from ockham.rungs.tuning_folder import tuning_folder
from ockham.store.memo import find_or_make, find_or_make_folder

ADAPTER = "adapter"
"""The folder of a tuned model's bundle with the adapter in PEFT's format."""
SMALLER = 0.9
"""The 4-bit form must have less than this share of the 8-bit form's bytes."""

Weights = Callable[[str, RunContext], Base | None]
"""(model, context) → its weights in 4 bits, and the adapter on them, or nothing where they cannot be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offer:
    """The 4-bit form's answers to the validation rows, how they compare, and why it is not offered, if it is not."""

    answers: tuple[str, ...]
    parity: tuple[Parity, ...]
    why: str | None


def rung(eight: Rung, model: str, weights: Weights) -> Rung:
    """Return the rung of a model's 4-bit form beside that of its 8-bit form."""

    def skip_reason(context: RunContext) -> str | None:
        why = eight.skip_reason(context)
        if why is not None:
            return why
        try:
            built_rung = build_rung(context, eight)
        except (StoreError, PlugError):  # no fault of the rung: they end the climb
            raise
        except OckhamError as error:
            return f"its 8-bit form failed ({error.code})"
        return _offer(eight, built_rung, model, weights, context).why

    def build(context: RunContext, folder: Path) -> BuildInfo:
        built_rung = build_rung(context, eight)
        offer, base = _offer(eight, built_rung, model, weights, context), weights(model, context)
        if base is None or offer.why is not None:  # `unsuited` has said so before
            raise ModelError("E_PARITY", offer.why or "the 4-bit weights are missing", fix="the 8-bit rung stays")
        spec = causal_lm.parts(built_rung.folder).spec
        causal_lm.fit(
            [*context.side("train"), *context.side("valid")],
            folder,
            base,
            spec,
            task=context.config.task,
            instructions=context.config.instructions,
        )
        if (built_rung.folder / ADAPTER).is_dir():
            shutil.copytree(built_rung.folder / ADAPTER, folder / ADAPTER)
        settings = {**built_rung.built.settings, "weights": weight_type(base.weights)}
        return BuildInfo(settings=settings, answers=offer.answers, parity=offer.parity)

    return dataclasses.replace(eight, name=f"{eight.name}:4bit", build=build, skip_reason=skip_reason)


def of_folder(model: str, context: RunContext) -> Base | None:
    """Return the 4-bit weights of a model's folder, made once a run; nothing for a GGUF file served as it is."""
    source = find_model(model)
    if is_gguf(source):
        path = gguf_of(source)
        if path is None or not is_slow(path):
            return None
        return Base(weights=repack_or_find(path, context, "q4_0"))
    key = digest(["four", model, signature(source)])

    def write(folder: Path) -> None:
        whole = convert_or_find_16_bits(source, context).path
        context.on_progress(Progress(stage="climb", message=f"quantizing {source.name} to 4 bits"))
        _quantize(whole, folder)

    return Base(weights=find_or_make_folder(context.run, "weights", key, write) / WEIGHTS)


def keep(folder: Path, context: RunContext, whole: Base) -> None:
    """Keep the 4-bit weights of a model tuned from a folder, made of its weights in 16 bits, with their adapter if any.

    Raises `ModelError` where they cannot be quantized.
    """

    def write(staging: Path) -> None:
        _quantize(whole.weights, staging)
        if whole.adapter is not None:
            shutil.copyfile(whole.adapter, staging / causal_lm.ADAPTER)

    find_or_make_folder(context.run, "weights", _tuned_weights(folder, context), write)


def of_tuned(model: str, context: RunContext) -> Base | None:
    """Return the 4-bit weights that were kept when a model was tuned in this run."""
    folder = context.run.artifact("weights", _tuned_weights(tuning_folder(model, context), context))
    if folder is None:
        return None
    adapter = folder / causal_lm.ADAPTER
    return Base(weights=folder / WEIGHTS, adapter=adapter if adapter.exists() else None)


def _quantize(whole: Path, folder: Path) -> None:
    quantize(whole, folder / WEIGHTS, fit_quantization(whole))


def _tuned_weights(folder: Path, context: RunContext) -> str:
    config = context.config
    tuning = (config.tune, config.learning_rate, config.precision, config.metric, config.keep_adapter)
    return context.cache_key("four", folder.name, signature(folder), *tuning)


def _offer(eight: Rung, built_rung: BuiltRung, model: str, weights: Weights, context: RunContext) -> _Offer:
    """Answer the validation rows in 4 bits as the 8-bit form did, and compare, once a run."""
    if not built_rung.built.answers:
        return _Offer(answers=(), parity=(), why="there is no validation row to compare it on")
    base = weights(model, context)
    if base is None:
        return _Offer(answers=(), parity=(), why="there are no 16-bit weights to quantize to 4 bits")
    size = base.weights.stat().st_size
    key = context.cache_key("offer", eight.name, eight.cache_inputs(context.config), size)

    def compare() -> _Offer:
        share = size / causal_lm.parts(built_rung.folder).weights.stat().st_size
        if share >= SMALLER:
            return _Offer(answers=(), parity=(), why=f"its 4-bit form has {percent(share, 0)} of the 8-bit form's size")
        answers = _answers(eight, built_rung, base, context, key)
        before, after = (context.score_answers("valid", replies) for replies in (built_rung.built.answers, answers))
        compared = parity.compare("quantizing to 4 bits", before, after, context.config.metric)
        return _Offer(answers=answers, parity=(compared,), why=parity.significant_loss(compared, exact=False))

    return find_or_make(context.run, "offer", key, _Offer, compare)


def _answers(eight: Rung, built_rung: BuiltRung, base: Base, context: RunContext, key: str) -> tuple[str, ...]:
    """Answer the validation rows; the model knows the training rows alone, as the 8-bit form did."""
    spec = causal_lm.parts(built_rung.folder).spec
    with ExitStack() as until:
        staging = until.enter_context(context.run.staging())

        def open_decoder() -> causal_lm.Decoder:
            causal_lm.fit(
                context.side("train"),
                staging,
                dataclasses.replace(base, copy=False),
                spec,
                task=context.config.task,
                instructions=context.config.instructions,
            )
            model = causal_lm.load(staging)
            until.callback(model.close)
            return model

        return decoder_prompted.answer_validation(context, key, open_decoder, f"answering with {eight.name} in 4 bits")
