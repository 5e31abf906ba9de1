"""Time to the first token, tokens and answers a second: a roofline with what engines reach of it.

A device either waits for its arithmetic or for its memory (Williams, Waterman and Patterson 2009, "Roofline").
Reading a prompt is bound by arithmetic; writing reads every weight once for each step, however many answers share it,
and is bound by memory until the answers are many (Pope et al. 2022, arXiv 2211.05102).
"""

from __future__ import annotations

import math

from ockham.catalog import Architecture, Device, ServingEngine
from ockham.planning.memory import kv_cache
from ockham.planning.quantization import weights
from ockham.records.plan import Quantization, Speed

_GIGA, _TERA = 1e9, 1e12


def prefill_seconds(
    shape: Architecture, quantization: Quantization, tokens: int, device: Device, engine: ServingEngine, cached: int = 0
) -> float:
    """Predict the seconds to read ``tokens`` of a prompt, behind ``cached`` ones that the engine still has.

    2 operations for each weight and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1) and 2 x 2 x tokens^2 x
    heads x head size a layer for the scores and sums of attention (an engine without flash attention computes also
    those that the mask then takes out); the output matrix once. What is done to each element between two matrices
    (normed, rounded to the blocks of a product, gated) grows with their width and not with its square: small models
    spend most of their time there. No faster than the weights can be read. An encoder on a CPU reads one text on one
    core, for many small products are faster apart than divided.
    """
    held = weights(shape, quantization)
    reads = (held.matrices + (held.head or held.table)) / (device.bandwidth_gb_s * _GIGA * engine.bandwidth_share)
    operations = _prefill_operations(shape, quantization, tokens, engine, cached)
    works = operations / _rate(shape, device) * parallel_speed(shape, device)
    return shape.layers * engine.layer_us / 1e6 + max(works, reads if shape.kind == "decoder" else 0.0)


def tflops_shown(
    shape: Architecture, quantization: Quantization, tokens: int, engine: ServingEngine, seconds: float
) -> float:
    """Return the rate of a device, in 10^12 operations/s, on which a prompt is predicted to be read in ``seconds``.

    Nothing but arithmetic counts: the model has to be small enough not to wait for its weights.
    """
    arithmetic = max(seconds - shape.layers * engine.layer_us / 1e6, seconds / 10)
    return _prefill_operations(shape, quantization, tokens, engine, 0) / arithmetic / _TERA


def _prefill_operations(
    shape: Architecture, quantization: Quantization, tokens: int, engine: ServingEngine, cached: int
) -> float:
    """Count what reading a prompt takes in operations at the device's rate, each divided by what of it is reached."""
    attention = _attention(shape, cached + tokens) * tokens / engine.attention_share
    head = 2.0 * shape.table if shape.kind == "decoder" else 0.0
    products = (2.0 * shape.matrices_used * tokens + head) / engine.prefill_in(quantization)
    return products + attention + engine.element_ops * _elements(shape) * tokens


def _rate(shape: Architecture, device: Device) -> float:
    """Return the operations/s that shares of the engine refer to: a decoder's as the engine itself showed it, if so."""
    shown = device.decoder_tflops if shape.kind == "decoder" else None
    return (device.tflops if shown is None else shown) * _TERA


def step_seconds(
    shape: Architecture, quantization: Quantization, context: int, batch: int, device: Device, engine: ServingEngine
) -> float:
    """Predict the seconds of one step of writing: a token for each of ``batch`` answers, ``context`` tokens in each.

    Reads the matrices once (of experts only those that some answer goes through) and every answer's cache. Scores and
    sums of attention, and what is done between two matrices, come on top: they wait for what was read.
    """
    held = weights(shape, quantization)
    share = shape.matrices_used / shape.matrices
    if shape.experts > 1:
        # Of E experts, B tokens with k each meet E (1 - (1 - k / E)^B) in the mean.
        met = 1.0 - (1.0 - shape.experts_used / shape.experts) ** batch
        always = (shape.matrices_used - shape.experts_used / shape.experts * shape.expert_matrices) / shape.matrices
        share = always + met * shape.expert_matrices / shape.matrices
    read = held.matrices * share + (held.head or held.table) + batch * kv_cache(shape, context, 0)
    rate = _rate(shape, device)
    waits = read / (device.bandwidth_gb_s * _GIGA * engine.bandwidth_share)
    works = batch * 2.0 * (shape.matrices_used + shape.table) / (rate * engine.step_in(quantization))
    attention = batch * _attention(shape, context) / (rate * engine.step_attention_share)
    between = batch * engine.element_ops * _elements(shape) / rate
    return shape.layers * engine.layer_us / 1e6 + max(waits, works) + attention + between


def speed(
    shape: Architecture,
    quantization: Quantization,
    lengths: tuple[int, int],
    batch: int,
    device: Device,
    engine: ServingEngine,
) -> Speed:
    """Predict how fast a model answers; ``lengths`` are the tokens of prompt and answer.

    With several answers at a time their prompts are read one after the other and their tokens written together; an
    encoder on a CPU reads as many as there are cores.
    """
    prompt, answer = lengths
    first = prefill_seconds(shape, quantization, prompt, device, engine)
    if shape.kind == "encoder":
        turns = math.ceil(batch / parallel_speed(shape, device))
        return Speed(
            first_token_ms=1000 * first,
            tokens_per_s=None,
            answer_ms=1000 * first * turns,
            answers_per_s=batch / (first * turns),
            spread=engine.spread,
        )
    step = step_seconds(shape, quantization, prompt + answer // 2, batch, device, engine)
    whole = batch * first + (answer - 1) * step
    return Speed(
        first_token_ms=1000 * first,
        tokens_per_s=1 / step,
        answer_ms=1000 * whole,
        answers_per_s=batch / whole,
        spread=engine.spread,
    )


def parallel_speed(shape: Architecture, device: Device) -> int:
    """Count the texts that are read at a time, each at its share of the device's rate: an encoder's, one a core."""
    return device.cores or 1 if shape.kind == "encoder" and device.kind == "cpu" else 1


def _attention(shape: Architecture, tokens: int) -> float:
    """Count the operations of scores and sums for one token that looks at so many, in all layers."""
    return 4.0 * shape.heads * shape.head_size * shape.layers * _mean_attention_span(shape, tokens)


def _elements(shape: Architecture) -> float:
    """Count the elements between the matrices of all layers, those of the experts that a token goes through."""
    return float(shape.layers * (shape.hidden + shape.experts_used * (shape.expert_ffn or shape.ffn)))


def _mean_attention_span(shape: Architecture, tokens: int) -> float:
    """Return the mean number of tokens a layer looks at, where some look only at their window and some at none."""
    if shape.kind == "encoder":
        return float(tokens)
    looks = sum(group.layers * min(tokens, group.window or tokens) for group in shape.layer_groups if group.keys)
    return looks / shape.layers
