"""How long the engine's threads spin where they wait for one another, before they sleep.

The engine computes with OpenMP. By default its threads spin for about a millisecond at each of the hundreds of meetings
that a token has. Where another program has a core, the thread that is waited for cannot run meanwhile: beside two busy
programs on two cores, an answer took 57 times as long as alone. With short spins it takes 4 times as long, and alone as
long as before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE, SPINS = "GOMP_SPINCOUNT", 300
"""GNU's OpenMP reads the variable once, when it is loaded. On two cores, 1,000 spins took 1.4 times as long as 300 do
beside two busy programs, and 100 took 1.5 times as long alone."""
_OF_THE_USER = (VARIABLE, "OMP_WAIT_POLICY")


@contextmanager
def short_spins() -> Iterator[None]:
    """Hold what is loaded in this block to short spins; where the user has set how threads wait, that stands."""
    if any(name in os.environ for name in _OF_THE_USER):
        yield
        return
    os.environ[VARIABLE] = str(SPINS)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
