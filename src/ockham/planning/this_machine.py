"""This machine as a device: what the system says, and what was measured."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ockham import catalog, machine
from ockham.catalog import Device
from ockham.errors import StoreError
from ockham.machine import ROOT
from ockham.planning import calibrate, engine_probe, speed
from ockham.planning.calibrate import Calibration, Clock
from ockham.planning.gpus import best_gpu, gpus
from ockham.records.plan import PastError

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "sve", "i8mm")
"""What the processor may have that engines make use of, as ``/proc/cpuinfo`` names it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTarget:
    """Where to plan for: a device, with the memory that is free on it and what was seen of the machine."""

    device: Device
    free_gb: float | None = None
    threads: int | None = None
    features: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    past_error: PastError | None = None


def features(root: Path = ROOT) -> tuple[str, ...]:
    """Name what of `FEATURES` this processor has; nothing where the system does not say."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    match = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.M)
    flags = set(match.group(1).split()) if match else set()
    return tuple(feature for feature in FEATURES if feature in flags)


def detect_machine(
    cache: Path, now: dt.datetime, clock: Clock, *, threads: int | None = None, anew: bool = False
) -> PlanTarget:
    """Describe this machine as a place to plan for: its largest known graphics processor, else its processor.

    The processor's rates are measured as in `processor`.
    """
    seen, has = gpus(visible=os.environ.get("CUDA_VISIBLE_DEVICES")), features()
    names = tuple(gpu.display_name for gpu in seen)
    past = calibrate.past_error(cache)
    card = best_gpu(seen)
    if card is not None:
        return PlanTarget(device=card, features=has, gpus=names, past_error=past)
    device = processor(cache, now, clock, threads=threads, anew=anew)
    return PlanTarget(
        device=device,
        free_gb=machine.available_memory_gb(),
        threads=device.cores,
        features=has,
        gpus=names,
        past_error=past,
    )


def processor(
    cache: Path,
    now: dt.datetime,
    clock: Clock,
    *,
    threads: int | None = None,
    anew: bool = False,
    on_measure: Callable[[], None] | None = None,
) -> Device:
    """Describe this machine's processor with its rates.

    They are measured, unless the folder ``cache`` holds a calibration that still counts; ``anew`` measures in any case,
    and ``on_measure`` is called before. A cache that cannot be written is told in a warning.
    """
    name, cores = machine.processor(), machine.cores()
    measured = None if anew else calibrate.load_calibration(cache, name, threads, now)
    if measured is None:
        if on_measure is not None:
            on_measure()
        measured = calibrate.measure(name, sorted({1, cores}) if threads is None else [threads], now, clock)
        measured = dataclasses.replace(measured, engine_seconds=engine_probe.read_seconds(measured.threads))
        try:
            calibrate.save_calibration(cache, measured)
        except StoreError as error:
            _log.warning("the calibration is not kept: %s", error.message)
    return this_machine(f"{name}, {cores} cores", machine.memory_gb(), measured)


def this_machine(name: str, memory_gb: float, measured: Calibration) -> Device:
    """Describe this machine's processor as a device, with its measured rates."""
    return Device(
        name=name,
        kind="cpu",
        memory_gb=memory_gb,
        bandwidth_gb_s=measured.bandwidth_gb_s,
        fp32_tflops=measured.gflops / 1000,
        decoder_tflops=_decoder_tflops(measured),
        cores=measured.threads,
        date=measured.created_at[:10],
        source=f"measured {measured.created_at[:10]} with {measured.threads} "
        f"thread{'s' if measured.threads != 1 else ''}",
    )


def _decoder_tflops(measured: Calibration) -> float | None:
    """Return the rate that llama.cpp showed, if it was measured: a product in FP32 may tell little of it."""
    if measured.engine_seconds is None:
        return None
    engine = catalog.engine("cpu", encoders=False)
    shape, tokens = engine_probe.shape(), engine_probe.TOKENS
    return speed.tflops_shown(shape, engine_probe.FORMAT, tokens, engine, measured.engine_seconds)
