"""Models that come with the package, as Hugging Face folders."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "shipped"


def shipped(name: str) -> Path | None:
    """Give the folder of a model that comes with the package; ``None`` for every other name."""
    place = SHIPPED / name
    return place if name == place.name and (place / "config.json").is_file() else None
