"""The rung of a blend: rungs that are cheap to cross-validate, served as one bundle.

How sure each member is, and what it counts for, follows from what it says of rows that it has not seen: five models of
each, the same that check the labels. The members themselves are not made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import store
from ockham.data import seen_rows
from ockham.models import blend, blend_weights, model_files, softmax
from ockham.models.backend import SHARED
from ockham.models.blend import BlendMember, BlendSettings
from ockham.models.blend_weights import BlendFit
from ockham.records import Example
from ockham.rungs.baselines import LINEAR
from ockham.rungs.encoder_rungs import ENCODER
from ockham.rungs.out_of_fold import out_of_fold_margins
from ockham.rungs.rung import BuildConfig, BuildInfo, RunContext, Rung, build_rung, find_built

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedMargins:
    """The members' margins for each training and validation row by models that had not seen it, and their weights."""

    margins: tuple[NDArray[np.float64], ...]
    fitted: BlendFit


def blend_of(*members: Rung) -> Rung:
    """Return the rung that blends others, which can all be cross-validated."""

    def cache_inputs(config: BuildConfig) -> object:
        return [[member.name, member.cache_inputs(config)] for member in members]

    return Rung(
        name="+".join(member.name for member in members),
        number=max(member.number for member in members),
        kind="blend",
        summary="several classifiers as one: their log-probabilities, weighted by cross-validation",
        packages=tuple(dict.fromkeys(package for member in members for package in member.packages)),
        extra=next((member.extra for member in reversed(members) if member.extra), None),
        needs_encoder=any(member.needs_encoder for member in members),
        ready_note=members[-1].ready_note,
        build=partial(_build, members),
        cache_inputs=cache_inputs,
        reads_short=True,
        skip_reason=partial(_reason_to_skip, members),
        members=members,
    )


def _reason_to_skip(members: Sequence[Rung], context: RunContext) -> str | None:
    """Say that cross-validation shows no gain over the best of the members, where they stand in this run."""
    if context.config.every or any(find_built(context, member) is None for member in members):
        return None
    fitted = _weigh(members, context).fitted
    best = min(range(len(members)), key=lambda index: fitted.member_losses[index])
    if fitted.loss < fitted.member_losses[best]:
        return None
    return (
        f"cross-validation shows no gain over {members[best].name}: log-loss {fitted.loss:.3f} against "
        f"{fitted.member_losses[best]:.3f} on {fitted.rows:,} training and validation rows (--all tries it)"
    )


def _rows(context: RunContext) -> list[Example]:
    return [*context.short_side("train"), *context.short_side("valid")]


def _weigh(members: Sequence[Rung], context: RunContext) -> WeighedMargins:
    by_name = out_of_fold_margins(context, members)
    margins = tuple(by_name[member.name] for member in members)
    targets = [row.target for row in _rows(context)]
    return WeighedMargins(margins=margins, fitted=blend_weights.fit_weights(margins, targets, context.labels()))


def _build(members: Sequence[Rung], context: RunContext, folder: Path) -> BuildInfo:
    built = [build_rung(context, member) for member in members]
    weighed = _weigh(members, context)
    labels, weights = context.labels(), weighed.fitted.weights
    settings = BlendSettings(
        labels=labels,
        members=tuple(
            BlendMember(kind=member.kind, weight=weight) for member, weight in zip(members, weights, strict=True)
        ),
    )
    model_files.write(settings, folder / blend.FILE)
    for index, (member, whole) in enumerate(zip(members, built, strict=True)):
        copy_member(whole.folder, blend.member_folder(folder, index, member.kind))
    pooled = blend.pool(weighed.margins, weights)[len(context.side("train")) :]
    numbers = {f"weight_{member.name}": weight for member, weight in zip(members, weights, strict=True)}
    encoders = {name: value for whole in built for name, value in whole.built.settings.items() if name == "encoder"}
    return BuildInfo(
        settings={**encoders, **numbers},
        answers=tuple(softmax.best(pooled, labels)) if len(pooled) else (),
        confidences=softmax.confidences(pooled, 1.0) if len(pooled) else (),
    )


def copy_member(source: Path, target: Path) -> None:
    """Copy what serves a member out of its bundle; what the blend's own bundle has too is left out."""
    for name in store.read_bundle(source).files:
        if name not in (SHARED, seen_rows.FILE):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)


LINEAR_ENCODER = blend_of(LINEAR, ENCODER)
