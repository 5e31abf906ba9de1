"""What planning says: values only. Megabytes are 10^6 bytes, gigabytes 10^9, money is in the prices' currency."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ockham.records import Finding

Quantization = Literal["f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0", "int8"]
Method = Literal["lora", "qlora", "full"]
Purpose = Literal["serving", "tuning"]

_ABOVE = {"above": 0}
_COUNT = {"min": 1, "max": 1_000_000}


LABEL_TOKENS = 32
"""The longest answer that a label may be: longer ones have to be written, which no encoder does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSpec:
    """What to plan for. Without ``models`` the whole catalogue; without ``device`` this machine."""

    models: tuple[str, ...] = ()
    quantizations: tuple[Quantization, ...] = ()
    context: int | None = field(default=None, metadata={"min": 2, "max": 10_000_000})
    concurrency: int = field(default=1, metadata={"min": 1, "max": 4096})
    device: str | None = None
    count: int = field(default=1, metadata={"min": 1, "max": 1024})
    memory_gb: float | None = field(default=None, metadata=_ABOVE)
    threads: int | None = field(default=None, metadata={"min": 1, "max": 1024})
    purpose: Purpose = "serving"
    input_tokens: int = field(default=200, metadata=_COUNT)
    output_tokens: int = field(default=20, metadata=_COUNT)
    max_p95_ms: float | None = field(default=None, metadata=_ABOVE)
    requests_per_day: float | None = field(default=None, metadata=_ABOVE)
    apis: tuple[str, ...] = ()
    years: float = field(default=3.0, metadata={"above": 0, "max": 30})
    rows: int = field(default=1000, metadata={"min": 1, "max": 10_000_000_000})
    epochs: float = field(default=3.0, metadata={"above": 0, "max": 10_000})
    batch: int = field(default=8, metadata={"min": 1, "max": 100_000})
    rank: int = field(default=16, metadata={"min": 1, "max": 4096})
    checkpointing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What serving a model takes. ``total_mb`` must fit; ``reclaimable_mb`` comes on top while there is room.

    On a CPU the pages of a file whose weights were copied into another order stay resident until they are wanted.
    """

    weights_mb: float
    kv_cache_mb: float
    activations_mb: float
    overhead_mb: float
    total_mb: float
    reclaimable_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a model answers. The truth is expected between the prediction divided and multiplied by ``spread``.

    ``tokens_per_s`` is one answer's rate of writing (``None`` for an encoder, which writes nothing); ``answers_per_s``
    counts all answers that are worked on at a time.
    """

    first_token_ms: float
    tokens_per_s: float | None
    answer_ms: float
    answers_per_s: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A model in one quantization on the device. ``devices`` is how many of them it needs; ``good_for`` lists uses."""

    model: str
    kind: Literal["encoder", "decoder"]
    parameters_m: float
    licence: str
    quantization: Quantization
    context: int
    fits: bool
    devices: int
    why: str
    memory: Memory
    speed: Speed
    max_p95_ms: Finding | None
    good_for: tuple[str, ...]
    engine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningForecast:
    """What tuning a model takes. ``saves`` is the share of full tuning's memory that the method spares."""

    model: str
    method: Method
    trained_m: float
    weights_mb: float
    gradients_mb: float
    optimizer_mb: float
    activations_mb: float
    overhead_mb: float
    total_mb: float
    hours: float
    fits: bool
    devices: int
    saves: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the requests cost somewhere. ``break_even_per_day`` is the traffic from which the planned device is cheaper.

    It is ``None`` where there is no such traffic, or no price to compare with.
    """

    name: str
    kind: Literal["api", "rent", "own"]
    per_day: float
    per_year: float
    per_million: float | None
    machines: int | None
    answers_per_s: float | None
    break_even_per_day: float | None
    date: str
    stale: bool
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReach:
    """The largest model that surely answers within the limit on a device; ``None`` where none does.

    ``ms`` is the whole answer's time.
    """

    device: str
    limit_ms: float
    model: str | None
    quantization: Quantization | None
    ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDevice:
    """What was planned for, and where its numbers come from."""

    name: str
    kind: str
    count: int
    memory_gb: float
    usable_gb: float
    bandwidth_gb_s: float
    tflops: float
    threads: int | None
    features: tuple[str, ...]
    gpus: tuple[str, ...]
    measured: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastError:
    """How wrong predictions on this machine were: the median size of the error, as a share of what was measured.

    ``n`` measurements in all, ``n_memory`` and ``n_speed`` of each kind.
    """

    n: int
    memory: float | None
    speed: float | None
    n_memory: int = 0
    n_speed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one planning found out. ``largest`` is the largest model that surely meets what was asked."""

    ockham: str
    purpose: Purpose
    device: PlannedDevice
    input_tokens: int
    output_tokens: int
    concurrency: int
    requests_per_day: float | None
    max_p95_ms: float | None
    forecasts: tuple[Forecast, ...]
    largest: str | None
    tuning: tuple[TuningForecast, ...]
    costs: tuple[Cost, ...]
    costs_of: str | None
    costs_against: str | None
    currency: str
    reach: tuple[DeviceReach, ...]
    past_error: PastError | None
    notes: tuple[str, ...]
