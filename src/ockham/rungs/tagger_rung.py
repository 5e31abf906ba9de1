"""The rung that extracts with an encoder: a tagger, where targets are made of parts of their texts.

All layers are tuned where the training texts are short together, which gains far more than an adapter; else LoRA in the
upper ones, whose lower layers are computed once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ockham.models import linear_tagger, onnx_encoder, sentence_encoder, softmax, tagger
from ockham.models.bio_tags import Span
from ockham.models.extraction import field_calibration, tagger_learning
from ockham.models.extraction.field_writer import FieldRule, FieldWriter
from ockham.models.extraction.value_places import TextRow
from ockham.models.linear_tagger import LinearTagger
from ockham.models.sentence_encoder import SentenceEncoder
from ockham.models.tagger import TaggerSettings
from ockham.models.token_windows import reader
from ockham.records import Progress
from ockham.rungs.encoder_rungs import (
    ENCODER_READY,
    TUNERS,
    no_weights_reason,
    parity_of,
    save_adapter,
    tuning_inputs,
    untunable_reason,
)
from ockham.rungs.linear_tagger_rung import LINEAR_TAGGER, field_confidences, place_train_side, too_few_reached
from ockham.rungs.rung import (
    BuildConfig,
    BuildInfo,
    RunCheckpoint,
    RunContext,
    Rung,
    build_rung,
    cache_key,
    note_early_stop,
)
from ockham.tuning import span_alignment
from ockham.tuning.span_alignment import AlignedRow
from ockham.tuning.tune_spec import TuneSpec, guardrails, memorising

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.tuning import tagger_tuning as tuning

Margins: TypeAlias = "Sequence[NDArray[np.float32]]"
"""One number per tag for each token of each text: (tokens, tags) each."""
_SHORT_TOKENS = 60_000
"""Tokens of the training texts up to which all layers are tuned: with two cores that takes minutes."""
_LARGE = 110e6
"""Weights of the layers from which on they are not all tuned: AdamW keeps three more numbers of each."""
_RATE, _WARM_UP = 3e-4, 0.1
_BATCHES, _SMALLEST, _LARGEST = 11, 4, 16
"""A pass has so many batches, of 4 to 16 texts: a head that begins from nothing needs some 150 steps."""
_MOST_PASSES, _READ_TOKENS = 15, 400_000
"""All layers are tuned for so many passes, or as few as read so many tokens, but at least 3."""
_TOKENS = 20_000
"""Tokens of the validation rows that the temperature is fitted on."""


def _build(context: RunContext, folder: Path) -> BuildInfo:
    from ockham.convert import onnx_export
    from ockham.tuning import tagger_tuning as tuning
    from ockham.tuning.lora_encoder import PRECISION

    sentence = sentence_encoder.find(context.config.encoder)
    train, valid = context.side("train"), context.side("valid")
    linear = linear_tagger.load(build_rung(context, LINEAR_TAGGER).folder)
    settings = _tagger_settings(context, linear)
    writer, reads = tagger.writer(settings), reader(sentence, settings.closed)
    aligned = _align_train(context, linear)
    rows, checked = (
        tuning.rows_of(side, reads.read([row.input for row in side]), alignment)
        for side, alignment in ((train, aligned), (valid, span_alignment.align(valid, writer.fields)))
    )

    def tell(message: str, done: int | None = None, total: int | None = None) -> None:
        context.on_progress(Progress(stage="climb", message=message, done=done, total=total))

    spec = choose_spec(context.config, sentence, [reading.tokens for reading in rows.readings])
    checkpoint = RunCheckpoint(context.run, f"tuning-{cache_key(context, ENCODER_TAGGER)[:16]}")
    start = tuning.TaggerTrainingData(sentence=sentence, train=rows, valid=checked, writer=writer)
    on_steps, on_windows = partial(tell, "tuning the tagger"), partial(tell, "reading the texts with the encoder")
    tuned = tuning.tune(start, spec, context.metric, checkpoint, on_steps, on_windows)
    note_early_stop(context, tuned.points, spec)
    tell("writing the tuned encoder in 8 bits")
    onnx_export.write(sentence, tuned.weights, rows.texts, folder, output=onnx_encoder.STATES)
    if tuned.adapter is not None:
        save_adapter(tuned.adapter, sentence, context.config.encoder, folder)
    tagger.save(settings, tuned.weight, tuned.bias, folder)
    tell("answering the validation rows with what is served")
    margins = tagger.load(folder).margins(checked.readings)  # as they are served
    temperature = _temperature(margins, checked)
    margins = [part / temperature for part in margins]
    rules = _calibrate(writer, margins, checked)
    settings = dataclasses.replace(settings, temperature=temperature, rules=rules)
    tagger.save(settings, tuned.weight, tuned.bias, folder)
    writer = tagger.writer(settings)
    served_answers = [
        tagger.answer_text(writer, text, reading, part)
        for text, reading, part in zip(checked.texts, checked.readings, margins, strict=True)
    ]
    answers = tuple(str(answer.value) for answer in served_answers)
    value_count = place_train_side(context).values
    return BuildInfo(
        settings={
            "encoder": sentence.name,
            "epochs": next(point.epoch for point in tuned.points if point.is_best),
            **({"layers": sentence.layers} if spec.all_weights else {"rank": spec.rank}),
            "learning_rate": spec.learning_rate,
            "precision": PRECISION,
            "temperature": settings.temperature,
            "fields": len(settings.paths),
            "reachable": rows.reached / value_count,
        },
        answers=answers,
        confidences=tuple(answer.confidence for answer in served_answers),
        field_confidences=field_confidences(served_answers),
        points=tuned.points,
        parity=parity_of(context, tuned.answers, answers),
        warnings=(
            *guardrails(context.config.tune, len(train)),
            *_unreachable_warning(value_count - rows.reached, value_count),
            *memorising(tuned.points),
        ),
    )


def choose_spec(config: BuildConfig, sentence: SentenceEncoder, lengths: Sequence[int]) -> TuneSpec:
    """Return how to tune on texts of so many tokens each: all layers, or an adapter where one is asked for or cheaper.

    What the user asks for stands.
    """
    total = sum(lengths)
    if config.rank is not None or total > _SHORT_TOKENS or 12 * sentence.layers * sentence.hidden**2 > _LARGE:
        return config.tune
    passes = config.epochs or min(_MOST_PASSES, max(3, _READ_TOKENS // max(1, total)))
    return dataclasses.replace(
        config.tune,
        all_weights=True,
        depth=1.0,
        learning_rate=config.learning_rate or _RATE,
        batch=config.batch or min(_LARGEST, max(_SMALLEST, len(lengths) // _BATCHES)),
        epochs=passes,
        patience=passes,  # a pass at a high rate says little of those at a low one that follow
        warmup=_WARM_UP,
    )


def _tuning_inputs(config: BuildConfig) -> object:
    return [tuning_inputs(config), config.learning_rate, config.rank, config.epochs, config.batch]


def _align_train(context: RunContext, linear: LinearTagger) -> list[AlignedRow]:
    """Return where the values of the training rows stand: of several places the one that the linear tagger chooses."""
    chosen = tagger_learning.choose_places(linear, place_train_side(context))
    return [
        AlignedRow(
            spans=tuple(sorted(Span(*place.extent, place.field) for place in places)),
            value_count=len(places),
            left_open=tuple(extent for place in places for extent in place.others),
        )
        for places in chosen
    ]


def _tagger_settings(context: RunContext, linear: LinearTagger) -> TaggerSettings:
    """Return the schema of the training targets, and those of its fields that the tags are for."""
    placed = place_train_side(context)
    return TaggerSettings(
        schema=placed.schema,
        paths=tuple(entry.path for entry in placed.fields),
        temperature=1.0,
        closed=linear.writer.settings.closed,
        rules=placed.rules(),
    )


def _calibrate(writer: FieldWriter, margins: Margins, rows: tuning.TaggerRows) -> tuple[FieldRule, ...]:
    """Let the validation rows choose from which share on a value of each field is given, and how sure it is."""
    shares = {
        text: tagger.token_shares(reading, part)
        for text, reading, part in zip(rows.texts, rows.readings, margins, strict=True)
    }
    pairs = [TextRow(text=text, target=target) for text, target in zip(rows.texts, rows.targets, strict=True)]
    return field_calibration.calibrate(writer, lambda text: shares[text], pairs)


def _temperature(row_margins: Margins, rows: tuning.TaggerRows) -> float:
    """Fit the temperature on the tags of the validation rows."""
    import numpy as np

    if not rows.texts:
        return 1.0
    margins = np.concatenate(row_margins)
    marked = [str(tag) for row in rows.tags for tag in row]
    step = max(1, len(marked) // _TOKENS)
    labels = [str(tag) for tag in range(margins.shape[1])]
    return softmax.temperature(margins[::step], marked[::step], labels)


def _unreachable_warning(count: int, total: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (
        f"{count:,} of {total:,} values of the training targets are not in their texts: it cannot extract such values",
    )


def _skip_reason(context: RunContext) -> str | None:
    return untunable_reason(context) or too_few_reached(place_train_side(context))


ENCODER_TAGGER = Rung(
    name="encoder-tagger",
    number=4,
    kind="tagger",
    summary="the sentence encoder, fine-tuned to mark values in the text",
    packages=TUNERS,
    extra="tune",
    needs_encoder=True,
    unavailable_reason=no_weights_reason,
    ready_note=ENCODER_READY,
    build=_build,
    cache_inputs=_tuning_inputs,
    tasks=("extract",),
    task_note="extracts fields only",
    skip_reason=_skip_reason,
)
