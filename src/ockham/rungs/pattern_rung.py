"""The rung of rules by shape, label words and position: the baseline of extracting fields."""

from __future__ import annotations

from pathlib import Path

from ockham.models.extraction import pattern_learning
from ockham.models.extraction.tagger_learning import PlacedRows
from ockham.models.pattern import Pattern
from ockham.records import Progress
from ockham.rungs.linear_tagger_rung import build_extractor, place_train_side, too_few_reached
from ockham.rungs.rung import BuildInfo, RunContext, Rung


def _build(context: RunContext, folder: Path) -> BuildInfo:
    def on_progress(done: int, total: int) -> None:
        context.on_progress(Progress(stage="climb", message="learning rules", done=done, total=total))

    def learn(rows: PlacedRows, _has_valid: bool) -> Pattern:
        return pattern_learning.learn(rows, on_progress)

    placed = place_train_side(context)
    return build_extractor(context, folder, placed, learn, lambda model: {"rules": len(model.rules)})


def _skip_reason(context: RunContext) -> str | None:
    return too_few_reached(place_train_side(context))


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
