"""The rungs that need nothing but the base installation, and the big model behind an API."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ockham.models import constant, endpoint, linear, lookup, refit
from ockham.records import Example, TaskName
from ockham.rungs import label_rows
from ockham.rungs.rung import BuildConfig, BuildInfo, BuiltRung, RunContext, Rung

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLASSIC = ("numpy", "scipy", "sklearn")
"""What rungs that count words need; all of it comes with ockham."""


def _constant(context: RunContext, folder: Path) -> BuildInfo:
    train, valid = context.side("train"), context.side("valid")
    constant.fit([*train, *valid], folder)
    usual = constant.learn(train)
    return BuildInfo(answers=(usual.value,) * len(valid))


def _lookup(context: RunContext, folder: Path) -> BuildInfo:
    train, valid = context.short_side("train"), context.short_side("valid")
    model = lookup.learn(train)
    answers = model.answer([row.input for row in valid])
    if refit.is_worthwhile(len(train), len(valid)):
        model = lookup.learn([*train, *valid])
    model.save(folder)
    return BuildInfo(answers=tuple(str(answer.value) for answer in answers))


def _linear(context: RunContext, folder: Path) -> BuildInfo:
    train, valid = context.short_side("train"), context.short_side("valid")
    metric, seed = context.metric, context.config.seed
    settings, answers, sure = linear.fit(train, valid, folder, metric=metric, seed=seed)
    extra = label_rows.choose_label_rows(context, partial(_cross_margins, context, settings.strength))
    if extra:
        settings, answers, sure = linear.fit([*train, *extra], valid, folder, metric=metric, seed=seed)
    numbers = {"C": settings.strength, "temperature": settings.temperature}
    names = {label_rows.SETTING: len(extra)} if extra else {}
    return BuildInfo(settings={**numbers, **names}, answers=answers, confidences=sure)


def _cross_margins(
    context: RunContext, strength: float, extra: Sequence[Example], folds: Sequence[int]
) -> NDArray[np.float64]:
    rows = [*context.short_side("train"), *context.short_side("valid")]
    settings = linear.LinearSettings(labels=context.labels(), strength=strength, temperature=1.0)
    every_fold = [*folds, *[label_rows.LEARNT_BY_ALL] * len(extra)]
    return linear.cross_margins([*rows, *extra], every_fold, settings, seed=context.config.seed)[: len(rows)]


def _cross_validate(context: RunContext, built: BuiltRung, folds: Sequence[int]) -> NDArray[np.float64]:
    extra = label_rows.used_label_rows(context, built.built)
    return _cross_margins(context, built.built.strength, extra, folds)


def _endpoint(context: RunContext, folder: Path) -> BuildInfo:
    spec = context.config.endpoint
    if spec is None:  # `missing` has said so before
        return BuildInfo()
    endpoint.fit(
        context.side("train"),
        folder,
        spec,
        task=context.config.task,
        instructions=context.config.instructions,
        descriptions=context.config.descriptions,
    )
    settings: dict[str, str | int | float | bool] = {"url": spec.url, "model": spec.model, "shots": spec.shots}
    return BuildInfo(settings=settings, warnings=context.label_warnings())


def _no_endpoint(config: BuildConfig) -> str | None:
    return "no endpoint was given (--endpoint URL)" if config.endpoint is None else None


CONSTANT = Rung(
    name="constant",
    number=0,
    kind="constant",
    nature="It is the majority baseline, which gives the most frequent answer to everything",
    summary="majority baseline: always the most frequent answer",
    build=_constant,
    cache_inputs=lambda _config: None,
    tasks=get_args(TaskName),
)
LOOKUP = Rung(
    name="lookup",
    number=1,
    kind="lookup",
    nature="It is the nearest neighbour, which gives the answer of the most similar training example",
    summary="nearest neighbour: the answer of the most similar training example",
    packages=CLASSIC,
    build=_lookup,
    cache_inputs=lambda _config: None,
    tasks=get_args(TaskName),
    reads_short=True,
)
LINEAR = Rung(
    name="linear",
    number=2,
    kind="linear",
    nature="It is a linear model over words and characters",
    summary="a linear model over words and characters (TF-IDF); no language model",
    packages=CLASSIC,
    ready_note="scikit-learn is installed",
    build=_linear,
    cache_inputs=lambda config: config.metric,
    reads_short=True,
    cross_validate=_cross_validate,
)
ENDPOINT = Rung(
    name="endpoint",
    number=7,
    kind=endpoint.KIND,
    summary="a large model behind an API",
    ready_note="used when you name one: --endpoint URL --endpoint-model NAME",
    unavailable_reason=_no_endpoint,
    build=_endpoint,
    cache_inputs=lambda config: config.endpoint,
    tasks=get_args(TaskName),
    is_paid=True,
    saved_every=64,
)
