"""Bodies with rotary positions, of which some layers read the neighbours of a token alone: ModernBERT and Gemma 3.

In both a layer is scaled before it reads, and its feed-forward part has a gate. Gemma reads to both sides where its
config.json says so, as that of EmbeddingGemma does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ockham.models.sentence_modules import unfit, whole

MODERNBERT, GEMMA = "modernbert", "gemma3_text"
FAMILIES = (MODERNBERT, GEMMA)
_LOCAL = "sliding_attention"


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaryBody:
    """What distinguishes such a body from BERT's."""

    head_size: int
    kv_heads: int
    """How many heads the keys and values have; several heads of the queries may share one."""
    scale: float
    """What the products of queries and keys are multiplied by."""
    local: tuple[bool, ...]
    """Of each layer whether a token reads only those at most ``reach`` away."""
    reach: int
    theta: float
    """The base of the positions' angles in the layers that read everything."""
    local_theta: float


def read(family: str, config: Mapping[str, Any]) -> RotaryBody | None:
    """Read what config.json says of such a body; ``None`` of another family.

    Raises `ModelError` (``E_MODEL_FORMAT``) for a variant that this version does not run.
    """
    if family not in FAMILIES:
        return None
    layers, heads = whole(config, "num_hidden_layers"), whole(config, "num_attention_heads")
    _check_angles(config)
    if family == MODERNBERT:
        size = whole(config, "hidden_size") // heads
        every = _number(config, "global_attn_every_n_layers", 3)
        local = [bool(layer % every) for layer in range(layers)]
        theta = _theta(config, "full_attention", "global_rope_theta", 160_000.0)
        return RotaryBody(
            head_size=size,
            kv_heads=heads,
            scale=float(size**-0.5),
            local=_local_layers(config, local),
            reach=_number(config, "local_attention", 128) // 2,
            theta=theta,
            local_theta=_theta(config, _LOCAL, "local_rope_theta", theta),
        )
    if not config.get("use_bidirectional_attention"):
        raise unfit("its Gemma body reads from left to right alone, and an encoder reads to both sides")
    if config.get("attn_logit_softcapping"):
        raise unfit("its attention is capped (attn_logit_softcapping), which this version does not run")
    every = _number(config, "sliding_window_pattern", _number(config, "_sliding_window_pattern", 6))
    local = [bool((layer + 1) % every) for layer in range(layers)]
    return RotaryBody(
        head_size=_number(config, "head_dim", 256),
        kv_heads=_number(config, "num_key_value_heads", heads),
        scale=float(_number(config, "query_pre_attn_scalar", 256) ** -0.5),
        local=_local_layers(config, local),
        reach=_number(config, "sliding_window", 4096) // 2,
        theta=_theta(config, "full_attention", "rope_theta", 1_000_000.0),
        local_theta=_theta(config, _LOCAL, "rope_local_base_freq", 10_000.0),
    )


def _local_layers(config: Mapping[str, Any], usual: list[bool]) -> tuple[bool, ...]:
    """Return which layers are local: those that config.json lists, else the family's."""
    kinds = config.get("layer_types")
    if not isinstance(kinds, list):
        return tuple(usual)
    if len(kinds) != len(usual) or not set(kinds) <= {_LOCAL, "full_attention"}:
        raise unfit("the layer_types of its config.json are none that this version runs")
    return tuple(kind == _LOCAL for kind in kinds)


def _check_angles(config: Mapping[str, Any]) -> None:
    """Refuse positions whose angles are scaled for longer texts."""
    stated = config.get("rope_parameters")
    parts = [part for part in stated.values() if isinstance(part, dict)] if isinstance(stated, dict) else []
    scaled = config.get("rope_scaling")
    for part in [*parts, scaled if isinstance(scaled, dict) else {}]:
        kind = part.get("rope_type", part.get("type", "default"))
        if kind != "default":
            raise unfit(f"its positions are scaled ({str(kind)!a}), which this version does not run")


def _theta(config: Mapping[str, Any], kind: str, old_name: str, usual: float) -> float:
    """Return the base of the angles in one kind of layer, as newer or older versions of transformers write it."""
    stated = config.get("rope_parameters")
    part = stated.get(kind) if isinstance(stated, dict) else None
    value = part.get("rope_theta") if isinstance(part, dict) else config.get(old_name)
    return float(value) if isinstance(value, (int, float)) and value > 0 else usual


def _number(config: Mapping[str, Any], name: str, usual: int) -> int:
    value = config.get(name)
    if value is None:
        return usual
    if not isinstance(value, int) or value < 1:
        raise unfit(f"the {name} of its config.json is no whole number above 0")
    return value
