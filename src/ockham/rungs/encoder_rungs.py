"""The rungs of sentence encoders: a head on frozen vectors, and the encoder tuned below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.evals import parity
from ockham.models import encoder, sentence_encoder
from ockham.records import Example, Parity, Progress, Side
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
    note_early_stop,
    requires,
)
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
"""What one is tuned with."""
VECTORS = "vectors.safetensors"
SEEN: tuple[Side, ...] = ("train", "valid")


def _encoder(material: RunContext, folder: Path) -> BuildInfo:
    from ockham.tuning import linear_head

    sentence = sentence_encoder.find(material.plan.encoder)
    embedder = _write_encoder(material, sentence, sentence.weights(), folder)
    vectors = embed_sides(material, sentence, lambda: embedder)
    train, valid = ([example.target for example in material.short_side(side)] for side in SEEN)
    fitted = linear_head.fit(vectors["train"], train, vectors["valid"], valid, material.metric)
    fitted.head.save(folder)
    warnings = cut_texts(embedder, material)
    temperature = fitted.head.settings.temperature
    numbers = {"C": fitted.strength, "temperature": temperature}
    return BuildInfo(
        settings={"encoder": sentence.name, **numbers},
        answers=fitted.answers,
        confidences=fitted.confidences,
        warnings=warnings,
    )


def frozen_vectors(material: RunContext, built: BuiltRung) -> dict[str, NDArray[np.float32]]:
    """Return the vectors of the training and validation rows by the frozen encoder of a rung: (rows, hidden) each."""
    sentence = sentence_encoder.find(material.plan.encoder)
    return embed_sides(material, sentence, lambda: encoder.load(built.folder).embedder)


def _cross_validate(material: RunContext, built: BuiltRung, folds: Sequence[int]) -> NDArray[np.float64]:
    import numpy as np

    from ockham.tuning import linear_head

    vectors = frozen_vectors(material, built)
    targets = [row.target for side in SEEN for row in material.side(side)]
    every = np.concatenate([vectors[side] for side in SEEN])
    return linear_head.cross_margins(every, targets, folds, material.labels(), built.built.strength)


def _encoder_tuned(material: RunContext, folder: Path) -> BuildInfo:
    from ockham.tuning import encoder_tuning as tuning
    from ockham.tuning import linear_head
    from ockham.tuning.lora_encoder import PRECISION

    spec = material.plan.tune
    sentence = sentence_encoder.find(material.plan.encoder)
    frozen = build_rung(material, ENCODER)
    embedder = encoder.load(frozen.folder).embedder
    vectors = embed_sides(material, sentence, lambda: embedder)
    train, valid = _tokens(embedder, material.short_side("train")), _tokens(embedder, material.short_side("valid"))
    # The frozen rung's own head has seen the validation rows, which stop the tuning: this one has not.
    head = linear_head.solve(vectors["train"], train.targets, frozen.built.strength)
    head = linear_head.calibrate_head(head, vectors["valid"], valid.targets)
    rows = tuning.EncoderTrainingData(sentence=sentence, head=head, train=train, valid=valid)

    def on_progress(done: int, total: int) -> None:
        material.on_progress(Progress(stage="climb", message="tuning the encoder", done=done, total=total))

    checkpoint = RunCheckpoint(material.run, f"tuning-{cache_key(material, ENCODER_TUNED)[:16]}")
    tuned = tuning.tune(rows, spec, material.metric, checkpoint, on_progress)
    note_early_stop(material, tuned.points, spec)
    served = _write_encoder(material, sentence, tuned.weights, folder)
    save_adapter(tuned.adapter, sentence, material.plan.encoder, folder)
    tuned_vectors: dict[str, NDArray[np.float32]] = {
        side: served.embed([row.input for row in material.short_side(side)]) for side in SEEN
    }
    stayed = parity_of(material, tuned.answers, tuned.head.best(tuned_vectors["valid"]))
    targets = train.targets, valid.targets
    head, answers, sure = linear_head.best(tuned.head, tuned_vectors, targets, material.metric)
    head.save(folder)
    best = next(point.epoch for point in tuned.points if point.kept)
    rates = {"rank": spec.rank, "learning_rate": spec.learning_rate, "precision": PRECISION}
    return BuildInfo(
        settings={"encoder": sentence.name, "passes": best, **rates},
        answers=answers,
        confidences=sure,
        points=tuned.points,
        parity=stayed,
        warnings=(*guardrails(spec, len(train.targets)), *cut_texts(embedder, material)),
    )


def cut_texts(embedder: Embedder, material: RunContext) -> tuple[str, ...]:
    """Say how many training and validation texts the encoder reads in windows, and how many it does not read whole."""
    reach = embedder.settings.max_tokens
    texts = [example.input for side in SEEN for example in material.side(side)]
    # No token is less than a byte: of a shorter text there is nothing to count.
    windowed = embedder.windows([text for text in texts if len(text.encode("utf-8", "replace")) >= reach])
    long = sum(count > 1 for count in windowed.counts)
    if not long:
        return ()
    said = f"{long:,} of {len(texts):,} training and validation texts are longer than the {reach:,} tokens that"
    said += f" {material.plan.encoder or 'the encoder'} takes at once: they are read in windows"
    cut = sum(share > 0 for share in windowed.unread)
    if cut:
        said += f"; {cut:,} of them are longer than {embedder.settings.windows} windows, and parts are not read"
    return (said,)


def parity_of(material: RunContext, before: Sequence[str], after: Sequence[str]) -> tuple[Parity, ...]:
    """Compare a tuned encoder's answers before merging with those of the 8-bit graph that serves.

    Raises `ModelError` (``E_PARITY``) where they have become worse.
    """
    if not before:
        return ()
    was, now = (material.score_answers("valid", answers) for answers in (before, after))
    compared = parity.compare("merging and quantizing to 8 bits", was, now, material.plan.metric)
    cause = "the 8-bit graph gives other answers than the tuned model"
    fix = "the smaller rungs are not affected; tune on more rows, whose texts set the 8-bit ranges"
    parity.check(compared, cause, fix)
    return (compared,)


def embed_sides(
    material: RunContext, sentence: sentence_encoder.SentenceEncoder, load: Callable[[], Embedder]
) -> dict[str, NDArray[np.float32]]:
    """Embed the training and validation rows with the frozen encoder, once a run: (rows, hidden) each.

    ``load`` gives the encoder as it will be served; it is not asked where the vectors were kept.
    """
    from safetensors.numpy import load_file, save_file

    key = material.work("vectors", "windows", sentence.sha256)
    folder = material.run.artifact("vectors", key)
    if folder is not None:
        return dict(load_file(folder / VECTORS))
    vectors: dict[str, NDArray[np.float32]] = {}
    embedder = load()
    for side in SEEN:
        texts = [example.input for example in material.short_side(side)]
        message = f"reading {len(texts):,} {side} rows with {sentence.name}"
        material.on_progress(Progress(stage="climb", message=message))
        vectors[side] = embedder.embed(texts, partial(_report_rows, material, message))
    with material.run.staging() as staging:
        save_file(vectors, staging / VECTORS)
        material.run.commit_artifact("vectors", key, staging)
    return vectors


def _report_rows(material: RunContext, message: str, done: int, total: int) -> None:
    material.on_progress(Progress(stage="climb", message=message, done=done, total=total))


def _write_encoder(
    material: RunContext,
    sentence: sentence_encoder.SentenceEncoder,
    weights: dict[str, NDArray[np.float32]],
    folder: Path,
) -> Embedder:
    from ockham.convert import onnx_export

    texts = [example.input for example in material.short_side("train")]
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


def tuning_inputs(plan: BuildConfig) -> object:
    """Return the part of the plan that decides what comes of tuning an encoder."""
    return [plan.encoder, plan.metric, plan.tune]


ENCODER = Rung(
    name="encoder",
    number=3,
    kind="encoder",
    unavailable_reason=requires(*ENCODERS, extra="encoder"),
    build=_encoder,
    cache_inputs=lambda plan: [plan.encoder, plan.metric],
    reads_short=True,
    cross_validate=_cross_validate,
)
ENCODER_TUNED = Rung(
    name="encoder-tuned",
    number=4,
    kind="encoder",
    unavailable_reason=requires(*TUNERS, extra="tune"),
    build=_encoder_tuned,
    cache_inputs=tuning_inputs,
    reads_short=True,
)
