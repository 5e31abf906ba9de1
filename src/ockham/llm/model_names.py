"""Names of models: whether one can lead to a model at all, and which command fetches what is not here."""

from __future__ import annotations

import difflib
from contextlib import suppress
from pathlib import Path

from ockham import catalog, machine
from ockham.errors import ConfigError, ModelError
from ockham.llm import hub
from ockham.printable import printable
from ockham.store.model_store import pulled_folder

_NEAREST = 3
_BEGUN = 3
"""Letters that a name must have for all that begin with it to be proposed."""


def is_here(name: str) -> bool:
    """Tell whether a name is that of a path, of a model that was pulled or that comes with the package."""
    with suppress(OSError, ValueError):
        if Path(name).expanduser().exists():
            return True
    return catalog.shipped_folder(name) is not None or pulled_folder(machine.cache(), name) is not None


def check_name(name: str) -> None:
    """Refuse a name that leads to no model: of no path and no model here, and without an owner no id of the hub.

    An id of the hub that is not here is let through: it may be fetched. Raises `ModelError` (``E_MODEL_MISSING``).
    """
    if not (is_here(name) or hub.is_cached(name) or "/" in name or "\\" in name):
        raise absent_model(name)


def check_fetched(name: str) -> None:
    """Refuse an id of the hub that is not on this machine, for a command that fetches nothing.

    Raises `ModelError` (``E_MODEL_MISSING``), which names the command that fetches it.
    """
    owner = Path(name).parent
    is_id = "/" in name and hub.is_id(name) and not owner.exists()
    if is_id and not is_here(name) and not hub.is_cached(name):
        raise absent_model(name)


def absent_model(name: str) -> ModelError:
    """Return the error for a model that is not here: how to fetch one that is known, else the nearest names."""
    bare = hub.split_revision(name)[0]
    try:
        known = catalog.find_download(bare).name
    except ConfigError:
        known = ""
    missing = f"the model {name!a} is not on this machine"
    if known and known != bare and is_here(known):
        return ModelError("E_MODEL_MISSING", missing, fix=f"it is here by another name: {known}")
    if known:
        alike = [printable(near) for near in _near_names(bare) if near.startswith(known) and is_here(near)]
        other = f", or name one that is here: {', '.join(alike)}" if alike else ""
        return ModelError("E_MODEL_MISSING", missing, fix=f"fetch it first: ockham models pull {known}{other}")
    if "/" in bare:
        at = "" if bare == name else f" --revision {name.rpartition('@')[2]}"
        return ModelError("E_MODEL_MISSING", missing, fix=f"fetch it first: hf download {bare}{at}")
    near = _near_names(bare)
    guess = f"did you mean {' or '.join(map(printable, near))}?" if near else "`ockham models` lists the names."
    message = f"there is no model {name!a}: no folder or file of this name, and no model of the catalogue"
    return ModelError("E_MODEL_MISSING", message, fix=f"{guess} A hub id has the form owner/model")


def _near_names(name: str) -> list[str]:
    """Return the nearest names of models: in the folder of the command, of the package, of the catalogue.

    First come those that begin with what was written, of these the ones that are on this machine.
    """
    names: list[str] = []
    with suppress(OSError):
        entries = sorted(Path().iterdir())
        names += [entry.name for entry in entries if entry.is_dir() or entry.suffix in (".gguf", ".onnx")]
        names += sorted(folder.name for folder in catalog.SHIPPED.iterdir() if folder.is_dir())
    names += [download.name for download in catalog.downloads() if download.shape.kind == "decoder"]
    spelt = {other.casefold(): other for other in reversed(names)}
    begun = sorted(
        (key for key in spelt if len(name) >= _BEGUN and key.startswith(name.casefold())),
        key=lambda key: (not is_here(spelt[key]), key),
    )
    close = difflib.get_close_matches(name.casefold(), spelt, n=_NEAREST)
    return [spelt[key] for key in list(dict.fromkeys([*begun, *close]))[:_NEAREST]]
