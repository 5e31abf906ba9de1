"""What the training rows say of the fields that are to be extracted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FieldKind = Literal["values", "empty", "objects"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFacts:
    """One field, by its path with dots, in the training rows.

    ``kind`` is ``empty`` where no row has a value, and ``objects`` for a list of objects, which is not taken apart.
    ``nowhere`` of its ``values`` do not stand in their texts, ``several`` stand at several places. ``form`` is how its
    values are written, ``text`` where as they stand. ``shared`` names the fields that have the same value in most rows.
    """

    field: str
    kind: FieldKind = "values"
    rows: int = 0
    values: int = 0
    nowhere: int = 0
    several: int = 0
    form: str = "text"
    shared: tuple[str, ...] = ()
