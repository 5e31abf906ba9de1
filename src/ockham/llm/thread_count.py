"""How many threads are fastest here and now: two on busy cores can be slower than one, so it is measured."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path

from ockham.llm.decoding import DecodingLimits
from ockham.llm.llamacpp import Engine, EngineSpec

PROMPT = 16
WRITTEN = 4
GAIN = 1.15
"""How many times as fast more threads must be to be taken: they also take the cores from everything else."""

Clock = Callable[[], float]
Time = Callable[[int, float], float]
"""(threads, seconds beyond which it does not matter any more) → seconds for a short piece of work."""

HOPELESS = 3.0
"""How many times as slow a first pass must be for the others to be left out."""


def choose(weights: Path, spec: EngineSpec, cores: int, clock: Clock = time.perf_counter) -> EngineSpec:
    """Return the spec with the threads that answered fastest: 1, half the cores, or all of them."""

    def seconds(threads: int, enough: float) -> float:
        engine = Engine(weights, dataclasses.replace(spec, threads=threads, slots=1, context=256))
        try:
            # The first pass reads the file; of two more the better one counts.
            first = _pass(engine, 0, clock)
            return first if first > enough else min(_pass(engine, start, clock) for start in (1, 2))
        finally:
            engine.close()

    return dataclasses.replace(spec, threads=fastest(seconds, cores))


def fastest(seconds: Time, cores: int) -> int:
    """Return the number of threads to take: more only where each step up is faster by a clear margin."""
    best, least = 1, seconds(1, math.inf) if cores > 1 else 0.0
    for threads in sorted({max(2, cores // 2), cores} if cores > 1 else ()):
        elapsed = seconds(threads, HOPELESS * least)
        if elapsed * GAIN < least:
            best, least = threads, elapsed
    return best


def _pass(engine: Engine, start: int, clock: Clock) -> float:
    # Another first token each time, so that nothing is taken from the cache.
    tokens = [(start + offset) % max(1, engine.head.tokens) for offset in range(PROMPT)]
    began = clock()
    engine.write(tokens, DecodingLimits(tokens=WRITTEN), slot=0)
    return clock() - began
