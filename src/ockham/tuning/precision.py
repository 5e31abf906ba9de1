"""What a decoder is tuned in: 32 bits, or 16 where those were measured to pay on the processor at hand.

Instructions for bfloat16 are no proof that it is faster, nor is their absence one that it is slower: a short piece of
the real work, a matrix with its adapter forward and backward, is timed in both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from ockham.records import DeviceName, Precision
from ockham.tuning.loop import single_threaded

if TYPE_CHECKING:
    import torch

GAIN = 1.25
"""How many times as fast bfloat16 must be to be taken: it gives up 16 of float32's 24 binary digits."""
HOPELESS = 1 / 3
"""A first speedup below this one settles it."""
ROUNDS = 5
_TOKENS, _INPUTS, _OUTPUTS, _RANK = 128, 576, 1536, 16
"""A matrix of SmolLM2-135M's feed-forward block, with the adapter that is usual."""
_BOTH: Final[tuple[Precision, Precision]] = ("float32", "bfloat16")

Seconds = Callable[[Precision], float]
"""A precision → the seconds that a fixed piece of work took in it."""


def compute_device(requested: DeviceName) -> Literal["cpu", "cuda"]:
    """Return where torch tunes: on a graphics processor where it sees one, unless the processor was asked for."""
    import torch

    return "cuda" if requested != "cpu" and torch.cuda.is_available() else "cpu"


def graphics_name() -> str:
    """Return the name of the graphics processor that torch computes on."""
    import torch

    return str(torch.cuda.get_device_name())


def torch_dtype(precision: Precision) -> torch.dtype:
    """Return torch's name of a precision."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def faster(speedup: float) -> Precision:
    """Return the precision to tune in where bfloat16 is so many times as fast as float32."""
    return "bfloat16" if speedup >= GAIN else "float32"


def measure_speedup(seconds: Seconds) -> float:
    """Return how many times as fast bfloat16 is as float32: the median over rounds in which they take turns.

    A pass of each before them, which loads their code, does not count.
    """
    for precision in _BOTH:
        seconds(precision)
    ratios: list[float] = []
    while len(ratios) < ROUNDS and not (ratios and ratios[0] < HOPELESS):
        ratios.append(seconds("float32") / seconds("bfloat16"))
    return statistics.median(ratios)


def step_timer(device: Literal["cpu", "cuda"], clock: Callable[[], float] | None = None) -> Seconds:
    """Return a timer of one matrix with its adapter, forward and backward, as one thread of the tuning computes it.

    Without a ``clock`` a processor's own time counts: by the wall's, other programs would choose the precision.
    """
    import torch
    from torch.nn.functional import linear

    now = clock or (time.process_time if device == "cpu" else time.perf_counter)
    draw = torch.Generator().manual_seed(0)

    def values(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw).to(device)

    inputs, weight = values(_TOKENS, _INPUTS), values(_OUTPUTS, _INPUTS)
    down, up = (part.requires_grad_() for part in (values(_RANK, _INPUTS), values(_OUTPUTS, _RANK)))
    # The adapter stays in 32 bits beside either, as peft keeps it.
    ready = {
        precision: (inputs.to(torch_dtype(precision)).requires_grad_(), weight.to(torch_dtype(precision)))
        for precision in _BOTH
    }

    def seconds(precision: Precision) -> float:
        entering, frozen = ready[precision]
        with single_threaded():
            begun = now()
            low = linear(linear(entering.float(), down), up)
            out = linear(entering, frozen) + low.to(entering.dtype)
            torch.autograd.grad(out.float().square().sum(), (entering, down, up))
            if device == "cuda":
                torch.cuda.synchronize()
            return now() - begun

    return seconds
