"""The layers of a model from its config.json: what each keeps of a text, and the weights in its matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ockham.catalog import LayerGroup
from ockham.planning.layers import WINDOWS, WindowRule, recurrent_state

Config: TypeAlias = Mapping[str, object]
Kind: TypeAlias = Literal["attention", "recurrent", "both", "block"]
"""What a layer does beside its feed-forward block; ``block``: nothing else."""

# Families whose windows the engine uses, and the rule: Gemma 4 names each layer.
_WINDOWS: Final[dict[str, WindowRule]] = {
    "cohere2": WINDOWS["cohere2"],
    "exaone4": WINDOWS["exaone4"],
    "gemma2": WINDOWS["gemma2"],
    "gemma3_text": WindowRule(period=6, window=4096),
    "gemma3n_text": WindowRule(period=5, window=512),
    "gemma4_text": WindowRule(period=6, window=512),
    "gpt_oss": WindowRule(period=2, window=128),
    "llama4_text": WINDOWS["llama4"],
    "olmo3": WindowRule(period=4, window=4096),
    "smallthinker": WINDOWS["smallthinker"],
}
LATENT: Final = ("deepseek_v2", "deepseek_v3", "glm4_moe_lite", "kimi_k2", "kimi_linear")
"""Families with latent attention of which the engine keeps the latent numbers alone; of MiniCPM 3 it keeps heads."""
_SPREAD: Final = ("minicpm3",)
_MAMBA: Final = ("falcon_mamba", "jamba", "mamba")
_ONE_A_LAYER: Final = ("nemotron_h",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredLayers:
    """Layers one by one, and the weights in all their matrices: of all experts, and of those a token goes through."""

    layers: tuple[LayerGroup, ...]
    weights: int
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The numbers that every family has."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    ffn: int
    gated: bool


def number_of(config: Config, *names: str, default: int = 0) -> int:
    """Return the first of some settings that is a whole number from 0 on."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return default


def configured_layers(family: str, config: Config, sizes: Sizes) -> ConfiguredLayers:
    """Describe the layers of a family's model."""
    kinds = layer_kinds(family, config, sizes.layers)
    windows = _windows(family, config, sizes.layers)
    sharing = number_of(config, "num_kv_shared_layers") if family in ("gemma3n_text", "gemma4_text") else 0
    state, mixer = _recurrence(family, config, sizes.hidden)
    layers, weights, used = [], 0, 0
    for index, kind in enumerate(kinds):
        attends, recurs = kind in ("attention", "both"), kind in ("recurrent", "both")
        keys, values = _key_value_sizes(family, config, sizes, windows[index] is None)
        own = attends and index < sizes.layers - sharing
        layers.append(
            LayerGroup(
                layers=1,
                keys=keys if own else 0,
                values=values if own else 0,
                window=windows[index] if own else None,
                state=state if recurs else 0,
            )
        )
        mixing = attends * _attention(family, config, sizes) + recurs * mixer
        every, through = _block(family, config, sizes, index, kind)
        weights += mixing + every
        used += mixing + through
    extra = number_of(config, "vocab_size_per_layer_input") * number_of(config, "hidden_size_per_layer_input")
    return ConfiguredLayers(layers=tuple(layers), weights=weights + extra * sizes.layers, used=used)


def layer_kinds(family: str, config: Config, layers: int) -> list[Kind]:
    """Say of each layer whether it attends, is recurrent, does both, or is a feed-forward block alone."""
    if family in ("mamba", "mamba2", "falcon_mamba"):
        return ["recurrent"] * layers
    if family == "falcon_h1":
        return ["both"] * layers
    if family == "jamba":
        period, offset = (
            number_of(config, "attn_layer_period", default=8),
            number_of(config, "attn_layer_offset", default=4),
        )
        marks = [layer >= offset and (layer - offset) % max(1, period) == 0 for layer in range(layers)]
    elif family == "kimi_linear":
        full = _kda(config).get("full_attn_layers")
        marks = [isinstance(full, list) and layer + 1 in full for layer in range(layers)]
    elif family in _ONE_A_LAYER:
        return _letters(config, layers)
    elif family in ("lfm2", "lfm2_moe") and _names(config, layers) is None:
        full = config.get("full_attn_idxs")
        marks = [not isinstance(full, list) or layer in full for layer in range(layers)]
    elif family in ("granitemoehybrid", "bamba") and _names(config, layers) is None:
        full = config.get("attn_layer_indices")
        marks = [isinstance(full, list) and layer in full for layer in range(layers)]
    elif family in _DELTA and _names(config, layers) is None:
        interval = max(1, number_of(config, "full_attention_interval", default=4))
        marks = [(layer + 1) % interval == 0 for layer in range(layers)]
    else:
        names = _names(config, layers)
        marks = [name not in _RECURRENT_NAMES for name in names] if names else [True] * layers
    return ["attention" if mark else "recurrent" for mark in marks]


_DELTA: Final = ("qwen3_5_moe_text", "qwen3_5_text", "qwen3_next")
_RECURRENT_NAMES: Final = ("conv", "linear_attention", "mamba", "recurrent")


