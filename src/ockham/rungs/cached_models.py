"""What stands on this machine of the catalogue: language models that were fetched before, and can run here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham import catalog
from ockham.catalog import Architecture
from ockham.errors import ConfigError
from ockham.llm import hub
from ockham.planning.memory import serving
from ockham.rungs.decoder_weights import LONGEST_CONTEXT, SLOTS, model_name

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedModels:
    """``here`` are the places of models that can run; ``rest`` says of the catalogue's others why they are left out."""

    here: tuple[str, ...]
    rest: str


def folders(cache: Path, named: str | None, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """List where models may stand: the hub's cache, ``models`` in our ``cache``, one that was named, the package."""
    own = (str(cache / "models"), *([named] if named else []))
    return (hub.cache_folder(environment), *(Path(folder).expanduser() for folder in own), catalog.SHIPPED)


def list_cached_models(folders: Sequence[Path], free_gb: float) -> CachedModels:
    """Look for the catalogue's decoders in folders, and sort out those that do not fit into ``free_gb`` of memory.

    Nothing is asked over a network, and no weights are read. Of two places of one model the first is taken.
    """
    paths: dict[str, str] = {}
    for path in (model for folder in folders for model in _models(folder)):
        shape = _find_known(model_name(str(path)))
        if shape is not None:
            paths.setdefault(shape.name, str(path))
    decoders = [shape for shape in catalog.architectures() if shape.kind == "decoder"]
    large = [shape.name for shape in decoders if _gigabytes(shape) > free_gb]
    absent = [shape.name for shape in decoders if shape.name not in paths and shape.name not in large]
    notes = []
    if absent:
        notes.append(f"{_list_names(absent)} not on this machine (--models ID fetches one)")
    if large:
        notes.append(f"{_list_names(large)} too large for the {free_gb:.1f} GB of free memory")
    if notes:
        notes.append("`ockham plan` lists them all")
    return CachedModels(
        here=tuple(paths[shape.name] for shape in decoders if shape.name in paths and shape.name not in large),
        rest="of the catalogue's language models " + "; ".join(notes) if notes else "",
    )


def locate_models(folders: Sequence[Path]) -> dict[str, Path]:
    """Return where models stand, by the names that people give them; of two places of one model the first."""
    paths: dict[str, Path] = {}
    for path in (model for folder in folders for model in _models(folder)):
        paths.setdefault(model_name(str(path)), path)
    return paths


def _models(folder: Path) -> Iterator[Path]:
    """List the models in a folder: GGUF files, folders with weights, and snapshots of the hub's cache."""
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if path.name.startswith("models--"):
            yield from (snapshot for snapshot in _snapshots(path) if _whole(snapshot))
        elif (path.is_file() and path.suffix == ".gguf") or _whole(path):
            yield path


def _snapshots(repository: Path) -> list[Path]:
    """Return the commits of a repository in the hub's cache: the one that ``main`` was, then the others."""
    try:
        newest = (repository / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        newest = ""
    try:
        every = sorted((repository / "snapshots").iterdir())
    except OSError:
        return []
    return sorted(every, key=lambda snapshot: snapshot.name != newest)


def _whole(folder: Path) -> bool:
    """Say whether a folder holds a model: one GGUF file, or settings, a tokenizer and weights."""
    if not folder.is_dir():
        return False
    if len(list(folder.glob("*.gguf"))) == 1:
        return True
    words = any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model"))
    return words and (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _find_known(name: str) -> Architecture | None:
    try:
        shape = catalog.find_architecture(name)
    except ConfigError:
        return None
    return shape if shape.kind == "decoder" else None


def _gigabytes(shape: Architecture) -> float:
    context = min(shape.context, LONGEST_CONTEXT)
    return serving(shape, "q8_0", context, SLOTS, catalog.engine("cpu", encoders=False)).total_mb / 1000


def _list_names(names: Sequence[str]) -> str:
    """Name models, smallest first: all of a few, the first and the last of many."""
    if len(names) <= 2 * _SHOWN:
        return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"
    return f"{len(names)} ({', '.join(names[:_SHOWN])} … {names[-1]}) are"


def find_cached_models(cache: Path, named: str | None, free_gb: float) -> CachedModels:
    """Look where this process' environment says."""
    return list_cached_models(folders(cache, named, os.environ), free_gb)
