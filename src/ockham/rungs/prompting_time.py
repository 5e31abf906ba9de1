"""How long a language model that nobody named would be prompted for: it is not worth hours that nobody asked for."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence

from ockham import catalog, machine
from ockham.catalog import Architecture
from ockham.errors import ConfigError
from ockham.planning.speed import prefill_seconds, step_seconds
from ockham.planning.this_machine import processor
from ockham.records import Example
from ockham.rungs.decoder_prompted import SHOTS
from ockham.rungs.decoder_weights import QUANTIZATION, model_name, on_graphics
from ockham.rungs.rung import RunContext

LONGEST_MINUTES = 5.0
SMALL = 50e6
"""Parameters up to which a model is always tried: it takes seconds."""
_CHARACTERS = 4
"""Characters of English for a token."""
_ORDERS = 100
"""Tokens of a prompt around its texts."""


def too_slow(model: str, context: RunContext) -> str | None:
    """Say that prompting a model on the validation and test rows would take long here, with the figure, or nothing."""
    shape = _find_shape(model)
    if shape is None or shape.parameters < SMALL or context.config.every or on_graphics(context.config.device):
        return None
    now = dt.datetime.now(dt.timezone.utc)
    device = processor(machine.cache(), now, time.process_time)
    seconds = {shots: _seconds(shape, context.side("train"), shots, device) for shots in SHOTS}
    valid, test = len(context.side("valid")), len(context.side("test"))
    minutes = (sum(seconds.values()) * valid + max(seconds.values()) * test) / 60
    if minutes <= LONGEST_MINUTES:
        return None
    rows = f"{valid + test:,} validation and test rows"
    return (
        f"prompting it would take about {minutes:,.0f} minutes here ({rows}; --models {model_name(model)} prompts it)"
    )


def _find_shape(model: str) -> Architecture | None:
    try:
        return catalog.find_architecture(model_name(model))
    except ConfigError:
        return None


def _seconds(shape: Architecture, rows: Sequence[Example], shots: int, device: catalog.Device) -> float:
    """Predict the seconds of one answer with so many examples in its prompt."""
    if not rows:
        return 0.0
    question = sum(len(row.input) for row in rows) / len(rows) / _CHARACTERS
    answer = sum(len(row.target) for row in rows) / len(rows) / _CHARACTERS
    engine = catalog.engine("cpu", encoders=False)
    prompt = round(_ORDERS + question + shots * (question + answer))
    reading = prefill_seconds(shape, QUANTIZATION, prompt, device, engine)
    return reading + answer * step_seconds(shape, QUANTIZATION, prompt, 1, device, engine)
