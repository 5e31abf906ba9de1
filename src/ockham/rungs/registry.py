"""The rungs that every run has, smallest first; those of language models follow from the models named."""

from __future__ import annotations

from ockham.rungs.baselines import CONSTANT, ENDPOINT, LINEAR, LOOKUP
from ockham.rungs.blend_rung import blend_of
from ockham.rungs.encoder_rungs import ENCODER, ENCODER_TUNED
from ockham.rungs.field_blend_rung import FIELD_BLEND
from ockham.rungs.linear_tagger_rung import LINEAR_TAGGER
from ockham.rungs.pattern_rung import PATTERN
from ockham.rungs.rung import Rung
from ockham.rungs.tagger_rung import ENCODER_TAGGER

BLEND = blend_of(LINEAR, ENCODER)
LADDER: tuple[Rung, ...] = (
    CONSTANT,
    LOOKUP,
    PATTERN,
    LINEAR,
    LINEAR_TAGGER,
    ENCODER,
    BLEND,
    ENCODER_TUNED,
    ENCODER_TAGGER,
    FIELD_BLEND,
    ENDPOINT,
)
"""All rungs but those of language models (`ockham.rungs.decoder_rungs`)."""
