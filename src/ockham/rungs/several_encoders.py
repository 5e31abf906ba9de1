"""One rung for each encoder that is named: ``encoder`` with the first, ``encoder:NAME`` with each of the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from ockham.errors import ConfigError
from ockham.models.sentence_encoder import short_name
from ockham.rungs.rung import BuildConfig, BuildInfo, RunContext, Rung


def add_encoders(rungs: Iterable[Rung], encoders: Sequence[str]) -> list[Rung]:
    """Return the rungs, and behind each that uses an encoder one more for every encoder but the first.

    Raises `ConfigError` (``E_CONFIG``) where two encoders have the same last name, since rungs are told apart by it.
    """
    names = [short_name(encoder) for encoder in encoders]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"two encoders are called {twice!a}"
        raise ConfigError("E_CONFIG", message, fix="name each once; rename one of two folders")
    every: list[Rung] = []
    for rung in rungs:
        every.append(rung)
        if rung.needs_encoder:
            every += [with_encoder(rung, encoder) for encoder in encoders[1:]]
    return every


def with_encoder(rung: Rung, encoder: str) -> Rung:
    """Return a rung, or a blend of rungs, that uses an encoder of its own in place of the run's."""

    def own(config: BuildConfig) -> BuildConfig:
        return dataclasses.replace(config, encoder=encoder)

    def within(context: RunContext) -> RunContext:
        return dataclasses.replace(context, config=own(context.config))

    def build(context: RunContext, folder: Path) -> BuildInfo:
        return rung.build(within(context), folder)

    ask = rung.cross_validate
    return dataclasses.replace(
        rung,
        name=f"{rung.name}:{short_name(encoder)}",
        built_as=rung.built_as or rung.name,
        build=build,
        cache_inputs=lambda config: rung.cache_inputs(own(config)),
        unavailable_reason=lambda config: rung.unavailable_reason(own(config)),
        skip_reason=lambda context: rung.skip_reason(within(context)),
        cross_validate=None if ask is None else lambda context, built, folds: ask(within(context), built, folds),
        members=tuple(with_encoder(part, encoder) if part.needs_encoder else part for part in rung.members),
    )
