"""Models by name: a folder or file of this machine, else an id on the hub, fetched once and kept in its cache."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ockham.errors import ModelError
from ockham.version import install_command

_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_log = logging.getLogger(__name__)


def split_revision(name: str) -> tuple[str, str | None]:
    """Part an id on the hub from the revision (commit, branch or tag) behind its ``@``; a path that is here has none.

    Raises `ModelError` (``E_MODEL_MISSING``) for an id with an ``@`` and nothing that can be a revision behind it.
    """
    if "@" not in name or Path(name).expanduser().exists():
        return name, None
    model, _, revision = name.rpartition("@")
    if not _REVISION.fullmatch(revision) or not model:
        message = f"{name!a} names no revision behind its @"
        raise ModelError("E_MODEL_MISSING", message, fix="give a commit, a branch or a tag: owner/model@revision")
    return model, revision


def is_id(name: str) -> bool:
    """Tell whether a name may be an id on the hub: a path has more parts, or begins or ends otherwise."""
    return (
        name.count("/") <= 1
        and not name.startswith((".", "~", "/"))
        and not name.endswith(("/", ".gguf", ".onnx"))
        and "\\" not in name
    )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return where the hub's client keeps its cache: where ``HF_HUB_CACHE``, ``HF_HOME`` or ``XDG_CACHE_HOME`` say."""
    root = environment.get("HF_HOME") or str(Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    return Path(environment.get("HF_HUB_CACHE") or str(Path(root) / "hub")).expanduser()


def is_cached(name: str) -> bool:
    """Tell whether the hub's cache has something of an id; of which revision, and how much, is not looked at."""
    if not name or not is_id(name):
        return False
    with suppress(OSError, ValueError, ModelError):
        repository = split_revision(name)[0].replace("/", "--")
        return (cache_folder(os.environ) / f"models--{repository}" / "snapshots").is_dir()
    return False


def find(name: str, patterns: Sequence[str], *, extra: str, revision: str | None = None) -> Path:
    """Return the folder or file of that name, or the hub's snapshot of that id with the files of these patterns.

    ``extra`` is the one that installs the hub's client; ``revision`` the commit to fetch where the name has none of
    its own (``owner/model@revision``). Without either the newest is taken, and that is said. Raises `ModelError`
    (``E_MODEL_MISSING``) where there is no such path and the hub cannot give it.
    """
    path = Path(name).expanduser()
    if path.exists():
        return path
    name, pinned = split_revision(name)
    revision = pinned or revision
    if not is_id(name):
        message = f"there is no folder or file {name!a}"
        raise ModelError("E_MODEL_MISSING", message, fix="give the path of a model, or a hub id")
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        message = f"{name!a} is not on this machine, and huggingface_hub is not installed"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command(extra)) from None
    at = "" if revision is None else f" --revision {revision}"
    if revision is None:
        _log.warning("%s: no revision is given (name one: %s@revision), so the newest on the hub is used", name, name)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:  # the hub client raises many kinds, of several libraries
        message = f"{name!a} is not on this machine, and the hub could not provide it ({type(error).__name__})"
        fix = f"give a folder, say HF_HUB_OFFLINE=0 so that it is fetched, or fetch it yourself: hf download {name}{at}"
        raise ModelError("E_MODEL_MISSING", message, fix=fix) from None
