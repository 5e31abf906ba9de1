"""The rungs of the ladder and the models that they serve: where each stands in the source.

Nothing is imported here, so that a name is checked before any rung or model is loaded.
"""

from __future__ import annotations

from typing import Final

RUNGS: Final = {
    "constant": "ockham.rungs.baselines:CONSTANT",
    "lookup": "ockham.rungs.baselines:LOOKUP",
    "pattern": "ockham.rungs.pattern_rung:PATTERN",
    "linear": "ockham.rungs.baselines:LINEAR",
    "linear-tagger": "ockham.rungs.linear_tagger_rung:LINEAR_TAGGER",
    "encoder": "ockham.rungs.encoder_rungs:ENCODER",
    "linear+encoder": "ockham.rungs.blend_rung:LINEAR_ENCODER",
    "encoder-tuned": "ockham.rungs.encoder_rungs:ENCODER_TUNED",
    "encoder-tagger": "ockham.rungs.tagger_rung:ENCODER_TAGGER",
    "field-blend": "ockham.rungs.field_blend_rung:FIELD_BLEND",
    "yours": "ockham.rungs.own_models:YOURS",
    "decoder": "ockham.rungs.decoder_rungs:DECODER",
    "decoder-tuned": "ockham.rungs.decoder_rungs:DECODER_TUNED",
    "endpoint": "ockham.rungs.baselines:ENDPOINT",
}
"""Each rung's name and its `Rung` (module:name), smallest first."""
PER_MODEL: Final = ("yours", "decoder", "decoder-tuned")
"""The rungs of which there is one for each model that is named."""
BACKENDS: Final = {
    "blend": "ockham.models.blend",
    "classifier": "ockham.models.sequence_classifier",
    "constant": "ockham.models.constant",
    "lookup": "ockham.models.lookup",
    "linear": "ockham.models.linear",
    "linear-tagger": "ockham.models.linear_tagger",
    "encoder": "ockham.models.encoder",
    "endpoint": "ockham.models.endpoint",
    "fake": "ockham.models.fake",
    "field-blend": "ockham.models.field_blend",
    "gguf": "ockham.models.causal_lm",
    "pattern": "ockham.models.pattern",
    "tagger": "ockham.models.tagger",
}
"""Each kind of model and the module that loads it."""
