"""Weights as a folder in Hugging Face's format: what transformers, peft and the GGUF converter read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ockham.store import save_bytes, save_text
from pretrain import bpe
from pretrain.model import Shape


def write(weights: Mapping[str, Tensor], shape: Shape, tokenizer: Path, folder: Path, dtype: torch.dtype) -> None:
    """Write config.json, generation_config.json, model.safetensors and the tokenizer's files."""
    from safetensors.torch import save

    read = bpe.load(tokenizer)
    marks = {
        "bos_token_id": bpe.number(read, bpe.END),
        "eos_token_id": bpe.number(read, bpe.TURN_END),
        "pad_token_id": bpe.number(read, bpe.END),
    }
    save_text(folder / "config.json", _json({**config(shape, dtype), **marks}))
    generation = {**marks, "eos_token_id": [marks["eos_token_id"], marks["bos_token_id"]]}
    save_text(folder / "generation_config.json", _json(generation))
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in sorted(weights.items())}
    save_bytes(folder / "model.safetensors", save(tensors, metadata={"format": "pt"}))
    bpe.save(read, folder, shape.context)


def config(shape: Shape, dtype: torch.dtype) -> dict[str, Any]:
    """Describe the model as `transformers.LlamaConfig` does."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"
