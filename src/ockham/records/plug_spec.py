"""A plug that a user names, a filter or a scorer, and what is written down of one that took part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugSpec:
    """A filter or scorer by its name, with settings of the types that its own Spec asks for."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


PlugRequest = str | PlugSpec
"""A plug as a user names it: ``NAME:key=value,key=value`` (a key that stands twice makes a list), or with its types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugUse:
    """A filter or scorer that took part: the package it comes from, and its settings, defaults included.

    ``sha256`` is the digest of its file and of the files that its settings name.
    """

    name: str
    """Name of the filter or scorer."""
    package: str
    """Package that it comes from."""
    sha256: str
    """SHA-256 of its file and of the files that its settings name."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its settings, defaults included."""
    title: str | None = None
    """What it is called in reports; null where it has no title."""
