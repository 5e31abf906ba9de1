"""Models of this machine's disk as shapes to plan for: a Hugging Face folder's config.json, a GGUF file's head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from ockham import catalog
from ockham.catalog import Architecture
from ockham.errors import ConfigError
from ockham.llm import gguf_file
from ockham.records.plan import Quantization

CONFIG = "config.json"
LICENCE = "as its files say"
_MOST_BYTES = 1 << 20
_FIX = "name a model of the catalogue (`ockham plan` lists them), a folder with its config.json, or a GGUF file"

GATED: Final = [
    "falcon3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "granite",
    "llama",
    "mistral",
    "mixtral",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "smollm3",
]
PLAIN: Final = ("gpt2", "gpt_neox", "phi", "starcoder2")
ENCODERS: Final = ("bert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta")
"""``model_type`` of the architectures whose blocks are known: gated, plain, or of an encoder."""

# One number of an architecture, as configurations of its families call it.
_NAMES: Final = {
    "hidden": ("hidden_size", "n_embd", "dim"),
    "layers": ("num_hidden_layers", "n_layer", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads",),
    "head_size": ("head_dim",),
    "ffn": ("intermediate_size", "n_inner", "hidden_dim"),
    "vocabulary": ("vocab_size",),
    "context": ("max_position_embeddings", "n_positions"),
    "experts": ("num_local_experts", "num_experts"),
    "experts_used": ("num_experts_per_tok",),
    "expert_ffn": ("moe_intermediate_size",),
}
_MIXTURES: Final = {"q4_k": "q4_k_m", "q5_k": "q5_k_m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A model that was named; ``stored`` is the format of a file that is here, where it is one that is planned with."""

    shape: Architecture
    stored: Quantization | None = None


def find(name: str) -> LocalModel:
    """Return the model of a name: a folder or file that is here, else the catalogue's.

    Raises `ConfigError` (``E_CONFIG``) for what is neither, or is of an architecture that is not known; `ModelError`
    for a GGUF file that is damaged.
    """
    place = Path(name).expanduser()
    try:
        is_file, is_folder = place.is_file(), bool(name) and place.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        is_file = is_folder = False
    if is_file:
        return _file(place)
    if is_folder:
        return LocalModel(shape=_folder(place))
    try:
        return LocalModel(shape=catalog.find_architecture(name))
    except ConfigError as error:
        if name.startswith((".", "~", "/")) or name.endswith(".gguf") or "\\" in name or name.count("/") > 1:
            raise ConfigError("E_CONFIG", f"there is no folder or file {name!a}", fix=_FIX) from None
        raise error from None


def _file(path: Path) -> LocalModel:
    head = gguf_file.inspect(path)
    layers, hidden, heads = (head.number(key) for key in ("block_count", "embedding_length", "attention.head_count"))
    if head.is_adapter or layers is None or hidden is None or heads is None or "token_embd.weight" not in head.tensors:
        raise _unknown(path.name, f"an architecture ({head.architecture}) that is not planned with")
    sizes: dict[str, int] = {}
    for tensor in head.tensors.values():
        sizes[tensor.type] = sizes.get(tensor.type, 0) + tensor.nbytes
    most = max(sizes, key=lambda kind: (sizes[kind], kind)).lower()
    stored = _MIXTURES.get(most, most)
    key_size = head.number("attention.key_length") or hidden // heads
    experts = head.number("expert_count") or 1
    shape = Architecture(
        name=path.stem,
        kind="decoder",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=head.number("attention.head_count_kv") or heads,
        head_size=key_size,
        ffn=head.number("feed_forward_length") or 4 * hidden,
        gated=any("ffn_gate" in tensor for tensor in head.tensors),
        vocabulary=head.tensors["token_embd.weight"].shape[-1],
        tied="output.weight" not in head.tensors,
        context=head.number("context_length") or 2048,
        bias="qkv" if "blk.0.attn_q.bias" in head.tensors else "none",
        experts=experts,
        experts_used=head.number("expert_used_count") or 1,
        expert_ffn=(head.number("expert_feed_forward_length") or head.number("feed_forward_length"))
        if experts > 1
        else None,
        licence=LICENCE,
        hub=path.name,
        date="",
        source="this machine",
    )
    return LocalModel(shape=shape, stored=cast("Quantization", stored) if stored in get_args(Quantization) else None)


def _folder(folder: Path) -> Architecture:
    config = _read(folder)
    family = str(config.get("model_type"))
    numbers = {ours: _number(config, theirs) for ours, theirs in _NAMES.items()}
    hidden, layers, heads, vocabulary = (numbers[name] for name in ("hidden", "layers", "heads", "vocabulary"))
    if family not in (*GATED, *PLAIN, *ENCODERS) or not (hidden and layers and heads and vocabulary):
        raise _unknown(folder.name, f"a {CONFIG} whose architecture is not planned with")
    encoder = family in ENCODERS
    experts = numbers["experts"] or 1
    ffn = numbers["ffn"] or 4 * hidden
    return Architecture(
        name=folder.resolve().name,
        kind="encoder" if encoder else "decoder",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=numbers["kv_heads"] or heads,
        head_size=numbers["head_size"] or hidden // heads,
        ffn=ffn,
        gated=family in GATED,
        vocabulary=vocabulary,
        # Families whose configuration does not say it tie the two.
        tied=encoder or bool(config.get("tie_word_embeddings", family not in ("llama", "mistral", "gpt_neox", "phi"))),
        context=numbers["context"] or 2048,
        bias="all" if encoder or family in PLAIN else "qkv" if family == "qwen2" else "none",
        positions=(numbers["context"] or 0) if encoder or family == "gpt2" else 0,
        experts=experts,
        experts_used=numbers["experts_used"] or 1,
        expert_ffn=(numbers["expert_ffn"] or ffn) if experts > 1 else None,
        licence=LICENCE,
        hub=folder.name,
        date="",
        source="this machine",
    )


def _read(folder: Path) -> Mapping[str, object]:
    path = folder / CONFIG
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise _unknown(folder.name, f"no {CONFIG}") from None
    except (ValueError, RecursionError):
        raise _unknown(folder.name, f"a {CONFIG} that cannot be read") from None
    inside = found.get("text_config") if isinstance(found, dict) else None
    chosen = inside if isinstance(inside, dict) else found
    if not isinstance(chosen, dict):
        raise _unknown(folder.name, f"a {CONFIG} that cannot be read")
    return chosen


def _number(config: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    found = (config.get(name) for name in names)
    return next(
        (value for value in found if isinstance(value, int) and not isinstance(value, bool) and value > 0), None
    )


def _unknown(name: str, what: str) -> ConfigError:
    return ConfigError("E_CONFIG", f"{name!a} has {what}", fix=_FIX)
