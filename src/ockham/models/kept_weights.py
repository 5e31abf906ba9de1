"""The files of weights that a bundle holds or remembers, each with its digest."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ockham import store
from ockham.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFile:
    """A file by its place, inside the bundle or elsewhere, and its SHA-256."""

    path: str
    sha256: str


def keep_file(path: Path, to: Path, sha256: str | None, *, copy: bool) -> KeptFile:
    """Take a file into a bundle, or write down its place, with its digest, which may be at hand."""
    if copy and path.resolve() != to.resolve():
        shutil.copyfile(path, to)
    return KeptFile(path=to.name if copy else str(path.resolve()), sha256=sha256 or store.file_digest(path))


def check_file(folder: Path, file: KeptFile) -> Path:
    """Return where a bundle's file is.

    Raises `ModelError`: ``E_MODEL_MISSING``, ``E_MODEL_DIGEST`` where it is not the one that was written down.
    """
    path = folder / file.path
    try:
        sha256 = store.remembered_digest(path)  # a bundle's own files were read when it was opened
    except OSError as error:
        what = f"{path.name}: cannot be read ({error.strerror})"
        raise ModelError("E_MODEL_MISSING", what, fix="put the file back, or make the bundle again") from None
    if sha256 != file.sha256:
        what = f"{path.name}: its SHA-256 is not the one written down"
        raise ModelError("E_MODEL_DIGEST", what, fix="put the file back that was measured, or make the bundle again")
    return path
