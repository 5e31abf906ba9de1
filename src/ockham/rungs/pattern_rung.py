"""The rung of rules by shape, label words and position: the baseline of extracting fields."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ockham.models import refit
from ockham.models.extraction import field_calibration, pattern_learning, tagger_learning
from ockham.records import Progress
from ockham.rungs.linear_tagger_rung import text_rows, too_few_reached
from ockham.rungs.rung import BuildInfo, RunContext, Rung


def _build(material: RunContext, folder: Path) -> BuildInfo:
    train, valid = text_rows(material.side("train")), text_rows(material.side("valid"))

    def on_progress(done: int, total: int) -> None:
        material.on_progress(Progress(stage="climb", message="learning rules", done=done, total=total))

    placed = tagger_learning.place_rows(train)
    model = pattern_learning.learn(placed, on_progress)
    model = dataclasses.replace(
        model, writer=model.writer.with_rules(field_calibration.calibrate(model.writer, model.shares, valid))
    )
    answers = model.answer([row.text for row in valid])
    served = model
    if refit.is_worthwhile(len(train), len(valid)):
        served = pattern_learning.learn(tagger_learning.place_rows([*train, *valid]), on_progress)
        served = dataclasses.replace(served, writer=served.writer.with_rules_of(model.writer))
    served.save(folder)
    return BuildInfo(
        settings={"fields": len(placed.fields), "rules": len(served.rules)},
        answers=tuple(str(answer.value) for answer in answers),
        confidences=tuple(answer.confidence for answer in answers),
    )


def _skip_reason(material: RunContext) -> str | None:
    return too_few_reached(tagger_learning.place_rows(text_rows(material.side("train"))))


PATTERN = Rung(
    name="pattern",
    number=1,
    kind="pattern",
    nature="It is a list of rules by shape, label words and position, learnt from the training rows",
    summary="rules by shape, label words and position, learnt from the rows (rules.txt lists them)",
    build=_build,
    cache_inputs=lambda _config: None,
    tasks=("extract",),
    task_note="extracts fields only",
    skip_reason=_skip_reason,
)
