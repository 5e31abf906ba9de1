"""The decoder rung: a causal language model, quantized and prompted.

How many examples a prompt shows is chosen on the validation rows, which stand in no prompt while it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ockham.decoders.weights import base_of, called, quantization, sized
from ockham.evals import judging
from ockham.models import gguf
from ockham.models.gguf import Base, GgufSpec
from ockham.records import Answer, Progress
from ockham.rungs import Built, Material
from ockham.verdict.sentences import percent

SHOTS = (0, 8)
"""Examples shown with a text, for validation to choose from."""
_CHUNK = 16


def build(model: str, material: Material, folder: Path) -> Built:
    """Make the bundle of a prompted model. Raises `ModelError`."""
    base = base_of(model, material)
    train, valid = material.side("train"), material.side("valid")
    specs = [sized(material, base, folder, shots) for shots in (SHOTS if valid else SHOTS[:1])]
    trials = [trial(material, base, spec, folder) for spec in specs] if valid else [()]
    scores = [material.metric([row.target for row in valid], answers) if valid else 0.0 for answers in trials]
    best = scores.index(max(scores))
    gguf.fit([*train, *valid], folder, base, specs[best], task=material.plan.task)
    settings: dict[str, str | int | float | bool] = {
        "model": called(model),
        "weights": quantization(base.weights),
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


def trial(material: Material, base: Base, spec: GgufSpec, folder: Path) -> tuple[str, ...]:
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