def _names(config: Config, layers: int) -> list[str] | None:
    """Return the name of each layer's kind, where the configuration has one for each."""
    for key in ("layer_types", "layers_block_type"):
        names = config.get(key)
        if isinstance(names, list) and len(names) >= layers and all(isinstance(name, str) for name in names):
            return names[:layers]
    return None


def _letters(config: Config, layers: int) -> list[Kind]:
    """Read Nemotron-H's pattern: M is recurrent, * attends, - and E are blocks."""
    pattern = config.get("hybrid_override_pattern")
    marks: Sequence[str] = pattern if isinstance(pattern, str) else _names(config, layers) or ""
    kinds: dict[str, Kind] = {"M": "recurrent", "mamba": "recurrent", "*": "attention", "attention": "attention"}
    return [kinds.get(mark, "block") for mark in marks[:layers]] + ["block"] * (layers - len(marks[:layers]))


def _windows(family: str, config: Config, layers: int) -> list[int | None]:
    """Return the window of each layer; ``None`` where it looks at all."""
    rule = _WINDOWS.get(family)
    if rule is None or config.get("use_sliding_window") is False:
        return [None] * layers
    named = next((config[key] for key in _WINDOW_NAMES if key in config), rule.window)
    window = named if isinstance(named, int) and not isinstance(named, bool) and named > 0 else None
    if window is None:
        return [None] * layers
    names = _names(config, layers)
    if names is not None:
        near = [name in ("sliding_attention", "chunked_attention") for name in names]
    else:
        near = _pattern(config, rule, layers)
    return [(rule.window if rule.fixed else window) if mark else None for mark in near]


_WINDOW_NAMES: Final = ("attention_chunk_size", "sliding_window", "sliding_window_size")


def _pattern(config: Config, rule: WindowRule, layers: int) -> list[bool]:
    marks = config.get("sliding_window_layout", config.get("no_rope_layers"))
    if isinstance(marks, list) and len(marks) >= layers:
        return [bool(mark) for mark in marks[:layers]]
    pattern = config.get("sliding_window_pattern", config.get("_sliding_window_pattern"))
    if isinstance(pattern, str) and pattern:  # as in LLLG
        return [pattern[layer % len(pattern)] == "L" for layer in range(layers)]
    interval = number_of(config, "no_rope_layer_interval") or None
    if isinstance(pattern, int) and not isinstance(pattern, bool) and pattern >= 1:
        interval = pattern
    return rule.pattern(layers, interval)


def _key_value_sizes(family: str, config: Config, sizes: Sizes, whole: bool) -> tuple[int, int]:
    """Return how many numbers of a token a layer keeps as keys and as values."""
    rope, nope = number_of(config, "qk_rope_head_dim"), number_of(config, "qk_nope_head_dim")
    if family in LATENT:
        return number_of(config, "kv_lora_rank", default=512) + rope, 0
    if family in _SPREAD:
        values = number_of(config, "v_head_dim") or sizes.head_size
        return sizes.kv_heads * (nope + rope), sizes.kv_heads * values
    if family == "gemma4_text" and whole:
        size = number_of(config, "global_head_dim") or sizes.head_size
        heads = number_of(config, "num_global_key_value_heads") or sizes.kv_heads
        return heads * size, heads * size
    return sizes.kv_heads * sizes.head_size, sizes.kv_heads * sizes.head_size


def _attention(family: str, config: Config, sizes: Sizes) -> int:
    """Count the weights in one layer's matrices of attention."""
    hidden, heads, size = sizes.hidden, sizes.heads, sizes.head_size
    if family in (*LATENT, *_SPREAD):
        rope, nope = number_of(config, "qk_rope_head_dim"), number_of(config, "qk_nope_head_dim")
        values, rank = number_of(config, "v_head_dim") or size, number_of(config, "kv_lora_rank", default=512)
        narrow = number_of(config, "q_lora_rank")
        asked = narrow * (hidden + heads * (nope + rope)) if narrow else hidden * heads * (nope + rope)
        return asked + hidden * (rank + rope) + rank * heads * (nope + values) + heads * values * hidden
    queries = 2 if family in _DELTA else 1  # each query comes with a gate
    return hidden * size * (queries * heads + 2 * sizes.kv_heads) + heads * size * hidden


