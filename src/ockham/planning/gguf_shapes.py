"""The shape of a model from the head of its GGUF file."""

from __future__ import annotations

import math
from typing import Final, cast, get_args

from ockham.catalog import Architecture, LayerGroup
from ockham.llm.gguf_file import GgufHeader
from ockham.planning.layers import WINDOWS, group_layers, recurrent_state
from ockham.records.plan import Quantization

# general.file_type, as llama.cpp numbers them (llama_ftype), of the formats that are planned with.
_FILE_TYPES: Final[dict[int, Quantization]] = {
    0: "f32",
    1: "f16",
    2: "q4_0",
    7: "q8_0",
    15: "q4_k_m",
    17: "q5_k_m",
    18: "q6_k",
    32: "bf16",
}
_GUESSED: Final = 1024
_MIXTURES: Final = {"q4_k": "q4_k_m", "q5_k": "q5_k_m"}

_NO_CACHE: Final = ("bert", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert")
_NO_CACHE_MORE: Final = ("dream", "llada", "llada-moe", "nomic-bert", "nomic-bert-moe", "rnd1", "t5encoder")
_RECURRENT: Final = ("arwkv7", "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7")
_HYBRID: Final = ("bailingmoe3", "granitehybrid", "jamba", "kimi-linear", "lfm2", "lfm2moe", "plamo2")
_FEED_FORWARD_ALONE: Final = ("nemotron_h", "nemotron_h_moe")
_INTERVALS: Final = ("minimax-01", "qwen35", "qwen35moe", "qwen3next")
_UNSEEN_EXTRA: Final = ("glm-dsa", "deepseek32", "hy_v3", "mimo2", "step35", *_INTERVALS)
"""Architectures whose layers for predicting more than one token are not in the cache."""
_SHARING_FROM: Final = 20
"""The first layer of Gemma 3n that has no keys of its own, in the engine as in the published models."""


def architecture_of(head: GgufHeader, name: str, file: str, about: str) -> Architecture | None:
    """Return the shape of a language model; ``None`` where the head lacks what one has.

    ``about`` is what stands for its licence.
    """
    count, hidden = head.number("block_count"), head.number("embedding_length")
    heads = per_layer(head, "attention.head_count", count or 0)
    if head.is_adapter or not count or not hidden or heads is None or "token_embd.weight" not in head.tensors:
        return None
    layers = _layers(head, count, hidden, heads)
    if layers is None:
        return None
    most, kv_heads = max(1, *heads), per_layer(head, "attention.head_count_kv", count) or heads
    fewer = max(1, *kv_heads)
    ffn = max(per_layer(head, "feed_forward_length", count) or [0])
    experts = head.number("expert_count") or 1
    used = head.number("expert_used_count") or 1
    weights = _matrix_weights(head, experts, used)
    return Architecture(
        name=name,
        kind="decoder",
        layers=count,
        hidden=hidden,
        heads=most,
        kv_heads=fewer if most % fewer == 0 else most,
        head_size=head.number("attention.key_length") or max(1, hidden // most),
        ffn=ffn or 4 * hidden,
        gated=any("ffn_gate" in tensor for tensor in head.tensors),
        vocabulary=head.tensors["token_embd.weight"].shape[-1],
        tied="output.weight" not in head.tensors,
        context=head.number("context_length") or 2048,
        bias="qkv" if "blk.0.attn_q.bias" in head.tensors else "none",
        experts=experts,
        experts_used=min(used, experts),
        expert_ffn=(head.number("expert_feed_forward_length") or ffn or 4 * hidden) if experts > 1 else None,
        groups=group_layers(layers),
        matrix_weights=weights and weights[0],
        matrix_weights_used=weights and weights[1],
        licence=about,
        hub=file,
        date="",
        source="this machine",
    )


def format_of(head: GgufHeader) -> Quantization | None:
    """Return the format of a file: the one it names, else the one that most bytes are in; ``None`` for another one."""
    named = head.metadata.get("general.file_type")
    if isinstance(named, int) and not isinstance(named, bool) and named & ~_GUESSED in _FILE_TYPES:
        return _FILE_TYPES[named & ~_GUESSED]
    sizes: dict[str, int] = {}
    for tensor in head.tensors.values():
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.nbytes
    most = max(sizes, key=lambda kind: (sizes[kind], kind)).lower()
    stored = _MIXTURES.get(most, most)
    return cast("Quantization", stored) if stored in get_args(Quantization) else None


def per_layer(head: GgufHeader, name: str, layers: int) -> list[int] | None:
    """Return a number of each layer, which may stand once for all; ``None`` where it is missing or too short."""
    numbers = head.numbers(name)
    if numbers is None:
        number = head.number(name)
        numbers = None if number is None else (number,) * layers
    if numbers is None or len(numbers) < layers or min(numbers, default=0) < 0:
        return None
    return list(numbers[:layers])


def _layers(head: GgufHeader, count: int, hidden: int, heads: list[int]) -> list[LayerGroup] | None:
    """Describe each layer; ``None`` where numbers per layer are there and cannot be used."""
    kv_heads = per_layer(head, "attention.head_count_kv", count)
    if kv_heads is None:
        if f"{head.architecture}.attention.head_count_kv" in head.metadata:
            return None
        kv_heads = heads
    size = hidden // heads[0] if heads[0] else 0
    keys, values = head.number("attention.key_length"), head.number("attention.value_length")
    sizes = (size if keys is None else keys, size if values is None else values)
    near_keys, near_values = head.number("attention.key_length_swa"), head.number("attention.value_length_swa")
    near_sizes = (sizes[0] if near_keys is None else near_keys, sizes[1] if near_values is None else near_values)
    latent = bool(head.number("attention.key_length_mla")) and bool(head.number("attention.value_length_mla"))
    indexer = head.number("attention.indexer.key_length") or 0 if head.architecture in _UNSEEN_EXTRA else 0
    recurrent = _recurrent_layers(head, count, kv_heads)
    attentive = _attentive_layers(head, count, kv_heads, recurrent)
    windows = _windows(head, count, recurrent)
    state = _state(head, hidden, heads)
    layers = []
    for layer in range(count):
        key_size, value_size = sizes if windows[layer] is None else near_sizes
        layers.append(
            LayerGroup(
                layers=1,
                keys=kv_heads[layer] * key_size + indexer if attentive[layer] else 0,
                values=kv_heads[layer] * value_size if attentive[layer] and not latent else 0,
                window=windows[layer] if attentive[layer] else None,
                state=state if recurrent[layer] else 0,
            )
        )
    return layers


def _recurrent_layers(head: GgufHeader, count: int, kv_heads: list[int]) -> list[bool]:
    """Say of each layer whether it hands on a state."""
    family = head.architecture
    if family in _INTERVALS:
        interval = max(1, head.number("full_attention_interval") or 4)
        marks = per_layer(head, "attention.recurrent_layers", count)
        own = _own_layers(head, count)
        return [i < own and (bool(marks[i]) if marks else (i + 1) % interval != 0) for i in range(count)]
    if family in _FEED_FORWARD_ALONE:
        return [not kv and not ffn for kv, ffn in zip(kv_heads, _blocks(head, count), strict=True)]
    if family in _HYBRID:
        return [not kv for kv in kv_heads]
    return [family in _RECURRENT or family == "falcon-h1"] * count


def _attentive_layers(head: GgufHeader, count: int, kv_heads: list[int], recurrent: list[bool]) -> list[bool]:
    """Say of each layer whether it keeps keys and values."""
    family = head.architecture
    if family in (*_NO_CACHE, *_NO_CACHE_MORE, *_RECURRENT):
        return [False] * count
    own = _own_layers(head, count)
    if family in _FEED_FORWARD_ALONE:
        return [bool(kv) and not ffn for kv, ffn in zip(kv_heads, _blocks(head, count), strict=True)]
    both = family == "falcon-h1"
    return [i < own and (both or not mark) for i, mark in enumerate(recurrent)]


def _own_layers(head: GgufHeader, count: int) -> int:
    """Count the layers from the first on that keep something of their own."""
    if head.architecture in _UNSEEN_EXTRA:
        return count - (head.number("nextn_predict_layers") or 0)
    if head.architecture == "gemma3n":
        return _SHARING_FROM
    return count - (head.number("attention.shared_kv_layers") or 0) if head.architecture == "gemma4" else count


def _blocks(head: GgufHeader, count: int) -> list[int]:
    return per_layer(head, "feed_forward_length", count) or [0] * count


def _windows(head: GgufHeader, count: int, recurrent: list[bool]) -> list[int | None]:
    """Return the window of each layer; ``None`` where it looks at all."""
    family, rule = head.architecture, WINDOWS.get(head.architecture)
    named = head.number("attention.sliding_window")
    window = named
    if rule is not None and rule.fixed:
        window = rule.window if named or (named is None and family == "llama4") else None
    elif rule is not None and named is None:
        window = rule.window
    if not window or (family == "exaone4" and count != _EXAONE_WITH_WINDOWS):
        return [None] * count
    period, marks = head.number("attention.sliding_window_pattern"), head.numbers("attention.sliding_window_pattern")
    if family == "lfm2":
        near = [not mark for mark in recurrent]
    elif rule is not None and (marks is None or family not in _BY_LAYER):
        near = rule.pattern(count, period)
    elif marks is not None and len(marks) >= count and family not in _WINDOWLESS:
        near = [bool(mark) for mark in marks[:count]]
    else:
        near = [False] * count
    return [window if mark else None for mark in near]


_EXAONE_WITH_WINDOWS: Final = 64
_BY_LAYER: Final = ("cohere2moe", "mellum")
"""Architectures of which the engine also reads which layers look at a window, one mark a layer."""
_WINDOWLESS: Final = ("llama", "mistral3", "phi3", "phimoe", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "starcoder2")
"""Architectures whose windows the engine does not use, whatever their files say."""


def _state(head: GgufHeader, hidden: int, heads: list[int]) -> int:
    """Count the numbers that one recurrent layer hands on (``n_embd_r`` and ``n_embd_s`` of llama.cpp)."""
    wkv, short = head.number("wkv.head_size"), head.number("shortconv.l_cache")
    convolution = head.number("ssm.conv_kernel") or 0
    if wkv:
        shifts = head.number("token_shift_count")
        return (2 if shifts is None else shifts) * hidden + hidden * wkv
    if short:
        return hidden * (short - 1)
    linear = head.number("kda.head_dim")
    if linear:
        return 3 * max(0, convolution - 1) * heads[0] * linear + linear * linear * heads[0]
    return recurrent_state(
        convolution,
        head.number("ssm.inner_size") or 0,
        head.number("ssm.group_count") or 0,
        head.number("ssm.state_size") or 0,
    )


def _matrix_weights(head: GgufHeader, experts: int, used: int) -> tuple[int, int] | None:
    """Count the weights in the layers' matrices, and those that one token goes through; ``None`` where none is listed.

    What is neither the table of embeddings nor the output matrix but as large as one (Gemma 3n) is read row by row.
    """
    total = through = 0
    for name, tensor in head.tensors.items():
        if name in ("token_embd.weight", "output.weight") or min(tensor.shape[:2]) == 1 or len(tensor.shape) == 1:
            continue
        weights = math.prod(tensor.shape)
        total += weights
        if "_exps." in name:
            through += weights * min(used, experts) // experts
        elif name != "per_layer_token_embd.weight":
            through += weights
    return (total, max(1, through)) if total else None
