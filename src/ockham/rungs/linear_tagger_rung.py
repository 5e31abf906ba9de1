"""The rung that extracts with a linear model: a chain CRF on the words of a text and their layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ockham.models import refit
from ockham.models.extraction import field_calibration, field_facts, tagger_learning
from ockham.models.extraction.tagger_learning import PlacedRows
from ockham.models.extraction.value_places import TextRow
from ockham.models.linear_tagger import LinearTagger
from ockham.models.pattern import Pattern
from ockham.plain_numbers import percent, percent_limit
from ockham.records import Answer, Example, FieldFacts, Progress
from ockham.rungs.baselines import CLASSIC
from ockham.rungs.rung import BuildInfo, RunContext, Rung

Extractor = TypeVar("Extractor", LinearTagger, Pattern)
LEAST = 0.5
"""The share of the values that must stand in their texts: with fewer, most of what is asked for cannot be answered."""


def text_rows(rows: Sequence[Example]) -> list[TextRow]:
    """Return examples as a tagger learns from them."""
    return [TextRow(text=row.input, target=row.target) for row in rows]


def place_train_side(context: RunContext) -> PlacedRows:
    """Find where the values of the training targets stand, once for all rungs of a run."""
    return context.once("placed", lambda: tagger_learning.place_rows(text_rows(context.side("train"))))


def train_facts(context: RunContext) -> tuple[FieldFacts, ...]:
    """Return what the training rows say of each field; nothing where the task is not to extract."""
    if context.config.task != "extract":
        return ()
    rows = text_rows(context.side("train"))
    return context.once("field facts", lambda: field_facts.facts_of(place_train_side(context), rows))


def field_notes(context: RunContext) -> tuple[str, ...]:
    """Say what of the fields of the training rows a user should know."""
    facts = train_facts(context)
    return tuple(field_facts.notes(facts, text_rows(context.side("train")))) if facts else ()


def too_few_reached(placed: PlacedRows) -> str | None:
    """Say that most values do not stand in their texts, or nothing."""
    hits = sum(bool(value.extents) for row in placed.places for value in row)
    if not placed.values:
        return "it marks values in the text, and the training targets have no values"
    share = hits / placed.values
    if share >= LEAST:
        return None
    return (
        f"it marks values in the text, and of those of the training targets {percent(share, 0)} stand in theirs as "
        f"whole words ({percent_limit(LEAST)} is the minimum)"
    )


def build_extractor(
    context: RunContext,
    folder: Path,
    placed: PlacedRows,
    learn: Callable[[PlacedRows, bool], Extractor],
    settings_of: Callable[[Extractor], dict[str, int]],
) -> BuildInfo:
    """Write an extractor that is learnt from the training rows, calibrated on the validation rows, and served.

    ``placed`` are the training rows. ``learn`` is called with rows and whether the validation rows are among them: what
    is served learns from those too where that is worthwhile; its answers to them are those of the first model.
    """
    train: list[TextRow] = text_rows(context.side("train"))
    valid: list[TextRow] = text_rows(context.side("valid"))
    model = learn(placed, False)
    rules = field_calibration.calibrate(model.writer, model.shares, valid)
    model = dataclasses.replace(model, writer=model.writer.with_rules(rules))
    answers = model.answer([row.text for row in valid])
    served = model
    if refit.is_worthwhile(len(train), len(valid)):
        served = learn(tagger_learning.place_rows([*train, *valid]), True)
        served = dataclasses.replace(served, writer=served.writer.with_rules_of(model.writer))
    served.save(folder)
    return BuildInfo(
        settings={"fields": len(placed.fields), **settings_of(served)},
        answers=tuple(str(answer.value) for answer in answers),
        confidences=tuple(answer.confidence for answer in answers),
        field_confidences=field_confidences(answers),
    )


def field_confidences(answers: Sequence[Answer]) -> tuple[dict[str, float] | None, ...]:
    """Return how sure a model is of each field of each answer; nothing where it does not say."""
    sure = tuple(None if answer.fields is None else dict(answer.fields) for answer in answers)
    return sure if any(fields is not None for fields in sure) else ()


def _build(context: RunContext, folder: Path) -> BuildInfo:
    placed = place_train_side(context)

    def learn(rows: PlacedRows, has_valid: bool) -> LinearTagger:
        message = "fitting the linear tagger" + (" on the validation rows too" if has_valid else "")

        def on_progress(done: int, total: int) -> None:
            context.on_progress(Progress(stage="climb", message=message, done=done, total=total))

        return tagger_learning.learn(rows, on_progress)

    return build_extractor(context, folder, placed, learn, lambda model: {"features": len(model.column)})


def _skip_reason(context: RunContext) -> str | None:
    return too_few_reached(place_train_side(context))


LINEAR_TAGGER = Rung(
    name="linear-tagger",
    number=2,
    kind="linear-tagger",
    nature="It is a linear model over words and their layout",
    summary="a linear model that marks values by words and layout (CRF); no language model",
    packages=CLASSIC,
    ready_note="SciPy is installed",
    build=_build,
    cache_inputs=lambda _config: None,
    tasks=("extract",),
    task_note="extracts fields only",
    skip_reason=_skip_reason,
)
