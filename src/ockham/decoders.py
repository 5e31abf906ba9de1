"""The decoder rungs: causal language models, quantized and prompted, one rung for each model that was named.

How many examples a prompt shows is chosen on the validation rows, which stand in no prompt while it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from ockham.convert.gguf import Precision, convert
from ockham.errors import ConfigError
from ockham.evals import judging
from ockham.models import gguf, gguf_format, hub, question
from ockham.models.gguf import Base, GgufSpec
from ockham.records import Answer, Progress, TaskName, digest
from ockham.rungs import Built, Material, Plan, Rung, without
from ockham.verdict.sentences import percent

NUMBER = 5
SHOTS = (0, 8)
"""Examples shown with a text, for validation to choose from."""
LONGEST_CONTEXT = 8192
SLOTS = 2
QUANTIZATION: Precision = "q8_0"
WEIGHTS = "model.gguf"
_CONTEXT_STEP = 256
_SIZED = 100
"""Texts that the context is sized by; all but one in twenty of them must fit whole, with their examples."""
_CHUNK = 16
_PATTERNS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.gguf")
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
        build=partial(_build, model),
        decides=lambda plan: [plan.metric, model, _signature(Path(model).expanduser())],
        tasks=get_args(TaskName),
    )


def _signature(place: Path) -> list[tuple[str, int, int]]:
    """Tell one state of a folder or file from another without reading gigabytes: names, sizes and times."""
    files = sorted(place.iterdir()) if place.is_dir() else [place] if place.exists() else []
    return [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files if path.is_file()]


def _build(model: str, material: Material, folder: Path) -> Built:
    base = _base(model, material)
    train, valid = material.side("train"), material.side("valid")
    specs = [_sized(material, base, folder, shots) for shots in (SHOTS if valid else SHOTS[:1])]
    trials = [_trial(material, base, spec, folder) for spec in specs] if valid else [()]
    scores = [material.metric([row.target for row in valid], answers) if valid else 0.0 for answers in trials]
    best = scores.index(max(scores))
    gguf.fit([*train, *valid], folder, base, specs[best], task=material.plan.task)
    settings: dict[str, str | int | float | bool] = {
        "model": Path(model).name,
        "weights": _quantization(base.weights),
        "shots": specs[best].shots,
        "context": specs[best].context,
        "slots": specs[best].slots,
    }
    for spec, answers in zip(specs, trials if valid else (), strict=False):
        settings[f"validation_{spec.shots}_shots"] = _told(material, answers)
    return Built(settings=settings, answers=trials[best])


def _told(material: Material, answers: Sequence[str]) -> str:
    """Write the metric that choices are made by, as measured on the validation rows."""
    task, metric = material.plan.task, material.plan.metric
    scores = judging.judged(task, material.side("valid"), [Answer(value=answer) for answer in answers])
    return f"{metric} {percent(judging.measure(task, scores, material.labels())[metric])}"


def _base(model: str, material: Material) -> Base:
    """Find the weights; those of a folder are converted once a run."""
    place = hub.find(model, _PATTERNS, extra="gguf")
    if place.is_dir():
        ready = sorted(place.glob("*.gguf"))
        if len(ready) != 1:
            return _converted(place, model, material)
        place = ready[0]
    return Base(weights=place)


def _converted(place: Path, model: str, material: Material) -> Base:
    key = digest(["weights", model, _signature(place), QUANTIZATION])
    kept = material.run.artifact("weights", key)
    if kept is None:
        material.tell(Progress(stage="climb", message=f"converting {place.name} to GGUF, {QUANTIZATION}"))
        with material.run.staging() as staging:
            convert(place, staging / WEIGHTS, QUANTIZATION)
            kept = material.run.seal("weights", key, staging)
    return Base(weights=kept / WEIGHTS)


def _quantization(weights: Path) -> str:
    """Name what most of the weights are stored as."""
    sizes: dict[str, int] = {}
    for tensor in gguf_format.inspect(weights).tensors.values():
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.nbytes
    return max(sizes, key=lambda kind: (sizes[kind], kind), default="unknown").lower()


def _sized(material: Material, base: Base, folder: Path, shots: int) -> GgufSpec:
    """Find the context that the task's texts need: questions and answers of nearly all of them fit."""
    trained = gguf_format.inspect(base.weights).number("context_length") or LONGEST_CONTEXT
    spec = GgufSpec(context=min(LONGEST_CONTEXT, trained), slots=1, threads=1, shots=shots)
    train, valid = material.side("train"), material.side("valid")
    answer = question.longest([row.target for row in train])
    spec = dataclasses.replace(spec, max_output_tokens=min(answer, spec.context // 2))
    gguf.fit(train, folder, dataclasses.replace(base, copy=False), spec, task=material.plan.task)
    model = gguf.load(folder)
    try:
        rows = (valid or train)[:: max(1, len(valid or train) // _SIZED)]
        lengths = sorted(len(model.question(row.input).tokens) for row in rows)
    finally:
        model.close()
    need = lengths[int(0.95 * (len(lengths) - 1))] + spec.max_output_tokens + 1
    context = min(spec.context, -(-need // _CONTEXT_STEP) * _CONTEXT_STEP)
    return dataclasses.replace(spec, context=context, slots=SLOTS, threads=None)


def _trial(material: Material, base: Base, spec: GgufSpec, folder: Path) -> tuple[str, ...]:
    """Answer the validation rows with a model whose examples are training rows alone."""
    train, valid = material.side("train"), material.side("valid")
    gguf.fit(train, folder, dataclasses.replace(base, copy=False), spec, task=material.plan.task)
    model = gguf.load(folder)
    answers: list[str] = []
    try:
        for start in range(0, len(valid), _CHUNK):
            found = model.answer([row.input for row in valid[start : start + _CHUNK]])
            answers += [answer.value or "" for answer in found]
            message = f"asking the model with {spec.shots} examples"
            material.tell(Progress(stage="climb", message=message, done=len(answers), total=len(valid)))
    finally:
        model.close()
    return tuple(answers)
