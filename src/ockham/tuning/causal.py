"""The frozen weights of a decoder in one precision, and a fresh adapter on them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ockham.records import Precision
from ockham.tuning.precision import torch_dtype
from ockham.tuning.tune_spec import TuneSpec


def load_adapted(folder: Path, spec: TuneSpec, precision: Precision, device: str) -> Any:  # noqa: ANN401 - of peft
    """Return a causal model whose weights are computed in ``precision``, under an adapter in 32 bits."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    body = AutoModelForCausalLM.from_pretrained(
        str(folder),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=torch_dtype(precision),
    )
    config = LoraConfig(
        r=spec.rank,
        lora_alpha=int(spec.alpha),
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    # Without dropout: a few low-rank weights do not need it, and every pass is then the same for a given seed.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft asks transformers by older names; the user can do nothing about it
        return get_peft_model(body.to(device), config).eval()


@contextmanager
def computing_in_float32(model: Any) -> Iterator[None]:  # noqa: ANN401 - a model of peft
    """Compute in 32 bits as long as the block lasts; weights of 16 bits then come back as they were, bit for bit."""
    import torch

    narrow = [part for part in model.parameters() if part.dtype == torch.bfloat16]
    for part in narrow:
        part.data = part.data.float()
    try:
        yield
    finally:
        for part in narrow:
            part.data = part.data.bfloat16()
