"""The rungs that need nothing but the base installation, and the big model behind an API."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ockham.models import constant, endpoint, linear, lookup, refit
from ockham.records import TaskName
from ockham.rungs.rung import BuildConfig, BuildInfo, BuiltRung, RunContext, Rung

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _constant(material: RunContext, folder: Path) -> BuildInfo:
    train, valid = material.side("train"), material.side("valid")
    constant.fit([*train, *valid], folder)
    usual = constant.learn(train)
    return BuildInfo(answers=(usual.value,) * len(valid))


def _lookup(material: RunContext, folder: Path) -> BuildInfo:
    train, valid = material.short_side("train"), material.short_side("valid")
    model = lookup.learn(train)
    answers = model.answer([row.input for row in valid])
    if refit.is_worthwhile(len(train), len(valid)):
        model = lookup.learn([*train, *valid])
    model.save(folder)
    return BuildInfo(answers=tuple(str(answer.value) for answer in answers))


def _linear(material: RunContext, folder: Path) -> BuildInfo:
    train, valid = material.short_side("train"), material.short_side("valid")
    settings, answers, sure = linear.fit(train, valid, folder, metric=material.metric, seed=material.plan.seed)
    return BuildInfo(
        settings={"C": settings.strength, "temperature": settings.temperature}, answers=answers, confidences=sure
    )


def _cross_validate(material: RunContext, built: BuiltRung, folds: Sequence[int]) -> NDArray[np.float64]:
    rows = [*material.short_side("train"), *material.short_side("valid")]
    settings = linear.LinearSettings(labels=material.labels(), strength=built.built.strength, temperature=1.0)
    return linear.cross_margins(rows, folds, settings, seed=material.plan.seed)


def _endpoint(material: RunContext, folder: Path) -> BuildInfo:
    spec = material.plan.endpoint
    if spec is None:  # `missing` has said so before
        return BuildInfo()
    endpoint.fit(material.side("train"), folder, spec, task=material.plan.task, instructions=material.plan.instructions)
    settings: dict[str, str | int | float | bool] = {"url": spec.url, "model": spec.model, "shots": spec.shots}
    return BuildInfo(settings=settings, warnings=material.label_warnings())


def _no_endpoint(plan: BuildConfig) -> str | None:
    return "no endpoint was given (--endpoint URL)" if plan.endpoint is None else None


def _nothing(plan: BuildConfig) -> None:  # noqa: ARG001 - every rung takes the plan
    return None


CONSTANT = Rung(
    name="constant",
    number=0,
    kind="constant",
    unavailable_reason=_nothing,
    build=_constant,
    cache_inputs=_nothing,
    tasks=get_args(TaskName),
)
LOOKUP = Rung(
    name="lookup",
    number=1,
    kind="lookup",
    unavailable_reason=_nothing,
    build=_lookup,
    cache_inputs=_nothing,
    tasks=get_args(TaskName),
    reads_short=True,
)
LINEAR = Rung(
    name="linear",
    number=2,
    kind="linear",
    unavailable_reason=_nothing,
    build=_linear,
    cache_inputs=lambda plan: plan.metric,
    reads_short=True,
    cross_validate=_cross_validate,
)
ENDPOINT = Rung(
    name="endpoint",
    number=7,
    kind=endpoint.KIND,
    unavailable_reason=_no_endpoint,
    build=_endpoint,
    cache_inputs=lambda plan: plan.endpoint,
    tasks=get_args(TaskName),
    is_paid=True,
    saved_every=64,
)
