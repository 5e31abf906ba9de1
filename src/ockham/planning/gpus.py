"""The graphics processors of this machine: what their drivers say, and which of the catalogue's devices they are.

Drivers answer in many forms: not at all, with an error on standard output, with parts of a card (MIG), or without its
memory. What cannot be understood is left out; nothing is guessed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham.catalog import Device, devices
from ockham.machine import ROOT

NVIDIA = ("nvidia-smi", "--query-gpu=index,uuid,name,memory.total", "--format=csv,noheader,nounits")
PARTS = ("nvidia-smi", "-L")
AMD = ("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json")

_SECONDS = 10
_LEAST_BYTES = 2**30
"""Less is the part of a computer's own memory that a processor's graphics takes."""

_SLICES = 7
"""Parts into which MIG divides the arithmetic of a card (NVIDIA, "Multi-Instance GPU User Guide"); an A30 has four."""

_LIKE = 0.12
"""How far the memory that a driver tells may be from the published: it counts in 2^20 bytes and keeps some back."""

_LISTED = re.compile(r"^GPU\s+\d+:.*\(UUID:\s*(GPU-[\w-]+)\)")
_PART = re.compile(r"^\s+MIG\s+((\d+)g\.(\d+)gb)\S*\s.*\(UUID:\s*(MIG-[^)\s]+)\)")
_WORD = re.compile(r"[a-z0-9]+")
_NOISE = re.compile(
    r"nvidia|geforce|tesla|quadro|amd|instinct|radeon|graphics|gpu|tm|r|hbm\w*|sxm\d?|pcie|\d+gb|mcm|oam|ac|mba"
)

Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A graphics processor and its memory in GB (``None``: its driver does not say).

    ``part`` is the profile of a part of a card (MIG), as in ``1g.10gb``; memory is then the whole card's.
    """

    name: str
    memory_gb: float | None
    part: str | None = None

    @property
    def own_gb(self) -> float:
        """The memory that it has for itself, in GB: a part's own; 0 where that is not known."""
        return float(self.part.partition(".")[2].removesuffix("gb")) if self.part else self.memory_gb or 0.0

    @property
    def display_name(self) -> str:
        """Name and memory, for a person."""
        part = f", MIG {self.part}" if self.part else ""
        return f"{self.name}{part}, {self.own_gb:.0f} GB" if self.own_gb else f"{self.name}{part}"


def ask(command: Sequence[str]) -> str:
    """Run a program and give what it prints; nothing where it is not installed or fails."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(list(command), capture_output=True, check=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout


def gpus(root: Path = ROOT, run: Run = ask, visible: str | None = None) -> tuple[Gpu, ...]:
    """List graphics processors with memory of their own.

    NVIDIA's and the parts of them as ``nvidia-smi`` says, AMD's as ``rocm-smi`` does, or else nameless from /sys.
    ``visible`` is what ``CUDA_VISIBLE_DEVICES`` holds: numbers or identifiers of those of NVIDIA that may be used.
    """
    nvidia = list(_nvidia(run, visible))
    named = list(_amd(run(AMD)))
    return (*nvidia, *(named or _nameless(root)))


def best_gpu(processors: Sequence[Gpu]) -> Device | None:
    """Return the catalogue's entry of the largest graphics processor that it knows, with the memory found here."""
    for processor in sorted(processors, key=lambda gpu: -gpu.own_gb):
        of = catalog_entry(processor)
        if of is not None:
            return _as_found(processor, of)
    return None


def catalog_entry(gpu: Gpu) -> Device | None:
    """Find the catalogue's entry of a driver's name: the same words, nearly the same memory, the same form.

    An RTX 4090 for laptops is no RTX 4090, an H100 on a PCIe card no H100 on a module.
    """
    words = _words(gpu.name)
    form = gpu.name.casefold()
    entries = [
        device
        for device in devices()
        if _words(device.name) == words
        and (gpu.memory_gb is None or abs(gpu.memory_gb / device.memory_gb - 1) <= _LIKE)
        and not ("pcie" in form and "sxm" in device.name.casefold())
    ]
    return entries[0] if len(entries) == 1 else None


def _as_found(gpu: Gpu, of: Device) -> Device:
    """Set the memory of a card to what its driver tells; a part has its share of memory, paths and arithmetic."""
    if gpu.part is None:
        return dataclasses.replace(of, memory_gb=gpu.memory_gb or of.memory_gb)
    rate = int(gpu.part.partition("g")[0]) / _SLICES
    return dataclasses.replace(
        of,
        name=f"{of.name}, MIG {gpu.part}",
        memory_gb=gpu.own_gb,
        bandwidth_gb_s=of.bandwidth_gb_s * min(1.0, gpu.own_gb / of.memory_gb),
        fp32_tflops=of.fp32_tflops and of.fp32_tflops * rate,
        fp16_tflops=of.fp16_tflops and of.fp16_tflops * rate,
    )


def _nvidia(run: Run, visible: str | None) -> Iterator[Gpu]:
    cards: list[tuple[str, str, Gpu]] = []
    for line in run(NVIDIA).splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        # An error is told on standard output too, in words.
        if len(cells) == 4 and cells[0].isdigit() and cells[1].startswith("GPU-"):
            memory = int(cells[3]) * 2**20 / 1e9 if cells[3].isdigit() else None
            cards.append((cells[0], cells[1], Gpu(name=cells[2], memory_gb=memory)))
    parts = dict(_parts(run(PARTS))) if cards else {}
    allowed = None if visible is None else [name.strip() for name in visible.split(",")]
    for number, uuid, card in cards:
        whole = allowed is None or any(name == number or _is(name, uuid) for name in allowed)
        within = [(own, dataclasses.replace(card, part=part)) for own, part in parts.get(uuid, ())]
        yield from (gpu for own, gpu in within if whole or any(_is(name, own) for name in allowed or ()))
        if whole and not within:
            yield card


def _is(name: str, uuid: str) -> bool:
    """Tell whether an identifier, which may be cut short, is meant."""
    return len(name) > len("GPU-") and uuid.startswith(name)


def _parts(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Read the parts of each divided card: (identifier, profile) by the card's identifier."""
    inside: list[tuple[str, str]] = []
    for line in text.splitlines():
        card, part = _LISTED.match(line), _PART.match(line)
        if card is not None:
            inside = []
            yield card.group(1), inside
        elif part is not None:
            inside.append((part.group(4), part.group(1)))


def _amd(text: str) -> Iterator[Gpu]:
    """Read what ``rocm-smi`` says; warnings may stand before it, and its releases name the fields otherwise."""
    try:
        document = json.loads(text[text.index("{") :])
    except ValueError:
        return
    cards = document.items() if isinstance(document, Mapping) else ()
    for key, values in cards:
        if not str(key).startswith("card") or not isinstance(values, Mapping):
            continue
        fields = {str(name).casefold(): str(value) for name, value in values.items()}
        memory = fields.get("vram total memory (b)", "")
        names = (fields.get(name, "") for name in ("card series", "device name", "card model"))
        name = next((name for name in names if name and name != "N/A" and not name.startswith("0x")), "AMD GPU")
        if memory.isdigit() and int(memory) > _LEAST_BYTES:
            yield Gpu(name=name, memory_gb=int(memory) / 1e9)


def _nameless(root: Path) -> Iterator[Gpu]:
    for path in sorted((root / "sys/class/drm").glob("card*/device/mem_info_vram_total")):
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) > _LEAST_BYTES:
            yield Gpu(name="AMD GPU", memory_gb=int(text) / 1e9)


def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in _WORD.findall(name.casefold()) if not _NOISE.fullmatch(word))
