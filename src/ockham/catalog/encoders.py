"""Sentence encoders to try in place of the built-in one, with size, languages and licence."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from ockham.catalog.loader import entries

FILE = "encoders.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderEntry:
    """A sentence encoder on the hub. ``parameters`` in millions, ``megabytes`` of weights (10^6 bytes).

    ``score`` is its mean accuracy on the classification tasks of MTEB (English), in %; ``None`` where it has none.
    """

    name: str
    parameters: float = field(metadata={"above": 0})
    megabytes: float = field(metadata={"above": 0})
    tokens: int = field(metadata={"min": 1})
    languages: str
    licence: str
    date: str
    score: float | None = field(default=None, metadata={"min": 0, "max": 100})
    prompt: str = ""
    """What its authors put before every text to classify, where its folder does not say so."""

    @property
    def is_multilingual(self) -> bool:
        """Whether it was trained on more than English."""
        return self.languages.startswith("multilingual")


@lru_cache(maxsize=1)
def encoders() -> tuple[EncoderEntry, ...]:
    """Return all, the best at classifying first; those without a score last."""
    every = entries(EncoderEntry, FILE, "encoders")
    return tuple(sorted(every, key=lambda entry: -(entry.score or 0.0)))
