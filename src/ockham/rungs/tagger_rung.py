"""The rung that extracts with an encoder: a tagger tuned with LoRA, where targets are made of parts of their texts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.llm import json_schema
from ockham.models import json_fields, linear_tagger, onnx_encoder, sentence_encoder, softmax, tagger
from ockham.models.bio_tags import Span
from ockham.models.extraction import tagger_learning
from ockham.models.json_fields import Field
from ockham.models.tagger import TaggerSettings
from ockham.models.token_windows import reader
from ockham.records import Progress
from ockham.rungs.encoder_rungs import ENCODER_READY, TUNERS, parity_of, save_adapter, static_reason, tuning_inputs
from ockham.rungs.linear_tagger_rung import LINEAR_TAGGER, field_confidences, text_rows
from ockham.rungs.rung import BuildInfo, RunCheckpoint, RunContext, Rung, build_rung, cache_key, note_early_stop
from ockham.tuning import span_alignment
from ockham.tuning.span_alignment import AlignedRow
from ockham.tuning.tune_spec import guardrails, memorising

if TYPE_CHECKING:
    from ockham.tuning import tagger_tuning as tuning

LEAST = 0.5
"""The share of the values that must stand in their texts: with fewer, most of what is asked for cannot be answered."""
_TOKENS = 20_000
"""Tokens of the validation rows that the temperature is fitted on."""


def _build(context: RunContext, folder: Path) -> BuildInfo:
    from ockham.convert import onnx_export
    from ockham.tuning import tagger_tuning as tuning
    from ockham.tuning.lora_encoder import PRECISION

    spec, sentence = context.config.tune, sentence_encoder.find(context.config.encoder)
    train, valid = context.side("train"), context.side("valid")
    settings = _tagger_settings(context)
    writer, reads = tagger.writer(settings), reader(sentence, settings.closed)
    aligned = _align_train(context, writer)
    rows, checked = (
        tuning.rows_of(side, reads.read([row.input for row in side]), alignment)
        for side, alignment in ((train, aligned), (valid, span_alignment.align(valid, writer.fields)))
    )

    def on_progress(done: int, total: int) -> None:
        context.on_progress(Progress(stage="climb", message="tuning the tagger", done=done, total=total))

    checkpoint = RunCheckpoint(context.run, f"tuning-{cache_key(context, ENCODER_TAGGER)[:16]}")
    start = tuning.TaggerTrainingData(sentence=sentence, train=rows, valid=checked, writer=writer)
    tuned = tuning.tune(start, spec, context.metric, checkpoint, on_progress)
    note_early_stop(context, tuned.points, spec)
    onnx_export.write(sentence, tuned.weights, rows.texts, folder, output=onnx_encoder.STATES)
    save_adapter(tuned.adapter, sentence, context.config.encoder, folder)
    tagger.save(settings, tuned.weight, tuned.bias, folder)
    served = tagger.load(folder)
    settings = dataclasses.replace(settings, temperature=_temperature(served, checked))
    tagger.save(settings, tuned.weight, tuned.bias, folder)
    served = dataclasses.replace(served, temperature=settings.temperature)
    served_answers = served.answer(checked.texts)
    answers = tuple(str(answer.value) for answer in served_answers)
    value_count = sum(aligned_row.value_count for aligned_row in aligned)
    return BuildInfo(
        settings={
            "encoder": sentence.name,
            "passes": next(point.epoch for point in tuned.points if point.is_best),
            "rank": spec.rank,
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
            *guardrails(spec, len(train)),
            *_unreachable_warning(value_count - rows.reached, value_count),
            *memorising(tuned.points),
        ),
    )


def _align_train(context: RunContext, writer: tagger.Writer) -> list[AlignedRow]:
    """Find where the values of the training rows stand: of several places the one that the linear tagger chooses."""
    rows = context.side("train")
    model = linear_tagger.load(build_rung(context, LINEAR_TAGGER).folder)
    number = {field.path: index for index, field in enumerate(writer.fields)}
    aligned = span_alignment.align(rows, writer.fields)
    chosen = tagger_learning.choose_places(model, text_rows(rows))
    out = []
    for plain, values in zip(aligned, chosen, strict=True):
        spans = [
            Span(value.start, value.end, number[model.writer.fields[value.field].path])
            for value in values
            if model.writer.fields[value.field].path in number
        ]
        out.append(AlignedRow(spans=tuple(sorted(spans)), value_count=plain.value_count))
    return out


def _tagger_settings(context: RunContext) -> TaggerSettings:
    """Find the schema of the training targets, and those of its fields that the tags are for."""
    train = context.side("train")
    schema = json_schema.infer([row.target for row in train])
    fields = json_fields.of_schema(schema)
    seen = {
        fields[span.field].path for aligned_row in span_alignment.align(train, fields) for span in aligned_row.spans
    }
    paths = tuple(field.path for field in fields if field.path in seen)
    return TaggerSettings(
        schema=json.dumps(schema, ensure_ascii=False), paths=paths, temperature=1.0, closed=_closed_joints(context)
    )


def _closed_joints(context: RunContext) -> tuple[str, ...]:
    return linear_tagger.load(build_rung(context, LINEAR_TAGGER).folder).writer.settings.closed


def _temperature(served: tagger.Tagger, rows: tuning.TaggerRows) -> float:
    """Fit the temperature on the tags of the validation rows, as they are served."""
    import numpy as np

    if not rows.texts:
        return 1.0
    margins = np.concatenate(served.margins(rows.readings))
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
    if (why := static_reason(context)) is not None:
        return why
    train = context.side("train")
    fields: Sequence[Field] = json_fields.of_schema(json_schema.infer([row.target for row in train]))
    reached = span_alignment.share(span_alignment.align(train, fields))
    if reached is None:
        return "it marks values in the text, and the training targets have no values"
    if reached < LEAST:
        return (
            f"it marks values in the text, and of those of the training targets {reached:.0%} stand in theirs as whole "
            f"words ({LEAST:.0%} is the minimum)"
        )
    return None


ENCODER_TAGGER = Rung(
    name="encoder-tagger",
    number=4,
    kind="tagger",
    summary="the sentence encoder, fine-tuned to mark values in the text",
    packages=TUNERS,
    extra="tune",
    needs_encoder=True,
    ready_note=ENCODER_READY,
    build=_build,
    cache_inputs=tuning_inputs,
    tasks=("extract",),
    task_note="extracts fields only",
    skip_reason=_skip_reason,
)
