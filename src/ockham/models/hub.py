"""Models by name: a folder or file of this machine, else an id on the hub, fetched once and kept in its cache."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ockham.errors import ModelError

_log = logging.getLogger(__name__)


def find(name: str, patterns: Sequence[str], *, extra: str, revision: str | None = None) -> Path:
    """Give the folder or file of that name, or the hub's snapshot of that id with the files of these patterns.

    ``extra`` is the one that installs the hub's client; ``revision`` the commit to fetch. Without one the newest is
    taken, and that is said. Raises `ModelError` (``E_MODEL_MISSING``) where there is no
    such path and the hub cannot give it.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    if name.count("/") > 1 or name.startswith((".", "~", "/")) or "\\" in name:
        message = f"there is no folder or file {name!a}"
        raise ModelError("E_MODEL_MISSING", message, fix="give the place of a model, or a hub id")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        message = f"{name!a} is not here, and huggingface_hub is not installed"
        raise ModelError("E_MODEL_MISSING", message, fix=f"pip install 'ockham[{extra}]'") from None
    if revision is None:
        _log.warning("%s: the catalogue knows no revision of it, so the hub's newest is taken", name)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:  # the hub client raises many kinds, of several libraries
        message = f"{name!a} is not here, and the hub could not give it ({type(error).__name__})"
        fix = "give a folder instead, or run once on a machine with a network: hf download " + name
        raise ModelError("E_MODEL_MISSING", message, fix=fix) from None
