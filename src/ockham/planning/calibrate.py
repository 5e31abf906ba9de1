"""Correct the predictions by measuring: this machine's rates, and how wrong the predictions were before."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from ockham.errors import RunError, StoreError
from ockham.records.plan import PastError
from ockham.store import decode, encode, save_bytes
from ockham.store.journal import append_row, read_rows

CALIBRATION = "calibration.json"
JOURNAL = "predictions.jsonl"
_MAX_AGE = dt.timedelta(days=1)
_ROWS, _COLUMNS, _SIDE = 16_384, 4096, 1024
_PASSES = 25

Clock = Callable[[], float]
What = Literal["memory", "speed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a machine reaches: gigabytes read a second and 10^9 operations a second in FP32, with so many threads.

    ``chosen`` says that the number of threads was found by measuring, not named; ``engine_seconds`` are those of
    `engine_probe.read_seconds`.
    """

    processor: str
    created_at: str
    threads: int
    chosen: bool
    bandwidth_gb_s: float = field(metadata={"above": 0})
    gflops: float = field(metadata={"above": 0})
    engine_seconds: float | None = field(default=None, metadata={"above": 0})


def measure(processor: str, threads: Sequence[int], now: dt.datetime, clock: Clock) -> Calibration:
    """Measure how fast this machine reads memory and multiplies, in a few seconds and 300 MB.

    Reading is a matrix of 268 MB times a vector, as writing a token does it; multiplying is a square product in FP32.
    ``clock`` counts processor time over all threads, so that other programs disturb it little; the best of 25 passes
    counts. Of several numbers of ``threads`` the one that multiplies fastest is taken.
    """
    import numpy as np

    tall, vector = np.ones((_ROWS, _COLUMNS), np.float32), np.ones(_COLUMNS, np.float32)
    square = np.ones((_SIDE, _SIDE), np.float32)
    multiplying = {number: _best(lambda: square @ square, number, clock) for number in threads}
    fastest = min(multiplying, key=lambda number: multiplying[number])
    reading = _best(lambda: tall @ vector, fastest, clock)
    return Calibration(
        processor=processor,
        created_at=now.isoformat(timespec="seconds"),
        threads=fastest,
        chosen=len(threads) > 1,
        bandwidth_gb_s=4.0 * _ROWS * _COLUMNS / reading / 1e9,
        gflops=2.0 * _SIDE**3 / multiplying[fastest] / 1e9,
    )


def load_calibration(cache: Path, processor: str, threads: int | None, now: dt.datetime) -> Calibration | None:
    """Return the calibration kept in the folder ``cache``, if it is of this processor and not over a day old.

    ``threads`` is the number that was named; without one the calibration must have chosen its own.
    """
    try:
        measured = decode((cache / CALIBRATION).read_bytes(), Calibration)
        age = now - dt.datetime.fromisoformat(measured.created_at)
    except (OSError, RunError, ValueError, TypeError):
        # A cache that cannot be read is measured anew.
        return None
    same = measured.processor == processor and (measured.chosen if threads is None else measured.threads == threads)
    return measured if same and dt.timedelta(0) <= age <= _MAX_AGE else None


def save_calibration(cache: Path, measured: Calibration) -> None:
    """Keep a calibration in the folder ``cache``. Raises `StoreError` where the disk refuses."""
    save_bytes(cache / CALIBRATION, encode(measured))


def record(cache: Path, what: What, predicted: float, measured: float, work: str | None = None) -> None:
    """Write down a prediction beside what was measured later; ``work`` names the measurement.

    Memory in MB, speed in milliseconds an answer. Raises `StoreError` where the disk refuses.
    """
    row = {"what": what, "predicted": predicted, "measured": measured}
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{cache}: the folder cannot be made ({error.strerror})"
        raise StoreError("E_DISK", message, fix="make it, or name another by XDG_CACHE_HOME") from None
    append_row(cache / JOURNAL, encode(row if work is None else {**row, "work": work}))


def recorded_comparisons(cache: Path) -> set[tuple[str, str]]:
    """Return kind and name of each measurement written down in the folder ``cache``.

    Raises `StoreError` where it is damaged.
    """
    return {(str(row.get("what")), str(row["work"])) for row in read_rows(cache / JOURNAL) if "work" in row}


def past_error(cache: Path) -> PastError | None:
    """Say how wrong the predictions in ``cache`` were; ``None`` where there are none or they are damaged."""
    try:
        rows = read_rows(cache / JOURNAL)
    except StoreError:
        return None
    errors: dict[str, list[float]] = {"memory": [], "speed": []}
    for row in rows:
        predicted, measured = row.get("predicted"), row.get("measured")
        comparable = isinstance(predicted, (int, float)) and isinstance(measured, (int, float)) and measured > 0
        if comparable and row.get("what") in errors:
            errors[cast("str", row["what"])].append(abs(cast("float", predicted) / cast("float", measured) - 1))
    memory, speeds = errors["memory"], errors["speed"]
    if not memory and not speeds:
        return None
    return PastError(
        n=len(memory) + len(speeds),
        memory=_median(memory),
        speed=_median(speeds),
        n_memory=len(memory),
        n_speed=len(speeds),
    )


def _best(work: Callable[[], object], threads: int, clock: Clock) -> float:
    from threadpoolctl import threadpool_limits

    seconds = []
    with threadpool_limits(limits=threads):
        for _ in range(_PASSES):
            start = clock()
            work()
            seconds.append(clock() - start)
    return min(seconds) / threads


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
