"""Which other sentence encoder is worth a try, where a run has shown that the encoder decides."""

from __future__ import annotations

from collections.abc import Mapping

from ockham import catalog
from ockham.catalog import EncoderEntry
from ockham.data.languages import foreign_language
from ockham.models.sentence_encoder import PACKAGED
from ockham.plain_numbers import percent_limit
from ockham.rungs.rung import RunContext
from ockham.verdict.decide import Decision


def advise_encoder(context: RunContext, decision: Decision, scores: Mapping[str, float], reading: set[str]) -> str:
    """Name a better encoder and its command, as a sentence behind the next step; nothing where none is called for.

    ``scores`` are the measured candidates' by name, and ``reading`` those among them that read with the built-in
    encoder. Of English rows one of these must be ahead, and no requirement met and no difference beyond chance.
    """
    if context.config.task != "classify" or context.config.encoder is not None or not reading or decision.proven:
        return ""
    foreign = foreign_language([row.input for row in context.prepared.dataset.examples])
    if foreign is not None:
        entry = next(entry for entry in catalog.encoders() if entry.is_multilingual)
        why = f" Most rows look like {foreign}, and the built-in encoder was trained on English: what it scored says"
        return f"{why} little about the task. {_command(entry)} fetches a multilingual one ({_size(entry)})."
    entry, own = catalog.encoders()[0], next(entry for entry in catalog.encoders() if entry.name == PACKAGED)
    if max(scores, key=lambda name: scores[name]) not in reading or entry.score is None or own.score is None:
        return ""
    better = f"{percent_limit(entry.score / 100)} on MTEB's classification tasks, the built-in one"
    better += f" {percent_limit(own.score / 100)}"
    why = " The encoder is ahead, and another may be better:"
    return f"{why} {_command(entry)} fetches one ({_size(entry)}; {better})."


def _command(entry: EncoderEntry) -> str:
    return f"`HF_HUB_OFFLINE=0 ockham fit DATA --encoder {entry.name}`"


def _size(entry: EncoderEntry) -> str:
    return f"{entry.megabytes:,.0f} MB, {entry.licence}"
