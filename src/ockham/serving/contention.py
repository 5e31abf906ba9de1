"""Whether other programs took the processor from a measurement: what this process waited for, and who had it instead.

Linux says how long each thread was ready to run and did not (``schedstat``), and what all programs together used
(``/proc/stat``). Elsewhere the load average has to do.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ockham.machine import ROOT

BUSY = 0.05
"""The share of a measurement that may be lost to other programs before its times are no longer this model's own."""
SHORTEST_S = 0.5
"""A shorter measurement is judged by what its own threads waited: others are counted in hundredths of a second."""
_LEAST_S = 0.01
"""A still shorter one is not judged: a single turn of another program is a good part of it."""
_FULL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorUse:
    """Processor seconds up to a moment; ``None`` where the system does not tell.

    ``own`` are those of this process, ``waited`` those in which its living threads were ready and had none, ``all``
    those of all programs, and ``stolen`` those that a hypervisor gave to other machines. ``load`` is the mean number of
    running threads in the last minute.
    """

    wall: float
    own: float
    waited: float | None
    all: float | None
    stolen: float | None
    load: float | None


def processor_use(root: Path = ROOT) -> ProcessorUse:
    """Return what has been used of the processor so far."""
    every, stolen = _machine_seconds(root)
    load = None
    with suppress(OSError, AttributeError):  # not every system has one
        load = os.getloadavg()[0]
    return ProcessorUse(
        wall=time.perf_counter(),
        own=time.process_time(),
        waited=_waited_seconds(root),
        all=every,
        stolen=stolen,
        load=load,
    )


def lost_share(before: ProcessorUse, after: ProcessorUse, processors: int) -> float | None:
    """Return the share of the time between two moments that other programs took from this process, 0 for none.

    A process that waits for its own threads alone has lost nothing. ``processors`` are those of the machine. ``None``
    where too little time has passed, or the system does not tell.
    """
    wall = after.wall - before.wall
    if wall < _LEAST_S:
        return None
    own = (after.own - before.own) / wall
    if wall < SHORTEST_S:
        return _waited_share(before, after, own, processors)
    every, stolen, waited = (
        None if first is None or last is None else max(0.0, last - first) / wall
        for first, last in ((before.all, after.all), (before.stolen, after.stolen), (before.waited, after.waited))
    )
    if every is None:
        if after.load is None:
            return None
        others = max(0.0, after.load - own)
        return others / (others + 1) if others >= processors else 0.0
    others = max(0.0, every - own)
    shares = [min(1.0, stolen or 0.0)]
    if others > BUSY:
        shares.append(min(1.0, others, waited or 0.0))
        # Threads that have ended took their waiting with them: then a full machine has to do.
        if own + others > _FULL * processors and others > own * BUSY:
            shares.append(min(1.0, others / (own + others)))
    lost = max(shares)
    return lost if lost > BUSY else 0.0


def _waited_share(before: ProcessorUse, after: ProcessorUse, own: float, processors: int) -> float | None:
    """Return the share of a short time in which threads waited that were not more than the processors."""
    if before.waited is None or after.waited is None:
        return None
    waited = max(0.0, after.waited - before.waited) / (after.wall - before.wall)
    return min(1.0, waited) if waited > BUSY and own + waited <= processors else 0.0


def _waited_seconds(root: Path) -> float | None:
    """Sum the seconds that the living threads of this process waited for a processor."""
    waited = None
    for path in (root / "proc/self/task").glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):  # a thread may end meanwhile
            waited = (waited or 0.0) + int(path.read_text(encoding="ascii").split()[1]) / 1e9
    return waited


def _machine_seconds(root: Path) -> tuple[float | None, float | None]:
    """Return the processor seconds of all programs, and the stolen ones, since the machine began."""
    try:
        first = (root / "proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
        user, nice, system, _idle, _io, irq, soft, steal = map(int, first[1:9])
        ticks = os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return None, None
    return (user + nice + system + irq + soft) / ticks, steal / ticks
