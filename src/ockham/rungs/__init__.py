"""The rungs of the ladder, smallest first: what each needs, and how it becomes a folder that serves."""

from __future__ import annotations

from ockham.rungs.encoders import ENCODER, ENCODER_TUNED, embed_sides
from ockham.rungs.making import Built, Checkpoint, Made, Material, Plan, Rung, made, make, without, work_of
from ockham.rungs.plain import CONSTANT, ENDPOINT, LINEAR, LOOKUP
from ockham.rungs.tagging import ENCODER_TAGGER

__all__ = [
    "ENCODER",
    "ENCODER_TAGGER",
    "ENCODER_TUNED",
    "LADDER",
    "LINEAR",
    "Built",
    "Checkpoint",
    "Made",
    "Material",
    "Plan",
    "Rung",
    "embed_sides",
    "made",
    "make",
    "without",
    "work_of",
]

LADDER: tuple[Rung, ...] = (CONSTANT, LOOKUP, LINEAR, ENCODER, ENCODER_TUNED, ENCODER_TAGGER, ENDPOINT)
"""All rungs but those of language models (`ockham.decoders`), which follow from the models that are named."""
