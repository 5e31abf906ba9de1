"""The decoder rungs: causal language models, one rung for each model that was named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from ockham.decoders import prompted
from ockham.decoders.weights import signature
from ockham.errors import ConfigError
from ockham.records import TaskName
from ockham.rungs import Plan, Rung, without

NUMBER = 5
_engine_missing = without("xllamacpp", extra="gguf")


def rungs(models: Sequence[str]) -> list[Rung]:
    """Give a rung for each model: a folder, a GGUF file or a hub id. Without any, the one rung says so.

    Raises `ConfigError` (``E_CONFIG``) where two models have the same last name.
    """
    if not models:
        return [_rung("decoder", lambda _plan: "no model was named (--models FOLDER, GGUF file or hub id)", "")]
    names = [Path(model).stem for model in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"two models are called {twice!a}"
        raise ConfigError("E_CONFIG", message, fix="rename one of the folders or files")
    return [_rung(f"decoder:{name}", _engine_missing, model) for name, model in zip(names, models, strict=True)]


def _rung(name: str, missing: Callable[[Plan], str | None], model: str) -> Rung:
    return Rung(
        name=name,
        number=NUMBER,
        kind="gguf",
        missing=missing,
        build=partial(prompted.build, model),
        decides=lambda plan: [plan.metric, model, signature(Path(model).expanduser())],
        tasks=get_args(TaskName),
    )
