"""The decoder rungs: causal language models, one rung for each model that was named."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from functools import partial
from typing import get_args

from ockham import machine
from ockham.convert import gguf_repack, gguf_unpack
from ockham.convert.checkpoint_folder import check_model
from ockham.convert.gguf_export import CONVERTER_PACKAGES
from ockham.errors import ConfigError
from ockham.records import TaskName
from ockham.rungs import decoder_4bit, decoder_prompted, decoder_tuned, early_rejection
from ockham.rungs.cached_models import CachedModels, find_cached_models
from ockham.rungs.decoder_weights import check, find_model, gguf_of, is_gguf, local, model_name, packed_file, signature
from ockham.rungs.encoder_rungs import ENCODER
from ockham.rungs.prompting_time import too_slow
from ockham.rungs.rung import BuildConfig, RunContext, Rung, missing_packages
from ockham.rungs.tuning_precision import settle_precision, tuned_in

__all__ = [
    "DECODER",
    "DECODER_TUNED",
    "PROMPTED",
    "TUNED",
    "CachedModels",
    "check",
    "find_cached_models",
    "kind_of",
    "rungs",
    "settle_precision",
    "tuned_in",
    "tunes",
]

PROMPTED, TUNED = "decoder", "decoder-tuned"
_SAVED_EVERY = 32
"""Answers of a language model that are written down together."""
_PLACES = "FOLDER, GGUF file or hub id"


def rungs(models: Sequence[str], shelf: CachedModels | None = None) -> list[Rung]:
    """Return two rungs for each model, prompted and tuned, and for each of them its 4-bit form.

    A model is a folder, a GGUF file or a hub id.

    Where none is named, the models of the catalogue that stand on this machine's ``shelf`` are prompted, and one more
    rung says why the others are left out. Raises `ConfigError` (``E_CONFIG``) where two models have the same last name.
    """
    if not models:
        why = f"no model was given (--models {_PLACES})"
        if shelf is not None:
            why = "; ".join([*([] if shelf.here else [why]), *([shelf.rest] if shelf.rest else [])])
        left_out = [dataclasses.replace(DECODER, unavailable_reason=lambda _config: why)] if why else []
        # What nobody named is prompted in one form and not tuned: more would take hours that nobody asked for.
        return [*_rungs(shelf.here if shelf is not None else (), whole=False), *left_out]
    return _rungs(models, whole=True)


def _rungs(models: Sequence[str], *, whole: bool) -> list[Rung]:
    names = [model_name(model) for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"two models are called {twice!a}"
        raise ConfigError("E_CONFIG", message, fix="rename one of the folders or files")
    named = list(zip(names, models, strict=True))
    prompted = [_prompted_rung(name, model) for name, model in named]
    if not whole:
        return [
            dataclasses.replace(rung, skip_reason=partial(too_slow, model))
            for rung, model in zip(prompted, models, strict=True)
        ]
    prompted = [dataclasses.replace(rung, named=True) for rung in prompted]
    forms = [form for rung, model in zip(prompted, models, strict=True) for form in _prompted_forms(rung, model)]
    for name, model in named:
        rung = _tuned_rung(name, model, [other for other in models if other != model])
        forms += [_in_4_bits(rung, model, decoder_4bit.of_tuned), rung]
    return forms


def _prompted_forms(rung: Rung, model: str) -> list[Rung]:
    """Return a model's rung, and before it that of its 4-bit form; most GGUF files are served as they are."""
    path = local(model)
    if path.suffix == ".gguf" or is_gguf(path):  # one that is not there yet is known by its name
        file = gguf_of(path)
        if file is None or not gguf_repack.is_slow(file):
            return [rung]
    return [_in_4_bits(rung, model, decoder_4bit.of_folder), rung]


def _in_4_bits(rung: Rung, model: str, weights: decoder_4bit.Weights) -> Rung:
    return dataclasses.replace(decoder_4bit.rung(rung, model, weights), named=False)


def tunes(rungs: Sequence[Rung]) -> bool:
    """Say whether a language model may be tuned: one is named, and what tuning needs is installed."""
    is_named = any(rung.name.startswith(f"{TUNED}:") for rung in rungs)
    return is_named and missing_packages(DECODER_TUNED.packages, DECODER_TUNED.extra) is None


