"""How long the engine's threads spin where they wait for one another, before they sleep.

The engine computes with OpenMP. By default its threads spin for about a millisecond at each of the hundreds of meetings
that a token has. Where another program has a core, the thread that is waited for cannot run meanwhile: beside two busy
programs on two cores, an answer took 57 times as long as alone. With short spins it takes 4 times as long, and alone as
long as before. How short they may be depends on the processor: what is too short sleeps at every meeting.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ockham import machine

VARIABLE = "GOMP_SPINCOUNT"
"""GNU's OpenMP reads the variable once, when it is loaded."""
_SPINS = 300
"""AMD EPYC, two cores: 1,000 took 1.4 times as long beside two busy programs, and 100 took 1.5 times as long alone."""
_SPINS_ON_INTEL = 1000
"""Intel Xeon at 2.8 GHz, two cores: with 300 two threads were no faster than one, with 1,000 to 300,000 1.7 times;
beside two busy programs 1,000 took 1.2 to 1.4 times as long as 300."""
_OF_THE_USER = (VARIABLE, "OMP_WAIT_POLICY")


@contextmanager
def short_spins() -> Iterator[None]:
    """Hold what is loaded in this block to short spins; where the user has set how threads wait, that stands."""
    if any(name in os.environ for name in _OF_THE_USER):
        yield
        return
    os.environ[VARIABLE] = str(spins(machine.processor()))
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)


def spins(processor: str) -> int:
    """Return how often threads look on a processor of that name before they sleep."""
    return _SPINS_ON_INTEL if "intel" in processor.lower() else _SPINS
