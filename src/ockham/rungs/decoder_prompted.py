"""The decoder rung: a causal language model, quantized and prompted.

How many examples a prompt shows is chosen on the validation rows, which stand in no prompt while it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from ockham.convert.gguf_repack import weight_type
from ockham.evals import tasks
from ockham.llm.engine_build import SETTING, engine_build
from ockham.llm.llamacpp import Engine
from ockham.models import causal_lm
from ockham.models.causal_lm import Base, GgufSpec
from ockham.records import Example, Progress, digest
from ockham.rungs.decoder_weights import base_of, choose_context, model_name, words
from ockham.rungs.rung import BuildInfo, RunContext
from ockham.store.memo import find_or_make_batches
from ockham.verdict.sentences import estimated_share

SHOTS = (0, 8)
"""Examples shown with a text, for validation to choose from."""
_CHUNK = 16


def build(model: str, context: RunContext, folder: Path) -> BuildInfo:
    """Make the bundle of a prompted model. Raises `ModelError`."""
    train, valid = context.side("train"), context.side("valid")
    with words(base_of(model, context)) as opened_base:
        specs = [choose_context(context, opened_base, folder, shots) for shots in (SHOTS if valid else SHOTS[:1])]
    base = dataclasses.replace(opened_base, engine=None)
    trials = _trials(context, base, specs, folder) if valid else [()]
    scores = [context.metric([row.target for row in valid], answers) if valid else 0.0 for answers in trials]
    best = scores.index(max(scores))
    causal_lm.fit(
        [*train, *valid], folder, base, specs[best], task=context.config.task, instructions=context.config.instructions
    )
    settings: dict[str, str | int | float | bool] = {
        "model": model_name(model),
        "weights": weight_type(base.weights),
        SETTING: engine_build() or "unknown",
        "shots": specs[best].shots,
        "context": specs[best].context,
        "slots": specs[best].slots,
    }
    for spec, answers in zip(specs, trials if valid else (), strict=False):
        settings[f"validation_{spec.shots}_shots"] = _metric_text(context, answers)
    return BuildInfo(settings=settings, answers=trials[best], warnings=context.label_warnings())


def _metric_text(context: RunContext, answers: Sequence[str]) -> str:
    """Write the metric that choices are made by, as measured on the validation rows."""
    task, metric = context.config.task, context.config.metric
    scores = context.score_answers("valid", answers)
    return f"{metric} {estimated_share(tasks.estimate_metrics(task, scores, context.labels())[metric])}"


def _trials(context: RunContext, base: Base, specs: Sequence[GgufSpec], folder: Path) -> list[tuple[str, ...]]:
    """Answer the validation rows with a model whose examples are training rows alone, once for each spec.

    The weights are loaded once, with the longest context of all. What was answered is kept in the run at every step, so
    that a run which is stopped goes on there.
    """
    widest = dataclasses.replace(specs[0], context=max(spec.context for spec in specs))
    engine: Engine | None = None
    trials = []
    try:
        for spec in specs:

            def open_decoder(spec: GgufSpec = spec) -> causal_lm.Decoder:
                nonlocal engine
                engine = engine or causal_lm.start(base.weights, widest)
                return _asking(context, base, spec, folder, engine)

            key = context.cache_key("trial", base.sha256, spec)
            trials.append(answer_validation(context, key, open_decoder, f"asking the model with {spec.shots} examples"))
    finally:
        if engine is not None:
            engine.close()
    return trials


def answer_validation(
    context: RunContext, key: str, open_decoder: Callable[[], causal_lm.Decoder], message: str
) -> tuple[str, ...]:
    """Answer the validation rows, a few at a time; each part is kept in the run under ``key``.

    The model is opened where a part is not there yet, and not closed: whoever opens it does that.
    """
    answers: list[str] = []
    model: causal_lm.Decoder | None = None
    valid = context.side("valid")

    def ask(rows: Sequence[Example]) -> tuple[str, ...]:
        nonlocal model
        model = model or open_decoder()
        return tuple(answer.value or "" for answer in model.answer([row.input for row in rows]))

    chunks = [(start, valid[start : start + _CHUNK]) for start in range(0, len(valid), _CHUNK)]
    batches = [(digest([key, start, len(rows)]), rows) for start, rows in chunks]
    context.on_progress(Progress(stage="climb", message=message, done=0, total=len(valid)))
    for part in find_or_make_batches(context.run, "trial", batches, tuple[str, ...], ask):
        answers += part
        context.on_progress(Progress(stage="climb", message=message, done=len(answers), total=len(valid)))
    return tuple(answers)


def _asking(context: RunContext, base: Base, spec: GgufSpec, folder: Path, engine: Engine) -> causal_lm.Decoder:
    """Make a bundle that knows the training rows alone, and open it on the engine that has the weights."""
    base = dataclasses.replace(base, copy=False, engine=engine)
    causal_lm.fit(
        context.side("train"), folder, base, spec, task=context.config.task, instructions=context.config.instructions
    )
    return causal_lm.load(folder, engine)
