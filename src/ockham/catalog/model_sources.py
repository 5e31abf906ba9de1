"""Models that can be fetched: their names, licences, and the sources of each in the order they are tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ockham.catalog.architectures import Architecture, ModelSource, architectures
from ockham.catalog.loader import lookup

OPEN_LICENCES = ("Apache-2.0", "MIT")
"""Licences that ask for no consent."""
_BYTES_PER_WEIGHT = 2
"""The hub's folders hold 16 bits for each weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A model that can be fetched. ``terms`` is where its licence stands, and ``limits`` what it cannot do."""

    name: str
    shape: Architecture
    licence: str
    terms: str
    limits: str
    sources: tuple[ModelSource, ...]

    @property
    def needs_consent(self) -> bool:
        """Whether the licence has to be accepted first."""
        return self.licence not in OPEN_LICENCES


def downloads() -> tuple[Download, ...]:
    """Return every model that can be fetched: the built-in encoder, and language models, smallest first."""
    return tuple(download for shape in architectures() for download in _downloads(shape))


def find_download(name: str) -> Download:
    """Return the model of that name or hub id. Raises `ConfigError` (``E_CONFIG``) with the nearest names."""
    return lookup(name, downloads(), _names, "model to pull")


def download_limits(name: str) -> str:
    """Return what the catalogue says that a model of that name cannot do; nothing where it says nothing."""
    return next((download.limits for download in downloads() if download.name == name), "")


def _downloads(shape: Architecture) -> Sequence[Download]:
    pulls = [
        Download(
            name=entry.name,
            shape=shape,
            licence=shape.licence,
            terms=entry.terms,
            limits=entry.limits,
            sources=entry.sources,
        )
        for entry in shape.downloads
    ]
    if shape.kind == "decoder" and shape.hub is not None and shape.revision is not None:
        source = ModelSource(
            kind="hub", hub=shape.hub, revision=shape.revision, nbytes=shape.parameters * _BYTES_PER_WEIGHT, exact=False
        )
        pulls.append(
            Download(
                name=shape.hub.rpartition("/")[2],
                shape=shape,
                licence=shape.licence,
                terms=f"https://huggingface.co/{shape.hub}",
                limits="",
                sources=(source,),
            )
        )
    return pulls


def _names(download: Download) -> Sequence[str]:
    return (download.name, *(source.hub for source in download.sources if source.hub))
