"""Several bundles of language models on one base: one engine holds the base, and an adapter for each that has one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ockham.errors import ModelError
from ockham.llm import batch_invariance
from ockham.llm.shared_slots import EngineShare, SharedSlots
from ockham.models import model_files
from ockham.models.causal_lm import FILE, Decoder, DecoderRecord, GgufSpec, start
from ockham.models.kept_weights import check_file


def load(folders: Sequence[Path]) -> list[Decoder]:
    """Return the models of bundles that share a base, which is loaded once.

    Raises `ModelError`: ``E_MODEL_MISSING``, ``E_MODEL_FORMAT``, and ``E_MODEL_DIGEST`` where a file is not the one
    that was measured, or where the bases differ, or how they are run.
    """
    records = [model_files.read(DecoderRecord, folder / FILE) for folder in folders]
    first = records[0]
    weights = check_file(folders[0], first.weights)
    adapters, places = list[Path](), list[int]()
    for folder, record in zip(folders, records, strict=True):
        if (record.weights.sha256, _settings(record.spec)) != (first.weights.sha256, _settings(first.spec)):
            what = f"{folder.name} does not stand on the base of {folders[0].name}"
            raise ModelError("E_MODEL_DIGEST", what, fix="serve each by itself")
        places.append(len(adapters))
        if record.adapter is not None:
            adapters.append(check_file(folder, record.adapter))
    # As much as the largest needs: each still reads no more than its own context.
    context = max(record.spec.context for record in records)
    slots = max(record.spec.slots for record in records)
    engine = start(weights, dataclasses.replace(first.spec, context=context, slots=slots), adapters)
    steady = batch_invariance.is_batch_invariant(engine)
    free = SharedSlots(slots if steady else 1)
    shares = [EngineShare(slots=free, adapter=place, is_batch_invariant=steady) for place in places]
    return [Decoder(record, engine, share) for record, share in zip(records, shares, strict=True)]


def _settings(spec: GgufSpec) -> tuple[int | None, int]:
    """Return what bundles of one engine must have in common."""
    return spec.threads, spec.gpu_layers
