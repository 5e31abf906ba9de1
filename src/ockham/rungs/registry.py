"""The rungs of the table, imported: those that every run has, and all that have facts of their own."""

from __future__ import annotations

import importlib

from ockham.rung_table import PER_MODEL, RUNGS
from ockham.rungs.rung import Rung


def _load(home: str) -> Rung:
    module, name = home.split(":")
    rung: Rung = getattr(importlib.import_module(module), name)
    return rung


KNOWN: tuple[Rung, ...] = tuple(_load(home) for home in RUNGS.values())
"""Every rung that the table names, smallest first; one that there is for each model stands here without a model."""
LADDER: tuple[Rung, ...] = tuple(rung for rung in KNOWN if rung.name not in PER_MODEL)
"""The rungs that every run has; those of models that are named follow from the names."""
