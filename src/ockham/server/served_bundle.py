"""The bundles that are served, and the names that clients know them by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ockham import store
from ockham.errors import ConfigError
from ockham.ladder.run_folder import bundle_of
from ockham.models.backend import is_networked
from ockham.printable import printable
from ockham.records import Manifest
from ockham.serving.shared_base import shared_base

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a model may be called: it stands in requests, headers and metrics."""
_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBundle:
    """A bundle under the name that clients use; ``digest`` is that of its manifest, which names all its files.

    ``created`` is when its manifest was written, in seconds since 1970. ``run`` is the folder of the run that it lies
    in, where it lies in one. ``base`` is what it has in common with those that can share its process.
    """

    name: str
    folder: Path
    manifest: Manifest
    digest: str
    created: int
    run: Path | None = None
    base: str | None = None


def read_served_bundles(words: Sequence[str], rungs: Sequence[str] = ()) -> list[ServedBundle]:
    """Read the bundles that are named: folders of runs or bundles, each alone or as NAME=FOLDER.

    Of each run the candidates called ``rungs`` are served as well, as NAME.RUNG.

    Their files are checked when they are loaded. Raises `BundleError` for a folder that is no bundle, and `ConfigError`
    (``E_CONFIG``) for names that cannot be used or stand twice, `RunError` where a run has no such candidate.
    """
    bundles = [read_served_bundle(*split_name(word), rung=rung) for word in words for rung in (None, *rungs)]
    names = [bundle.name for bundle in bundles]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("E_CONFIG", f"two bundles are called {name}", fix="give one another name: NAME=FOLDER")
    return bundles


def read_served_bundle(name: str | None, path: Path, rung: str | None = None) -> ServedBundle:
    """Read one bundle's manifest; without a ``name`` it is called like the folder of its run."""
    folder = bundle_of(path, rung)
    manifest = store.read_manifest(folder)
    name = name if name is not None else default_name(path if rung is not None else folder)
    name = name if rung is None else f"{name}.{_plain(rung)}"
    if not NAME.fullmatch(name):
        message = f"{printable(name[:_SHOWN])!r} cannot be the name of a model"
        fix = "use up to 64 letters, digits, dots, dashes and underscores: NAME=FOLDER"
        raise ConfigError("E_CONFIG", message, fix=fix)
    created = int((folder / store.BUNDLE).stat().st_mtime)
    return ServedBundle(
        name=name,
        folder=folder,
        manifest=manifest,
        digest=store.bundle_digest(folder),
        created=created,
        run=run_of(folder),
        base=shared_base(folder, manifest.kind),
    )


def run_of(folder: Path) -> Path | None:
    """Return the folder of the run that a bundle lies in: at ``bundle``, or among the artifacts of its candidates."""
    real = folder.resolve()
    parents = (real.parent, real.parent.parent.parent)
    return next((parent for parent in parents if (parent / "run.json").is_file()), None)


def split_name(word: str) -> tuple[str | None, Path]:
    """Part NAME=FOLDER; a word that is itself a folder has no name."""
    name, equals, path = word.partition("=")
    return (name, Path(path)) if equals and not Path(word).exists() else (None, Path(word))


def default_name(folder: Path) -> str:
    """Name a bundle like the folder of its run, or its own folder."""
    real = folder.resolve()
    own = real.parent.name if real.name == "bundle" else real.name
    return _plain(own)[:64] or "model"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")


def may_leave(bundle: ServedBundle) -> bool:
    """Return whether the bundle's answers come from an API, to which every request goes on."""
    return is_networked(bundle.manifest.kind)
