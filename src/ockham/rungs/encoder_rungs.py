"""The rungs of sentence encoders: a head on frozen vectors, and the encoder tuned below it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.evals import parity
from ockham.models import encoder, sentence_encoder
from ockham.records import Example, Parity, Progress, Side
from ockham.rungs import label_rows
from ockham.rungs.decoder_4bit import ADAPTER
from ockham.rungs.decoder_weights import hub_reference
from ockham.rungs.rung import (
    BuildConfig,
    BuildInfo,
    BuiltRung,
    RunCheckpoint,
    RunContext,
    Rung,
    build_rung,
    cache_key,
    missing_packages,
    note_early_stop,
)
from ockham.store.memo import find_or_make_folder
from ockham.tuning.tune_spec import guardrails

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.models.onnx_encoder import Embedder
    from ockham.tuning import encoder_tuning as tuning
    from ockham.tuning.adapter_files import Adapter

ENCODERS = ("onnx", "onnxruntime", "tokenizers")
"""What an encoder is served with."""
TUNERS = (*ENCODERS, "torch", "transformers", "peft")
ENCODER_READY = "its packages and the encoder's weights are installed (SHA-256 verified)"
"""What one is tuned with."""
VECTORS = "vectors.safetensors"
SEEN: tuple[Side, ...] = ("train", "valid")


def _encoder(context: RunContext, folder: Path) -> BuildInfo:
    import numpy as np

    from ockham.tuning import linear_head

    sentence = sentence_encoder.find(context.config.encoder)
    embedder = _write_encoder(context, sentence, sentence.weights(), folder)
    vectors = embed_sides(context, sentence, lambda: embedder)
    train, valid = ([example.target for example in context.short_side(side)] for side in SEEN)
    context.on_progress(Progress(stage="climb", message="fitting a linear layer on the encoder's vectors"))
    fitted = linear_head.fit(vectors["train"], train, vectors["valid"], valid, context.metric)
    cross_validate = partial(_cross_margins, vectors, context, embedder.embed, fitted.strength)
    extra = label_rows.choose_label_rows(context, cross_validate)
    if extra:
        more = np.concatenate([vectors["train"], embedder.embed([row.input for row in extra])])
        targets = [*train, *(row.target for row in extra)]
        fitted = linear_head.fit(more, targets, vectors["valid"], valid, context.metric)
    fitted.head.save(folder)
    warnings = cut_texts(embedder, context)
    temperature = fitted.head.settings.temperature
    numbers = {"C": fitted.strength, "temperature": temperature}
    names = {label_rows.SETTING: len(extra)} if extra else {}
    prompt = {"prompt": sentence.prefix} if sentence.prefix else {}
    return BuildInfo(
        settings={"encoder": sentence.name, **prompt, **numbers, **names},
        answers=fitted.answers,
        confidences=fitted.confidences,
        warnings=warnings,
    )


def check_encoders(rungs: Iterable[Rung], names: Iterable[str]) -> None:
    """Find out, before any work, whether the encoders that were named can be run.

    Raises `ModelError` where one is not here and cannot be fetched (``E_MODEL_MISSING``), or is of a build that this
    version does not run (``E_MODEL_FORMAT``).
    """
    if any(rung.needs_encoder for rung in rungs):
        for name in names:
            sentence_encoder.find(name)


def frozen_vectors(context: RunContext, built: BuiltRung) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of the training and validation rows by the frozen encoder of a rung: (rows, hidden) each."""
    sentence = sentence_encoder.find(context.config.encoder)
    return embed_sides(context, sentence, lambda: encoder.load(built.folder).embedder)


Embed = Callable[[Sequence[str]], "NDArray[np.float32]"]


def _cross_margins(
    vectors: Mapping[str, NDArray[np.float32]],
    context: RunContext,
    embed: Embed,
    strength: float,
    extra: Sequence[Example],
    folds: Sequence[int],
) -> NDArray[np.float64]:
    import numpy as np

    from ockham.tuning import linear_head

    more = [embed([row.input for row in extra])] if extra else []
    every = np.concatenate([*(vectors[side] for side in SEEN), *more])
    targets = [row.target for row in (*context.side("train"), *context.side("valid"), *extra)]
    every_fold = [*folds, *[label_rows.LEARNT_BY_ALL] * len(extra)]
    return linear_head.cross_margins(every, targets, every_fold, context.labels(), strength)[: len(folds)]


