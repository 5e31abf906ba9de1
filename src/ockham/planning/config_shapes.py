"""The shape of a model from its config.json, as Hugging Face's libraries write it."""

from __future__ import annotations

from typing import Final

from ockham.catalog import Architecture
from ockham.llm.gguf_file import MAX_LAYERS
from ockham.planning.config_layers import LATENT, Config, Sizes, configured_layers, expert_width, number_of
from ockham.planning.layers import group_layers

GATED: Final = (
    "cohere2",
    "deepseek_v2",
    "deepseek_v3",
    "exaone4",
    "falcon3",
    "falcon_h1",
    "gemma",
    "gemma2",
    "gemma3_text",
    "gemma3n_text",
    "gemma4_text",
    "glm4_moe_lite",
    "gpt_oss",
    "granite",
    "granitemoehybrid",
    "jamba",
    "kimi_k2",
    "kimi_linear",
    "lfm2",
    "lfm2_moe",
    "llama",
    "llama4_text",
    "minicpm3",
    "ministral3",
    "mistral",
    "mixtral",
    "olmo2",
    "olmo3",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_5_moe_text",
    "qwen3_5_text",
    "qwen3_moe",
    "qwen3_next",
    "smallthinker",
    "smollm3",
)
PLAIN: Final = ("gpt2", "gpt_neox", "phi", "starcoder2")
ENCODERS: Final = ("bert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta")
_UNGATED: Final = ("falcon_mamba", "mamba", "mamba2", "nemotron_h")
_UNTIED: Final = (
    "deepseek_v2",
    "deepseek_v3",
    "exaone4",
    "falcon_h1",
    "glm4_moe_lite",
    "gpt_neox",
    "gpt_oss",
    "granitemoehybrid",
    "jamba",
    "kimi_k2",
    "kimi_linear",
    "llama",
    "llama4_text",
    "mamba2",
    "ministral3",
    "mistral",
    "nemotron_h",
    "olmo3",
    "phi",
    "qwen3_5_moe_text",
    "qwen3_5_text",
    "qwen3_next",
)
"""Families whose configuration, where it does not say it, does not tie the output matrix to the embeddings."""

# One number of an architecture, as configurations of its families call it.
_NAMES: Final = {
    "hidden": ("hidden_size", "n_embd", "dim", "d_model"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads",),
    "head_size": ("head_dim", "attention_head_dim"),
    "ffn": ("intermediate_size", "n_inner", "hidden_dim", "block_ff_dim"),
    "vocabulary": ("vocab_size",),
    "context": ("max_position_embeddings", "n_positions", "model_max_length"),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "experts_used": ("num_experts_per_tok", "num_experts_per_token"),
}
# What a configuration leaves out where it is its family's usual.
_GEMMA: Final = {"heads": 8, "kv_heads": 4, "head_size": 256, "context": 131_072}
_USUAL: Final[dict[str, dict[str, int]]] = {
    "cohere2": {"vocabulary": 256_000, "context": 8192},
    "gemma2": {**_GEMMA, "vocabulary": 256_000, "context": 8192},
    "gemma3_text": {**_GEMMA, "vocabulary": 262_208},
    "gemma3n_text": {**_GEMMA, "kv_heads": 2, "vocabulary": 262_400, "context": 32_768},
    "gemma4_text": {**_GEMMA, "vocabulary": 262_144},
    "gpt_oss": {"heads": 64, "kv_heads": 8, "head_size": 64, "vocabulary": 201_088, "context": 131_072},
    "llama4_text": {"heads": 40, "kv_heads": 8, "head_size": 128, "vocabulary": 202_048, "context": 131_072},
    "mamba": {"context": 1 << 20},
    "mamba2": {"context": 1 << 20},
    "falcon_mamba": {"context": 1 << 20},
    "nemotron_h": {"heads": 32, "kv_heads": 8, "head_size": 128},
    "qwen3_next": {"kv_heads": 2, "head_size": 256, "context": 32_768},
    "qwen3_5_text": {"kv_heads": 4, "head_size": 256, "context": 32_768},
    "qwen3_5_moe_text": {"kv_heads": 2, "head_size": 256, "context": 32_768},
}
# Families all of whose layers are alike: grouped queries, a block, perhaps experts, and no window that is used.
_ALIKE: Final = (
    *PLAIN,
    "falcon3",
    "gemma",
    "granite",
    "llama",
    "ministral3",
    "mistral",
    "mixtral",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "smollm3",
)
_HEADLESS: Final = ("falcon_mamba", "mamba", "mamba2")


def architecture_of(config: Config, name: str, file: str, about: str) -> Architecture | None:
    """Return the shape of a model; ``None`` where its family is not known or a number is missing.

    ``about`` is what stands for its licence.
    """
    family = str(config.get("model_type"))
    usual = _USUAL.get(family, {})
    numbers = {ours: number_of(config, *theirs) or usual.get(ours, 0) for ours, theirs in _NAMES.items()}
    if family in _HEADLESS:
        numbers |= {"heads": 1, "kv_heads": 1}
    hidden, layers, heads, vocabulary = (numbers[key] for key in ("hidden", "layers", "heads", "vocabulary"))
    if family not in (*GATED, *PLAIN, *ENCODERS, *_UNGATED) or not (hidden and layers and heads and vocabulary):
        return None
    if layers > MAX_LAYERS:  # of which the engine has no more either
        return None
    encoder, gated = family in ENCODERS, family in GATED
    experts, ffn = max(1, numbers["experts"]), numbers["ffn"] or 4 * hidden
    kv_heads = numbers["kv_heads"] or heads
    head_size = numbers["head_size"] or max(1, hidden // heads)
    described = None
    if not encoder and family not in _ALIKE:
        sizes = Sizes(
            layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, head_size=head_size, ffn=ffn, gated=gated
        )
        described = configured_layers(family, config, sizes)
    if family in LATENT:  # every head looks at the same latent numbers
        kv_heads, head_size = 1, number_of(config, "kv_lora_rank", default=512) + number_of(config, "qk_rope_head_dim")
    return Architecture(
        name=name,
        kind="encoder" if encoder else "decoder",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        ffn=ffn,
        gated=gated,
        vocabulary=vocabulary,
        tied=encoder or bool(config.get("tie_word_embeddings", family not in _UNTIED)),
        context=numbers["context"] or 2048,
        bias="all" if encoder or family in PLAIN else "qkv" if family in ("qwen2", "gpt_oss") else "none",
        positions=numbers["context"] if encoder or family == "gpt2" else 0,
        experts=experts,
        experts_used=min(experts, max(1, numbers["experts_used"])),
        expert_ffn=expert_width(family, config, ffn) if experts > 1 else None,
        groups=group_layers(described.layers) if described else (),
        matrix_weights=described.weights if described else None,
        matrix_weights_used=described.used if described else None,
        licence=about,
        hub=file,
        date="",
        source="this machine",
    )