def _recurrence(family: str, config: Config, hidden: int) -> tuple[int, int]:
    """Return the numbers that a recurrent layer hands on, and the weights in its matrices."""
    if family in ("lfm2", "lfm2_moe"):
        taps = number_of(config, "conv_L_cache", default=3)
        return hidden * max(0, taps - 1), 4 * hidden * hidden + taps * hidden
    if family == "kimi_linear":
        return _delta_attention(_kda(config), hidden)
    taps = number_of(config, "mamba_d_conv", "conv_kernel", "linear_conv_kernel_dim", default=4)
    expand = number_of(config, "mamba_expand", "expand", default=2)
    if family in _MAMBA:
        inner = number_of(config, "intermediate_size") if family != "jamba" else 0
        inner, size = inner or expand * hidden, number_of(config, "mamba_d_state", "state_size", default=16)
        rank = number_of(config, "mamba_dt_rank", "time_step_rank") or -(-hidden // 16)
        weights = 3 * hidden * inner + inner * (2 * rank + 3 * size + taps)
        return recurrent_state(taps, inner, 0, size), weights
    if family in _DELTA:
        many = number_of(config, "linear_num_value_heads", default=32)
        inner = many * number_of(config, "linear_value_head_dim", default=128)
        groups = number_of(config, "linear_num_key_heads", default=16)
        size = number_of(config, "linear_key_head_dim", default=128)
        many *= 2  # the gate of each head, and how much it forgets
    elif family == "nemotron_h":
        many = number_of(config, "mamba_num_heads", default=128)
        inner = many * number_of(config, "mamba_head_dim", default=64)
        groups, size = number_of(config, "n_groups", default=8), number_of(config, "ssm_state_size", default=128)
    else:
        inner = number_of(config, "mamba_d_ssm") or expand * hidden
        many = number_of(config, "mamba_n_heads", "num_heads", default=128)
        groups = number_of(config, "mamba_n_groups", "n_groups", default=8 if family == "mamba2" else 1)
        size = number_of(config, "mamba_d_state", "state_size", default=128 if family == "mamba2" else 256)
    wide = inner + 2 * groups * size
    weights = hidden * (inner + wide + many) + inner * hidden + taps * wide
    return recurrent_state(taps, inner, groups, size), weights


def _kda(config: Config) -> Config:
    """Return the settings of Kimi's delta attention, which number layers from 1."""
    inner = config.get("linear_attn_config")
    return inner if isinstance(inner, Mapping) else {}


def _delta_attention(config: Config, hidden: int) -> tuple[int, int]:
    """Return what a layer of Kimi's delta attention hands on, and the weights in its matrices.

    A matrix of `size` by `size` for each head and the last inputs of three convolutions, as llama.cpp keeps them
    (``n_embd_s`` and ``n_embd_r``; Kimi Team 2025, arXiv 2510.26692); queries, keys, values and the output, two narrow
    gates, and how strongly each head learns.
    """
    heads, size = number_of(config, "num_heads", default=32), number_of(config, "head_dim", default=128)
    taps, inner = number_of(config, "short_conv_kernel_size", default=4), heads * size
    weights = 4 * hidden * inner + 2 * size * (hidden + inner) + hidden * heads + 3 * taps * inner
    return recurrent_state(taps, inner, heads, size), weights


def _block(family: str, config: Config, sizes: Sizes, layer: int, kind: Kind) -> tuple[int, int]:
    """Count the weights in one layer's feed-forward block: of all experts, and of those a token goes through."""
    if family in ("mamba", "mamba2", "falcon_mamba") or (family in _ONE_A_LAYER and kind != "block"):
        return 0, 0
    matrices = (3 if sizes.gated else 2) * sizes.hidden
    experts = number_of(config, "num_local_experts", "num_experts", "n_routed_experts")
    if experts < 2 or not _has_experts(family, config, layer):
        return (matrices * _dense(family, config, sizes),) * 2
    width = expert_width(family, config, sizes.ffn)
    shared = number_of(config, "shared_expert_intermediate_size", "shared_intermediate_size")
    shared = (
        shared
        or number_of(config, "moe_shared_expert_intermediate_size")
        or (width if family == "llama4_text" else number_of(config, "n_shared_experts", "num_shared_experts") * width)
    )
    router = sizes.hidden * experts
    used = number_of(config, "num_experts_per_tok", "num_experts_per_token", default=1)
    return matrices * (experts * width + shared) + router, matrices * (used * width + shared) + router


def expert_width(family: str, config: Config, ffn: int) -> int:
    """Return the width of one expert's block."""
    return ffn if family == "llama4_text" else number_of(config, "moe_intermediate_size") or ffn


def _dense(family: str, config: Config, sizes: Sizes) -> int:
    if family == "llama4_text":
        return number_of(config, "intermediate_size_mlp") or sizes.ffn
    if family == "granitemoehybrid":
        return number_of(config, "shared_intermediate_size") or sizes.ffn
    if family in ("lfm2", "lfm2_moe") and config.get("block_auto_adjust_ff_dim"):
        multiple = max(1, number_of(config, "block_multiple_of", default=256))
        return -(-(2 * sizes.ffn // 3) // multiple) * multiple
    return sizes.ffn


def _has_experts(family: str, config: Config, layer: int) -> bool:
    if family == "jamba":
        period = max(1, number_of(config, "expert_layer_period", default=2))
        return (layer - number_of(config, "expert_layer_offset", default=1)) % period == 0
    if family == "llama4_text":
        return (layer + 1) % max(1, number_of(config, "interleave_moe_layer_step", default=1)) == 0
    return layer >= number_of(config, "first_k_dense_replace", "num_dense_layers")
