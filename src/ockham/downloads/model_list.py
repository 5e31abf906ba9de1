"""The catalogue's language models: which are here, from where the others can be had, and how they would run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham import catalog
from ockham.catalog import Download
from ockham.planning.forecasts import forecast, usable_of
from ockham.planning.quantization import usual
from ockham.planning.this_machine import PlanTarget
from ockham.records.plan import Forecast, PlanSpec
from ockham.rungs.cached_models import locate_models
from ockham.store.model_store import disk_bytes, read_pulled


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model. ``path`` is where it is, if it is here, and ``origin`` from where it came; ``sources`` can give it.

    ``download_mb`` is what the first source transfers, ``disk_mb`` what it takes here. ``forecast`` is that of its
    usual format on this machine.
    """

    name: str
    """Name of the model."""
    licence: str
    """Licence of the weights."""
    needs_consent: bool
    """Whether the licence must be accepted before the download."""
    terms: str
    """Address of the licence's text."""
    limits: str
    """What the licence restricts; empty where it restricts nothing."""
    path: str | None
    """Folder or file of the model; null where it is not here."""
    origin: str | None
    """Where it was downloaded from; null where it is not here."""
    sources: tuple[str, ...]
    """Where it can be downloaded from, in the order of trying."""
    download_mb: float | None
    """Size of the download in megabytes (10^6 bytes); null where unknown."""
    disk_mb: float | None
    """Space it takes here in megabytes (10^6 bytes); null where it is not here."""
    forecast: Forecast
    """How it would run on this machine, in its usual format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelList:
    """Every language model that can be had, smallest first. Speeds are for a prompt and an answer of so many tokens."""

    device: str
    """Device that the predictions are for."""
    usable_gb: float
    """Memory that a model may take, in gigabytes (10^9 bytes)."""
    input_tokens: int
    """Tokens of the prompt that speeds are predicted for."""
    output_tokens: int
    """Tokens of the answer that speeds are predicted for."""
    models: tuple[ModelEntry, ...]
    """The models, smallest first."""


def list_models(folders: Sequence[Path], target: PlanTarget) -> ModelList:
    """List the catalogue's language models; nothing is asked over a network."""
    spec = PlanSpec()
    usable = usable_of(target.device, spec, target.free_gb)
    paths = locate_models(folders)

    def predict(shape: catalog.Architecture) -> Forecast:
        return forecast(shape, usual(shape), spec, target.device, usable)

    decoders = [download for download in catalog.downloads() if download.shape.kind == "decoder"]
    entries = [_entry(download, paths, predict(download.shape)) for download in decoders]
    fetched = {entry.name for entry in entries}
    shapes = {shape.name: shape for shape in catalog.architectures() if shape.kind == "decoder"}
    ours = [
        _entry_of_package(shape, paths[name], predict(shape))
        for name, shape in shapes.items()
        if name not in fetched and name in paths and shape.hub is None
    ]
    return ModelList(
        device=target.device.name,
        usable_gb=round(usable, 2),
        input_tokens=spec.input_tokens,
        output_tokens=spec.output_tokens,
        models=tuple(sorted([*entries, *ours], key=lambda entry: entry.forecast.parameters_m)),
    )


def _entry(download: Download, paths: Mapping[str, Path], predicted: Forecast) -> ModelEntry:
    path = paths.get(download.name)
    record = None if path is None else read_pulled(path)
    first = download.sources[0]
    return ModelEntry(
        name=download.name,
        licence=download.licence,
        needs_consent=download.needs_consent,
        terms=download.terms,
        limits=download.limits,
        path=None if path is None else str(path),
        origin=None if path is None else "the hub's cache" if record is None else record.source,
        sources=tuple(str(source) for source in download.sources),
        download_mb=round(first.nbytes / 1e6, 1),
        disk_mb=_disk_mb(path),
        forecast=predicted,
    )


def _entry_of_package(shape: catalog.Architecture, path: Path, predicted: Forecast) -> ModelEntry:
    return ModelEntry(
        name=shape.name,
        licence=shape.licence,
        needs_consent=False,
        terms="",
        limits="",
        path=str(path),
        origin="comes with ockham",
        sources=(),
        download_mb=None,
        disk_mb=_disk_mb(path),
        forecast=predicted,
    )


def _disk_mb(path: Path | None) -> float | None:
    if path is None:
        return None
    nbytes = disk_bytes(path) if path.is_dir() else path.stat().st_size
    return round(nbytes / 1e6, 1)
