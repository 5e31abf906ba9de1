"""The rung that gives each field to the rung that is best at it on the validation rows, served as one bundle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham.evals import field_scores
from ockham.models import field_blend, model_files
from ockham.models.blend import member_folder
from ockham.models.field_blend import FieldBlendSettings
from ockham.records import Score
from ockham.rungs.blend_rung import copy_member
from ockham.rungs.linear_tagger_rung import LINEAR_TAGGER, field_confidences
from ockham.rungs.pattern_rung import PATTERN
from ockham.rungs.rung import BuildInfo, BuiltRung, RunContext, Rung, find_built
from ockham.rungs.tagger_rung import ENCODER_TAGGER

MEMBERS = (PATTERN, LINEAR_TAGGER, ENCODER_TAGGER)
_BEYOND = 1.64
"""Standard deviations of the rows that only one of two answers right: a lead must be as large, to be no luck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChoice:
    """The rungs that are members, the best of them on the whole, and the fields that another answers better."""

    members: tuple[Rung, ...]
    best: int
    fields: Mapping[str, int]


def choose_fields(answers: Sequence[Sequence[str]], targets: Sequence[str]) -> tuple[int, dict[str, int]]:
    """Return which of several models is best over all fields, and the fields in which another leads it beyond luck.

    ``answers`` are those of each model to the same rows. A field's lead is in rows that one has wholly right and the
    other has not; the best model keeps a field where no lead is larger than 1.64 standard deviations.
    """
    totals = [_right_in(model, targets) for model in answers]
    micro = [_micro(model, targets) for model in answers]
    best = max(range(len(answers)), key=lambda index: micro[index])
    chosen: dict[str, int] = {}
    for name in sorted({name for rows in totals for row in rows for name in row}):
        leads = {
            index: _lead([row.get(name) for row in totals[index]], [row.get(name) for row in totals[best]])
            for index in range(len(answers))
            if index != best
        }
        top = max(leads, key=lambda index: leads[index], default=best)
        if leads.get(top, 0.0) >= _BEYOND:
            chosen[name] = top
    return best, chosen


def _right_in(answers: Sequence[str], targets: Sequence[str]) -> list[dict[str, bool]]:
    """Say of each row which of its fields, given or wanted, are wholly right."""
    out = []
    for answer, target in zip(answers, targets, strict=True):
        score = Score(example="", answer=answer, target=target, value=None)
        counts = field_scores.by_field([score])
        out.append({name: bool((values[0] == values[0][0]).all()) for name, (values, _) in counts.items()})
    return out


def _lead(first: Sequence[bool | None], second: Sequence[bool | None]) -> float:
    """Return by how many standard deviations the first is right more often; a field that is nowhere is right."""
    pairs = [(one is not False, other is not False) for one, other in zip(first, second, strict=True)]
    ahead, behind = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    return (ahead - behind) / math.sqrt(ahead + behind) if ahead + behind else 0.0


def _micro(answers: Sequence[str], targets: Sequence[str]) -> float:
    counts = field_scores.tally(zip(answers, targets, strict=True))
    return float(field_scores.f1_micro(counts.sum(axis=0)[None, :])[0])


def _choice(context: RunContext) -> FieldChoice | None:
    """Choose among the members that stand in this run; ``None`` where there are fewer than two."""
    built = _members(context)
    if len(built) < 2 or not context.side("valid"):
        return None
    targets = [row.target for row in context.side("valid")]
    best, fields = choose_fields([whole.built.answers for whole in built.values()], targets)
    return FieldChoice(members=tuple(member for member in MEMBERS if member.name in built), best=best, fields=fields)


def _members(context: RunContext) -> dict[str, BuiltRung]:
    standing = {member.name: find_built(context, member) for member in MEMBERS}
    return {name: whole for name, whole in standing.items() if whole is not None and whole.built.answers}


def _skip_reason(context: RunContext) -> str | None:
    choice = _choice(context)
    if choice is None:
        return "it takes fields from several rungs, and fewer than two of them stand in this run"
    if not choice.fields:
        return f"no field is answered better by another rung than by {choice.members[choice.best].name}, beyond luck"
    return None


def _build(context: RunContext, folder: Path) -> BuildInfo:
    choice, built = _choice(context), _members(context)
    if choice is None:  # `_skip_reason` has said so before
        return BuildInfo()
    settings = FieldBlendSettings(
        kinds=tuple(member.kind for member in choice.members),
        paths=tuple(tuple(name.split(".")) for name in choice.fields),
        members=tuple(choice.fields.values()),
        rest=choice.best,
    )
    model_files.write(settings, folder / field_blend.FILE)
    for index, member in enumerate(choice.members):
        copy_member(built[member.name].folder, member_folder(folder, index, member.kind))
    by_row = zip(*(whole.built.valid_answers() for whole in built.values()), strict=True)
    answers = [field_blend.combine(settings, row) for row in by_row]
    named = {f"field {name}": choice.members[member].name for name, member in choice.fields.items()}
    return BuildInfo(
        settings={"rest": choice.members[choice.best].name, **named},
        answers=tuple(str(answer.value) for answer in answers),
        confidences=tuple(answer.confidence for answer in answers),
        field_confidences=field_confidences(answers),
    )


FIELD_BLEND = Rung(
    name="field-blend",
    number=4,
    kind="field-blend",
    summary="each field from the rung that is best at it on the validation rows",
    ready_note="it takes fields from the rungs that were built",
    build=_build,
    cache_inputs=lambda config: [member.cache_inputs(config) for member in MEMBERS],
    tasks=("extract",),
    task_note="extracts fields only",
    skip_reason=_skip_reason,
)
