"""Models of this machine's disk as shapes to plan for: a Hugging Face folder's config.json, a GGUF file's head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ockham import catalog
from ockham.catalog import Architecture
from ockham.errors import ConfigError, Defect
from ockham.llm import gguf_file
from ockham.planning import config_shapes, gguf_shapes
from ockham.printable import printable
from ockham.records.plan import Quantization

CONFIG = "config.json"
LICENCE = "as its files say"
_MOST_BYTES = 1 << 20
_LONGEST_NAME = 40
_FIX = "name a model of the catalogue (`ockham plan` lists them), a folder with its config.json, or a GGUF file"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model that was named; ``stored`` is the format of a file that is here, where it is one that is planned with."""

    shape: Architecture
    stored: Quantization | None = None


def find_local_model(name: str) -> LocalModel:
    """Return the model of a name: a folder or file that is here, else the catalogue's.

    Raises `ConfigError` (``E_CONFIG``) for what is neither, or is of an architecture that is not known; `ModelError`
    for a GGUF file that is damaged.
    """
    path = Path(name).expanduser()
    try:
        is_file, is_folder = path.is_file(), bool(name) and path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        is_file = is_folder = False
    if is_file:
        return _file(path)
    if is_folder:
        return LocalModel(shape=_folder(path))
    try:
        return LocalModel(shape=catalog.find_architecture(name))
    except ConfigError as error:
        if name.startswith((".", "~", "/")) or name.endswith(".gguf") or "\\" in name or name.count("/") > 1:
            raise ConfigError("E_CONFIG", f"there is no folder or file {name!a}", fix=_FIX) from None
        raise error from None


def _file(path: Path) -> LocalModel:
    head = gguf_file.inspect(path)
    try:
        shape = gguf_shapes.architecture_of(head, path.stem, path.name, LICENCE)
    except Defect:  # numbers that contradict each other
        shape = None
    if shape is None:
        raise _unknown(path.name, f"an architecture ({head.architecture}) that is not planned with")
    return LocalModel(shape=shape, stored=gguf_shapes.format_of(head))


def _folder(folder: Path) -> Architecture:
    config = _read(folder)
    try:
        shape = config_shapes.architecture_of(config, folder.resolve().name, folder.name, LICENCE)
    except Defect:
        shape = None
    if shape is None:
        family = config.get("model_type")
        named = f" ({printable(family)})" if isinstance(family, str) and len(family) <= _LONGEST_NAME else ""
        raise _unknown(folder.name, f"a {CONFIG} whose architecture{named} is not planned with")
    return shape


def _read(folder: Path) -> Mapping[str, object]:
    path = folder / CONFIG
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise _unknown(folder.name, f"no {CONFIG}") from None
    except (ValueError, RecursionError):
        raise _unknown(folder.name, f"a {CONFIG} that cannot be read") from None
    inside = document.get("text_config") if isinstance(document, dict) else None
    chosen = inside if isinstance(inside, dict) else document
    if not isinstance(chosen, dict):
        raise _unknown(folder.name, f"a {CONFIG} that cannot be read")
    return chosen


def _unknown(name: str, what: str) -> ConfigError:
    return ConfigError("E_CONFIG", f"{name!a} has {what}", fix=_FIX)
