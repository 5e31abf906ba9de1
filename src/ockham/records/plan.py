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
    """Weights, in megabytes (10^6 bytes)."""
    kv_cache_mb: float
    """Key-value cache of all concurrent requests, in megabytes."""
    activations_mb: float
    """Intermediate results, in megabytes."""
    overhead_mb: float
    """The program and its buffers, in megabytes."""
    total_mb: float
    """What must fit, in megabytes."""
    reclaimable_mb: float
    """Memory used on top while there is room, in megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """How fast a model answers. The truth is expected between the prediction divided and multiplied by ``spread``.

    ``tokens_per_s`` is one answer's rate of writing (``None`` for an encoder, which writes nothing); ``answers_per_s``
    counts all answers that are worked on at a time.
    """

    first_token_ms: float
    """Time to the first token in milliseconds."""
    tokens_per_s: float | None
    """Tokens written per second in one answer; null for an encoder."""
    answer_ms: float
    """Time of a whole answer in milliseconds."""
    answers_per_s: float
    """Answers per second, over all concurrent requests."""
    spread: float
    """Factor by which the truth may differ either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A model in one quantization on the device. ``devices`` is how many of them it needs; ``good_for`` lists uses."""

    model: str
    """Name of the model."""
    kind: Literal["encoder", "decoder"]
    """Encoder (predicts labels) or decoder (writes text)."""
    parameters_m: float
    """Parameters in millions."""
    licence: str
    """Licence of the weights."""
    quantization: Quantization
    """Number format of the weights."""
    context: int
    """Tokens of context planned for."""
    fits: bool
    """Whether it fits into the memory of the device."""
    devices: int
    """Devices needed to hold it."""
    why: str
    """Why it fits or does not."""
    memory: Memory
    """Memory that serving it takes."""
    speed: Speed
    """How fast it answers."""
    max_p95_ms: Finding | None
    """Whether it meets the latency limit; null without one."""
    good_for: tuple[str, ...]
    """Tasks that models like it are used for."""
    engine: str
    """Program that would run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningForecast:
    """What tuning a model takes. ``saves`` is the share of full tuning's memory that the method spares."""

    model: str
    """Name of the model."""
    method: Method
    """LoRA, QLoRA or all weights."""
    trained_m: float
    """Trained parameters in millions."""
    weights_mb: float
    """Weights, in megabytes (10^6 bytes)."""
    gradients_mb: float
    """Gradients, in megabytes."""
    optimizer_mb: float
    """State of the optimizer, in megabytes."""
    activations_mb: float
    """Intermediate results, in megabytes."""
    overhead_mb: float
    """The program and its buffers, in megabytes."""
    total_mb: float
    """All memory needed, in megabytes."""
    hours: float
    """Duration in hours."""
    fits: bool
    """Whether it fits into the memory of the device."""
    devices: int
    """Devices needed to hold it."""
    saves: float
    """Share of the memory of full tuning that the method saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the requests cost somewhere. ``break_even_per_day`` is the traffic from which the planned device is cheaper.

    It is ``None`` where there is no such traffic, or no price to compare with.
    """

    name: str
    """Name of the API or machine."""
    kind: Literal["api", "rent", "own"]
    """An API, a rented machine or one of your own."""
    per_day: float
    """Cost per day."""
    per_year: float
    """Cost per year."""
    per_million: float | None
    """Cost per million requests; null where unknown."""
    machines: int | None
    """Machines needed; null for an API."""
    answers_per_s: float | None
    """Answers per second of one machine; null where unknown."""
    break_even_per_day: float | None
    """Requests per day from which the planned device is cheaper; null where there is no such number."""
    date: str
    """Date of the price."""
    stale: bool
    """Whether the price is older than 90 days."""
    how: str
    """How the cost was computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReach:
    """The largest model that surely answers within the limit on a device; ``None`` where none does.

    ``ms`` is the whole answer's time.
    """

    device: str
    """Name of the device."""
    limit_ms: float
    """Latency limit in milliseconds."""
    model: str | None
    """Largest model within the limit; null where none is."""
    quantization: Quantization | None
    """Number format of that model; null where none is."""
    ms: float | None
    """Time of its whole answer in milliseconds; null where none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDevice:
    """What was planned for, and where its numbers come from."""

    name: str
    """Name of the device."""
    kind: str
    """Kind of device, such as cpu, gpu, apple or phone."""
    count: int
    """Number of devices."""
    memory_gb: float
    """Memory in gigabytes (10^9 bytes)."""
    usable_gb: float
    """Memory that a model may take, in gigabytes."""
    bandwidth_gb_s: float
    """Memory bandwidth in gigabytes per second."""
    tflops: float
    """Arithmetic rate in TFLOP/s."""
    threads: int | None
    """Threads used; null for a GPU."""
    features: tuple[str, ...]
    """Instruction sets that speed the model up."""
    gpus: tuple[str, ...]
    """GPUs of this machine."""
    measured: bool
    """Whether the rates were measured here."""
    source: str
    """Where the numbers come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastError:
    """How wrong predictions on this machine were: the median size of the error, as a share of what was measured.

    ``n`` measurements in all, ``n_memory`` and ``n_speed`` of each kind.
    """

    n: int
    """Measurements compared."""
    memory: float | None
    """Median error of memory, as a share of the measurement; null without one."""
    speed: float | None
    """Median error of speed, as a share of the measurement; null without one."""
    n_memory: int = 0
    """Measurements of memory."""
    n_speed: int = 0
    """Measurements of speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one planning found out. ``largest`` is the largest model that surely meets what was asked."""

    ockham: str
    """Version of Ockham."""
    purpose: Purpose
    """Serving or tuning."""
    device: PlannedDevice
    """Device that was planned for."""
    input_tokens: int
    """Tokens of a typical prompt."""
    output_tokens: int
    """Tokens of a typical answer."""
    concurrency: int
    """Requests answered at the same time."""
    requests_per_day: float | None
    """Expected traffic; null where none was given."""
    max_p95_ms: float | None
    """Latency limit in milliseconds; null without one."""
    forecasts: tuple[Forecast, ...]
    """Each model in each number format, smallest first."""
    largest: str | None
    """Largest model that surely meets what was asked; null where none does."""
    tuning: tuple[TuningForecast, ...]
    """What tuning each model takes."""
    costs: tuple[Cost, ...]
    """Costs of each way of serving."""
    costs_of: str | None
    """Model whose serving costs are shown; null where none is."""
    costs_against: str | None
    """What the traffic at which an API breaks even is computed against; null without costs."""
    currency: str
    """Currency of the price table."""
    reach: tuple[DeviceReach, ...]
    """Largest model that each device can serve within the limit."""
    past_error: PastError | None
    """How wrong earlier predictions on this machine were; null where none was checked."""
    notes: tuple[str, ...]
    """Remarks for a person."""