def kind_of(model: str) -> str:
    """Say which rung a model belongs to: ``decoder`` for one that writes, ``encoder`` for one that does not.

    Raises `ModelError` (``E_MODEL_MISSING``, ``E_MODEL_FORMAT``) for what is no model.
    """
    source = find_model(model)
    if is_gguf(source):
        return PROMPTED
    if not (source / "config.json").is_file():  # sentence encoders may keep theirs in a folder inside
        return ENCODER.name
    named = check_model(source).architecture
    return PROMPTED if named.endswith(("ForCausalLM", "ForConditionalGeneration")) else ENCODER.name


def _prompted_rung(name: str, model: str) -> Rung:
    return dataclasses.replace(
        DECODER,
        name=f"{PROMPTED}:{name}",
        build=partial(decoder_prompted.build, model),
        cache_inputs=lambda config: [config.metric, model, signature(local(model))],
        unavailable_reason=partial(_inconvertible, model),
    )


def _inconvertible(model: str, config: BuildConfig) -> str | None:  # noqa: ARG001 - every rung takes the config
    """Say why a model cannot be brought into the engine's format here, or nothing; a GGUF file needs no conversion."""
    path = local(model)
    if not path.exists() or is_gguf(path) or (absent := missing_packages(CONVERTER_PACKAGES, "convert")) is None:
        return None
    return f"{model_name(model)} is a folder and must be converted: {absent}"


def _tuned_rung(name: str, model: str, others: Sequence[str]) -> Rung:
    """Return the rung of a model that is tuned, unless it promises less than the others that are tuned here."""

    def cache_inputs(config: BuildConfig) -> object:
        tuning = [config.tune, config.learning_rate, config.precision]
        return [config.metric, model, signature(local(model)), *tuning, config.keep_adapter]

    return dataclasses.replace(
        DECODER_TUNED,
        name=f"{TUNED}:{name}",
        build=partial(decoder_tuned.build, model),
        cache_inputs=cache_inputs,
        unavailable_reason=partial(_untunable, model),
        skip_reason=partial(_unpromising, model, others),
    )


def _unpromising(model: str, others: Sequence[str], context: RunContext) -> str | None:
    """Say why a model cannot be tuned on this disk, or is not worth it beside the others tuned here, or nothing."""
    stored, free = early_rejection.weight_bytes(local(model)) / 1e9, shutil.disk_usage(context.run.path).free / 1e9
    lacking = decoder_tuned.lacks_disk(stored, free)
    return lacking or early_rejection.reject_early(
        model, [other for other in others if _untunable(other, context.config) is None], context
    )


def _untunable(model: str, config: BuildConfig) -> str | None:  # noqa: ARG001 - every rung takes the config
    """Say why a model cannot be tuned here, or nothing."""
    path = local(model)
    if (absent := missing_packages(DECODER_TUNED.packages, DECODER_TUNED.extra)) is not None or not path.exists():
        return absent
    packed = packed_file(path)
    if packed is not None and (reason := gguf_unpack.can_unpack(packed)) is not None:
        return reason
    return decoder_tuned.too_large(early_rejection.weight_bytes(path) / 1e9, machine.available_memory_gb())


DECODER = Rung(
    name=PROMPTED,
    number=5,
    kind="gguf",
    summary="a quantized language model, prompted",
    build=partial(decoder_prompted.build, ""),
    cache_inputs=lambda config: config.metric,
    packages=("xllamacpp",),
    extra="gguf",
    ready_note="llama.cpp is installed; `ockham models` lists models",
    tasks=get_args(TaskName),
    saved_every=_SAVED_EVERY,
)
"""What is true of each language model that is prompted; the model itself is named later."""
DECODER_TUNED = dataclasses.replace(
    DECODER,
    name=TUNED,
    number=6,
    summary="a quantized language model, tuned and prompted",
    build=partial(decoder_tuned.build, ""),
    packages=("xllamacpp", *CONVERTER_PACKAGES, "peft", "llguidance"),
    extra="convert,tune",
    ready_note="its packages are installed; `ockham models` lists models",
)
