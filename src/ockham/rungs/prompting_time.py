"""How long a language model that nobody named would be prompted for: it is not worth hours that nobody asked for."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

from ockham import catalog, machine
from ockham.catalog import Architecture
from ockham.errors import ConfigError
from ockham.llm.prompt_builder import PromptTask, task_shown
from ockham.llm.prompts import Shot
from ockham.planning.speed import prefill_seconds, step_seconds
from ockham.planning.this_machine import processor
from ockham.readers.row_sample import evenly_spaced
from ockham.records import Example
from ockham.rungs.decoder_prompted import SHOTS
from ockham.rungs.decoder_weights import QUANTIZATION, model_name, on_graphics
from ockham.rungs.rung import RunContext

LONGEST_MINUTES = 5.0
SMALL = 50e6
"""Parameters up to which a model is always tried: it takes seconds."""
_CHARACTERS = 4
"""Characters of English for a token."""
_MARKS = 5
"""Tokens that a template writes around a turn: its marks, its role, its line breaks."""
_FORKS = {0: 6, 8: 3}
"""Forks that the search for the best label asks at, for each token of a label, with so many examples in the prompt:
the mean over the sets of `scripts/bench label_search`."""
_REQUESTS = 2
"""Requests that a fork takes (`ockham.llm.llamacpp.Engine.likelihoods`)."""
_PROFILED, _PROFILE_SECONDS = 100, 120.0
"""Answers that are timed beside those that are judged, and about how long at most: warm-up, single ones and rounds, for
the profiles of two sides."""
_SAMPLE = 50


def too_slow(model: str, context: RunContext) -> str | None:
    """Say that prompting a model on the validation and test rows would take long here, with the figure, or nothing."""
    shape = _find_shape(model)
    if shape is None or shape.parameters < SMALL or context.config.every or on_graphics(context.config.device):
        return None
    minutes = prompting_seconds(shape, context) / 60
    if minutes <= LONGEST_MINUTES:
        return None
    rows = f"{len(context.side('valid')) + len(context.side('test')):,} validation and test rows"
    return (
        f"prompting it would take about {minutes:,.0f} minutes here ({rows}; --models {model_name(model)} prompts it)"
    )


def prompting_seconds(shape: Architecture, context: RunContext) -> float:
    """Predict the seconds that prompting a model takes in a run: to choose the examples, to answer, and to be timed."""
    now = dt.datetime.now(dt.timezone.utc)
    device = processor(machine.cache(), now, time.process_time)
    seconds = {shots: answer_seconds(shape, context, shots, device) for shots in SHOTS}
    valid, test = len(context.side("valid")), len(context.side("test"))
    slowest = max(seconds.values())
    return sum(seconds.values()) * valid + slowest * test + min(_PROFILED * slowest, _PROFILE_SECONDS)


def _find_shape(model: str) -> Architecture | None:
    try:
        return catalog.find_architecture(model_name(model))
    except ConfigError:
        return None


def answer_seconds(shape: Architecture, context: RunContext, shots: int, device: catalog.Device) -> float:
    """Predict the seconds of one answer with so many examples in its prompt.

    The orders are read once and kept; examples and text are read for each row. A label is then searched for fork by
    fork; anything else is written token by token.
    """
    rows = context.side("train")
    sample = evenly_spaced(rows, _SAMPLE)
    if not sample:
        return 0.0
    task = asked_task(context)
    orders, question, answer = _mean_lengths(task, sample)
    reads = round(question + shots * (question + answer))
    engine = catalog.engine("cpu", encoders=False)
    reading = prefill_seconds(shape, QUANTIZATION, reads, device, engine, cached=round(orders))
    steps = answer
    if task.name == "classify":
        steps = (answer + 1) * _FORKS[shots] * _REQUESTS if len(task.labels) > 1 else 0.0
    return reading + steps * step_seconds(shape, QUANTIZATION, round(orders) + reads, 1, device, engine)


def asked_task(context: RunContext) -> PromptTask:
    """Return what a prompted model is asked in a run (`ockham.models.causal_lm.fit`)."""
    config = context.config
    return task_shown(config.task, context.side("train"), config.instructions)


def _mean_lengths(task: PromptTask, rows: Sequence[Example]) -> tuple[float, float, float]:
    """Estimate the tokens of the orders, and of the turns of a text and of its answer in the mean over rows."""
    orders, *_ = task.chat((), "")
    turns = [task.chat((Shot(text=row.input, label=row.target),), "")[1:3] for row in rows]
    texts, answers = zip(*turns, strict=True)

    def mean(messages: Sequence[dict[str, str]]) -> float:
        return sum(len(message["content"]) for message in messages) / len(messages) / _CHARACTERS

    return len(orders["content"]) / _CHARACTERS + _MARKS, mean(texts) + _MARKS, mean(answers) + _MARKS
