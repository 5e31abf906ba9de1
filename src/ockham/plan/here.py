"""This machine as a device: what the system says, and what was measured."""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham import machine
from ockham.catalog import Device, device
from ockham.errors import ConfigError, StoreError
from ockham.machine import ROOT
from ockham.plan import calibrate
from ockham.plan.calibrate import Calibration, Clock
from ockham.plan.records import PastError

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "sve", "i8mm")
"""What the processor may have that engines make use of, as ``/proc/cpuinfo`` names it."""

_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
_SECONDS = 10
_log = logging.getLogger(__name__)

Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A graphics processor of this machine and its memory in GB."""

    name: str
    memory_gb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
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
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.M)
    flags = set(found.group(1).split()) if found else set()
    return tuple(one for one in FEATURES if one in flags)


def ask(command: Sequence[str]) -> str:
    """Run a program and give what it prints; nothing where it is not installed or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(list(command), capture_output=True, check=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout


def gpus(root: Path = ROOT, run: Run = ask) -> tuple[Gpu, ...]:
    """List graphics processors with memory of their own: NVIDIA's as their driver says, AMD's from /sys."""
    found = []
    for line in run(_QUERY).splitlines():
        name, _, memory = line.rpartition(",")
        if name.strip() and memory.strip().isdigit():
            found.append(Gpu(name=name.strip(), memory_gb=int(memory) * 2**20 / 1e9))
    for path in sorted((root / "sys/class/drm").glob("card*/device/mem_info_vram_total")):
        text = path.read_text(encoding="ascii", errors="replace").strip()
        if text.isdigit() and int(text) > 2**30:
            found.append(Gpu(name="AMD GPU", memory_gb=int(text) / 1e9))
    return tuple(found)


def look(cache: Path, now: dt.datetime, clock: Clock, *, threads: int | None = None, anew: bool = False) -> Place:
    """Describe this machine as a place to plan for: its largest known graphics processor, else its processor.

    The processor's rates are measured as in `processor`.
    """
    seen, has = gpus(), features()
    names = tuple(f"{one.name}, {one.memory_gb:.0f} GB" for one in seen)
    past = calibrate.past_error(cache)
    card = best_gpu(seen)
    if card is not None:
        return Place(device=card, features=has, gpus=names, past_error=past)
    found = processor(cache, now, clock, threads=threads, anew=anew)
    return Place(
        device=found,
        free_gb=machine.available_memory_gb(),
        threads=found.cores,
        features=has,
        gpus=names,
        past_error=past,
    )


def processor(cache: Path, now: dt.datetime, clock: Clock, *, threads: int | None = None, anew: bool = False) -> Device:
    """Describe this machine's processor with its rates.

    They are measured, unless the folder ``cache`` holds a calibration that still counts; ``anew`` measures in any case.
    A cache that cannot be written is told in a warning.
    """
    name, cores = machine.look(()).processor, machine.cores()
    found = None if anew else calibrate.remembered(cache, name, threads, now)
    if found is None:
        found = calibrate.measure(name, sorted({1, cores}) if threads is None else [threads], now, clock)
        try:
            calibrate.keep(cache, found)
        except StoreError as error:
            _log.warning("the calibration is not kept: %s", error.message)
    return this_machine(f"{name}, {cores} cores", machine.memory_gb(), found)


def this_machine(name: str, memory_gb: float, measured: Calibration) -> Device:
    """Describe this machine's processor as a device, with its measured rates."""
    return Device(
        name=name,
        kind="cpu",
        memory_gb=memory_gb,
        bandwidth_gb_s=measured.bandwidth_gb_s,
        fp32_tflops=measured.gflops / 1000,
        cores=measured.threads,
        date=measured.made[:10],
        source=f"measured {measured.made[:10]} with {measured.threads} thread{'s' if measured.threads != 1 else ''}",
    )


def best_gpu(found: Sequence[Gpu]) -> Device | None:
    """Give the catalogue's entry of the largest graphics processor that it knows, with the memory found here."""
    known = ((one, _known(one.name)) for one in sorted(found, key=lambda gpu: -gpu.memory_gb))
    return next((dataclasses.replace(of, memory_gb=one.memory_gb) for one, of in known if of is not None), None)


def _known(name: str) -> Device | None:
    try:
        return device(name)
    except ConfigError:
        return None
