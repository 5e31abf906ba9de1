"""The rung that gives each field to the rung that is best at it on the validation rows, served as one bundle.

There are two of it where a run that extracts has language models: one of rules and taggers, and behind the language
models one of all of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ockham.evals import field_scores
from ockham.models import field_blend, json_fields, model_files
from ockham.models.blend import member_folder
from ockham.models.field_blend import FieldBlendSettings
from ockham.records import Score
from ockham.rungs.blend_rung import copy_member
from ockham.rungs.linear_tagger_rung import LINEAR_TAGGER, field_confidences
from ockham.rungs.pattern_rung import PATTERN
from ockham.rungs.rung import BuildConfig, BuildInfo, BuiltRung, RunContext, Rung, find_built
from ockham.rungs.tagger_rung import ENCODER_TAGGER

MEMBERS = (PATTERN, LINEAR_TAGGER, ENCODER_TAGGER)
LANGUAGE_MODEL = "gguf"
"""The kind of the language models that can be members."""
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


def field_paths(targets: Sequence[str]) -> dict[str, json_fields.Path]:
    """Return the path of each field of targets by its name, which joins the keys by dots: a key may hold one itself."""
    paths = (path for target in targets for path, _ in json_fields.values(field_blend.read_object(target)))
    return {".".join(path): path for path in paths if path is not None}


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


def _choice(members: Sequence[Rung], context: RunContext) -> FieldChoice | None:
    """Choose among the members that stand in this run; ``None`` where there are fewer than two."""
    built = _standing(members, context)
    if len(built) < 2 or not context.side("valid"):
        return None
    targets = [row.target for row in context.side("valid")]
    best, fields = choose_fields([whole.built.answers for whole in built.values()], targets)
    return FieldChoice(members=tuple(member for member in members if member.name in built), best=best, fields=fields)


def _standing(members: Sequence[Rung], context: RunContext) -> dict[str, BuiltRung]:
    standing = {member.name: find_built(context, member) for member in members}
    return {name: whole for name, whole in standing.items() if whole is not None and whole.built.answers}


def _skip_reason(members: Sequence[Rung], context: RunContext) -> str | None:
    choice = _choice(members, context)
    if choice is None:
        return "it takes fields from several rungs, and fewer than two of them stand in this run"
    if not choice.fields:
        return f"no field is answered better by another rung than by {choice.members[choice.best].name}, beyond luck"
    used = {choice.members[number] for number in (choice.best, *choice.fields.values())}
    if set(members) != set(MEMBERS) and used <= set(MEMBERS):
        return f"no language model answers a field better than the members of {FIELD_BLEND.name}, beyond luck"
    return None


def _build(members: Sequence[Rung], context: RunContext, folder: Path) -> BuildInfo:
    choice, built = _choice(members, context), _standing(members, context)
    if choice is None:  # `_skip_reason` has said so before
        return BuildInfo()
    used = sorted({choice.best, *choice.fields.values()})
    paths = field_paths([row.target for row in context.side("valid")])
    settings = FieldBlendSettings(
        kinds=tuple(choice.members[number].kind for number in used),
        paths=tuple(paths.get(name, tuple(name.split("."))) for name in choice.fields),
        members=tuple(used.index(number) for number in choice.fields.values()),
        rest=used.index(choice.best),
    )
    model_files.write(settings, folder / field_blend.FILE)
    parts = [built[choice.members[number].name] for number in used]
    for index, (kind, part) in enumerate(zip(settings.kinds, parts, strict=True)):
        copy_member(part.folder, member_folder(folder, index, kind))
    by_row = zip(*(part.built.valid_answers() for part in parts), strict=True)
    answers = [field_blend.combine(settings, row) for row in by_row]
    named = {f"field {name}": choice.members[member].name for name, member in choice.fields.items()}
    return BuildInfo(
        settings={"rest": choice.members[choice.best].name, **named},
        answers=tuple(str(answer.value) for answer in answers),
        confidences=tuple(answer.confidence for answer in answers),
        field_confidences=field_confidences(answers),
    )


def _cache_inputs(members: Sequence[Rung], config: BuildConfig) -> object:
    return [[member.name, member.cache_inputs(config)] for member in members]


FIELD_BLEND = Rung(
    name="field-blend",
    number=4,
    kind="field-blend",
    summary="each field from the rung that is best at it on the validation rows",
    ready_note="combines the other rungs of a run field by field",
    build=partial(_build, MEMBERS),
    cache_inputs=partial(_cache_inputs, MEMBERS),
    tasks=("extract",),
    task_note="extracts fields only",
    skip_reason=partial(_skip_reason, MEMBERS),
)


def add_models_blend(rungs: Sequence[Rung]) -> list[Rung]:
    """Return a ladder with one more rung behind its language models: the blend by fields of these and the taggers.

    The ladder is as it was where it has no language model, or no blend by fields.
    """
    models = [index for index, rung in enumerate(rungs) if rung.kind == LANGUAGE_MODEL]
    if not models or FIELD_BLEND not in rungs:
        return list(rungs)
    members = (*MEMBERS, *(rungs[index] for index in models))
    blend = dataclasses.replace(
        FIELD_BLEND,
        name=f"{FIELD_BLEND.name}:models",
        number=rungs[models[-1]].number,
        build=partial(_build, members),
        cache_inputs=partial(_cache_inputs, members),
        skip_reason=partial(_skip_reason, members),
    )
    return [*rungs[: models[-1] + 1], blend, *rungs[models[-1] + 1 :]]
