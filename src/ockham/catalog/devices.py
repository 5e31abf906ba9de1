"""Known devices, and what engines reach of their peak rates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, get_args

from ockham.catalog.loader import entries, lookup
from ockham.errors import Defect

DeviceKind = Literal["server-gpu", "gpu", "apple", "cpu", "phone"]

_ABOVE = {"above": 0}
_SHARE = {"above": 0, "max": 4}
_MAKERS = re.compile(
    r"\b(?:nvidia|geforce|tesla|amd|instinct|radeon|intel\(r\)|intel|\(r\)|\(tm\)|graphics|gpu)\b", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device's peak rates, as published. What each number is stands in ``devices.toml``."""

    name: str
    kind: DeviceKind
    memory_gb: float = field(metadata=_ABOVE)
    bandwidth_gb_s: float = field(metadata=_ABOVE)
    date: str
    source: str
    fp32_tflops: float | None = field(default=None, metadata=_ABOVE)
    fp16_tflops: float | None = field(default=None, metadata=_ABOVE)
    int8_tops: float | None = field(default=None, metadata=_ABOVE)
    decoder_tflops: float | None = field(default=None, metadata=_ABOVE)
    cores: int | None = field(default=None, metadata={"min": 1})
    watts: float | None = field(default=None, metadata=_ABOVE)

    @property
    def tflops(self) -> float:
        """The rate that shares of engines refer to: FP16 where it is known, but FP32 on a CPU. In 10^12 operations/s.

        Raises `Defect` where neither is known.
        """
        order = (self.fp32_tflops, self.fp16_tflops) if self.kind == "cpu" else (self.fp16_tflops, self.fp32_tflops)
        rates = [rate for rate in order if rate is not None]
        if not rates:
            raise Defect("E_DEFECT", f"{self.name} has no rate of calculation", fix="complete devices.toml")
        return rates[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingEngine:
    """What an engine reaches on a kind of device. What each number is stands in ``engines.toml``."""

    name: str
    kinds: tuple[str, ...]
    encoders: bool
    prefill_share: float = field(metadata=_SHARE)
    step_share: float = field(metadata=_SHARE)
    attention_share: float = field(metadata=_SHARE)
    step_attention_share: float = field(metadata=_SHARE)
    bandwidth_share: float = field(metadata=_SHARE)
    layer_us: float = field(metadata={"min": 0})
    overhead_mb: float = field(metadata={"min": 0})
    batch_tokens: int = field(metadata={"min": 1})
    repacks: bool
    spread: float = field(metadata={"min": 1})
    date: str
    source: str
    element_ops: float = field(default=0.0, metadata={"min": 0})
    prefill_formats: Mapping[str, float] = field(default_factory=dict, metadata=_SHARE)
    step_formats: Mapping[str, float] = field(default_factory=dict, metadata=_SHARE)

    def prefill_in(self, quantization: str) -> float:
        """Return the share of the peak rate that products reach while reading, with weights in a format."""
        return self.prefill_share * self.prefill_formats.get(quantization, 1.0)

    def step_in(self, quantization: str) -> float:
        """Return the share of the peak rate that products reach while writing, with weights in a format."""
        return self.step_share * self.step_formats.get(quantization, 1.0)


@cache
def devices() -> tuple[Device, ...]:
    """Return every known device, in the order of the file."""
    return entries(Device, "devices.toml", "device")


def device(name: str) -> Device:
    """Find a device by its name, with or without its maker's.

    Raises `ConfigError` (``E_CONFIG``) with the nearest names where there is none.
    """
    return lookup(_MAKERS.sub(" ", name), devices(), _names, "device", begun=True)


@cache
def engines() -> tuple[ServingEngine, ...]:
    """Return every engine's numbers."""
    return entries(ServingEngine, "engines.toml", "engine")


def engine(kind: DeviceKind, *, encoders: bool) -> ServingEngine:
    """Find what the engine for a kind of device reaches."""
    for engine in engines():
        if kind in engine.kinds and engine.encoders == encoders:
            return engine
    raise Defect("E_DEFECT", f"engines.toml has nothing for {kind}", fix=f"add the kinds {get_args(DeviceKind)}")


def _names(device: Device) -> Iterable[str]:
    # "Core i7-13700K, 64 GB" is found by the processor's name, "iPhone 14 Pro (A16)" by the phone's.
    return (device.name, re.split(r"[,(]", device.name)[0].strip(), device.name.removeprefix("Apple "))