def _cross_validate(context: RunContext, built: BuiltRung, folds: Sequence[int]) -> NDArray[np.float64]:
    extra = label_rows.used_label_rows(context, built.built)
    vectors = frozen_vectors(context, built)
    return _cross_margins(vectors, context, partial(embed_again, built), built.built.strength, extra, folds)


def embed_again(built: BuiltRung, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed texts with the encoder of a rung's bundle: (texts, hidden)."""
    return encoder.load(built.folder).embedder.embed(texts)


def _encoder_tuned(context: RunContext, folder: Path) -> BuildInfo:
    from ockham.tuning import encoder_tuning as tuning
    from ockham.tuning import linear_head
    from ockham.tuning.lora_encoder import PRECISION

    spec = context.config.tune
    sentence = sentence_encoder.find(context.config.encoder)
    frozen = build_rung(context, ENCODER)
    embedder = encoder.load(frozen.folder).embedder
    vectors = embed_sides(context, sentence, lambda: embedder)
    train, valid = _tokens(embedder, context.short_side("train")), _tokens(embedder, context.short_side("valid"))
    # The frozen rung's own head has seen the validation rows, which stop the tuning: this one has not.
    head = linear_head.solve(vectors["train"], train.targets, frozen.built.strength)
    head = linear_head.calibrate_head(head, vectors["valid"], valid.targets)
    rows = tuning.EncoderTrainingData(sentence=sentence, head=head, train=train, valid=valid)

    def on_progress(done: int, total: int) -> None:
        context.on_progress(Progress(stage="climb", message="tuning the encoder", done=done, total=total))

    checkpoint = RunCheckpoint(context.run, f"tuning-{cache_key(context, ENCODER_TUNED)[:16]}")
    tuned = tuning.tune(rows, spec, context.metric, checkpoint, on_progress)
    note_early_stop(context, tuned.points, spec)
    served = _write_encoder(context, sentence, tuned.weights, folder)
    save_adapter(tuned.adapter, sentence, context.config.encoder, folder)
    tuned_vectors: dict[str, NDArray[np.float32]] = {
        side: served.embed([row.input for row in context.short_side(side)]) for side in SEEN
    }
    stayed = parity_of(context, tuned.answers, tuned.head.best(tuned_vectors["valid"]))
    targets = train.targets, valid.targets
    head, answers, sure = linear_head.best(tuned.head, tuned_vectors, targets, context.metric)
    head.save(folder)
    best = next(point.epoch for point in tuned.points if point.is_best)
    rates = {"rank": spec.rank, "learning_rate": spec.learning_rate, "precision": PRECISION}
    return BuildInfo(
        settings={"encoder": sentence.name, "epochs": best, **rates},
        answers=answers,
        confidences=sure,
        points=tuned.points,
        parity=stayed,
        warnings=(*guardrails(spec, len(train.targets)), *cut_texts(embedder, context)),
    )


def no_weights_reason(config: BuildConfig) -> str | None:
    """Say that the built-in encoder is wanted and its weights are not here, or nothing."""
    if config.encoder is not None or sentence_encoder.packaged_folder() is not None:
        return None
    if missing_packages(ENCODERS, None) is not None:  # they come first
        return None
    return f"{sentence_encoder.ABSENT} ({sentence_encoder.PULL_COMMAND})"


def untunable_reason(context: RunContext) -> str | None:
    """Say that an encoder is a table of vectors, or of a build that is not tuned here, or nothing."""
    sentence = sentence_encoder.find(context.config.encoder)
    if sentence.is_static:
        return f"{sentence.name} has static embeddings: no layers to tune"
    return (
        f"{sentence.name} has a {sentence.family} body, which this version does not tune" if sentence.rotary else None
    )


def cut_texts(embedder: Embedder, context: RunContext) -> tuple[str, ...]:
    """Say how many training and validation texts the encoder reads in windows, and how many it does not read whole."""
    reach = embedder.settings.max_tokens
    texts = [example.input for side in SEEN for example in context.side(side)]
    # No token is less than a byte: of a shorter text there is nothing to count.
    windowed = embedder.windows([text for text in texts if len(text.encode("utf-8", "replace")) >= reach])
    long = sum(count > 1 for count in windowed.counts)
    if not long:
        return ()
    said = f"{long:,} of {len(texts):,} training and validation texts are longer than the {reach:,} tokens that"
    said += f" {context.config.encoder or 'the encoder'} takes at once: they are read in windows"
    cut = sum(share > 0 for share in windowed.unread)
    if cut:
        said += f"; {cut:,} of them are longer than {embedder.settings.windows} windows, and parts are not read"
    return (said,)


def parity_of(context: RunContext, before: Sequence[str], after: Sequence[str]) -> tuple[Parity, ...]:
    """Compare a tuned encoder's answers before merging with those of the 8-bit graph that serves.

    Raises `ModelError` (``E_PARITY``) where they have become worse.
    """
    if not before:
        return ()
    was, now = (context.score_answers("valid", answers) for answers in (before, after))
    compared = parity.compare("merging and quantizing to 8 bits", was, now, context.config.metric)
    cause = "the 8-bit graph gives other answers than the tuned model"
    fix = "the smaller rungs are not affected; tune on more rows, whose texts set the 8-bit ranges"
    parity.check(compared, cause, fix)
    return (compared,)


def embed_sides(
    context: RunContext, sentence: sentence_encoder.SentenceEncoder, load: Callable[[], Embedder]
) -> dict[str, NDArray[np.float32]]:
    """Embed the training and validation rows with the frozen encoder, once a run: (rows, hidden) each.

    ``load`` gives the encoder as it will be served; it is not asked where the vectors were kept.
    """
    from safetensors.numpy import load_file, save_file

    key = context.cache_key("vectors", "windows", *sentence.build)

    def write(folder: Path) -> None:
        vectors: dict[str, NDArray[np.float32]] = {}
        embedder = load()
        for side in SEEN:
            texts = [example.input for example in context.short_side(side)]
            message = f"reading {len(texts):,} {side} rows with {sentence.name}"
            context.on_progress(Progress(stage="climb", message=message))
            vectors[side] = embedder.embed(texts, partial(_report_rows, context, message))
        save_file(vectors, folder / VECTORS)

    return dict(load_file(find_or_make_folder(context.run, "vectors", key, write) / VECTORS))


def _report_rows(context: RunContext, message: str, done: int, total: int) -> None:
    context.on_progress(Progress(stage="climb", message=message, done=done, total=total))


def _write_encoder(
    context: RunContext,
    sentence: sentence_encoder.SentenceEncoder,
    weights: dict[str, NDArray[np.float32]],
    folder: Path,
) -> Embedder:
    from ockham.convert import onnx_export

    context.on_progress(Progress(stage="climb", message=f"writing {sentence.name} as an 8-bit graph"))
    texts = [example.input for example in context.short_side("train")]
    return onnx_export.write(sentence, weights, texts, folder)


def save_adapter(
    adapter: Adapter, sentence: sentence_encoder.SentenceEncoder, encoder_name: str | None, folder: Path
) -> None:
    """Keep the adapter in the bundle too, beside the weights that it was merged into: it can be exported."""
    from ockham.convert.sentence_folder import write_layout

    base = hub_reference(sentence_encoder.PACKAGED if encoder_name is None else encoder_name)
    adapter.with_base(*base).save(folder / ADAPTER)
    write_layout(sentence, folder / ADAPTER)


def _tokens(embedder: Embedder, examples: Sequence[Example]) -> tuning.EncoderRows:
    from ockham.tuning import encoder_tuning as tuning

    texts = embedder.windows([example.input for example in examples])
    counts = texts.counts if len(texts.rows) > len(texts.counts) else None
    return tuning.EncoderRows(tokens=texts.rows, targets=[example.target for example in examples], counts=counts)


def tuning_inputs(config: BuildConfig) -> object:
    """Return the part of the config that decides what comes of tuning an encoder."""
    return [config.encoder, config.metric, config.tune]


ENCODER = Rung(
    name="encoder",
    number=3,
    kind="encoder",
    summary="a frozen sentence encoder with a linear layer on top",
    packages=ENCODERS,
    extra="encoder",
    needs_encoder=True,
    unavailable_reason=no_weights_reason,
    ready_note=ENCODER_READY,
    build=_encoder,
    cache_inputs=lambda config: [config.encoder, config.metric],
    reads_short=True,
    cross_validate=_cross_validate,
)
ENCODER_TUNED = Rung(
    name="encoder-tuned",
    number=4,
    kind="encoder",
    summary="the sentence encoder, fine-tuned on the training rows",
    packages=TUNERS,
    extra="tune",
    needs_encoder=True,
    unavailable_reason=no_weights_reason,
    ready_note=ENCODER_READY,
    build=_encoder_tuned,
    cache_inputs=tuning_inputs,
    reads_short=True,
    skip_reason=untunable_reason,
)
