"""What a folder of sentence-transformers says beside its weights: the modules behind the body, and the prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ockham import catalog
from ockham.errors import ModelError

ACTIVATIONS = {"Identity": None, "Tanh": "Tanh", "ReLU": "Relu", "GELU": "Gelu", "Sigmoid": "Sigmoid"}
"""What may follow a dense layer: torch's name, and that of the operator in a graph."""
POOLINGS = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken", "max": "max_tokens"}
"""How the states of a text's tokens become one vector: the name of the mode, and the end of its older name."""
PROMPTS = "config_sentence_transformers.json"
"""The file that lists an encoder's prompts."""
_OLD_MODE = "pooling_mode_"
_E5 = {"query": "query: ", "passage": "passage: "}


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLayer:
    """A layer behind the pooling: the folder of its weights, how many numbers it gives, and its activation."""

    path: str
    width: int
    activation: str
    has_bias: bool


@dataclass(frozen=True, slots=True)
class Modules:
    """What stands behind the body, in its only order: pooling, dense layers, normalization."""

    pooling: str = "mean"
    pools_prompt: bool = True
    """Whether the tokens of a prompt count in the pooling."""
    dense: tuple[DenseLayer, ...] = ()
    normalize: bool = False


def read_layers(folder: Path) -> list[tuple[str, str]]:
    """Return the kind and the folder of each module, in order; none where the folder does not list them."""
    listed = read_json(folder / "modules.json", optional=True).get("list", [])
    return [(str(module.get("type", "")).rsplit(".", 1)[-1], str(module.get("path", ""))) for module in listed]


def read_modules(folder: Path, kinds: Sequence[tuple[str, str]]) -> Modules:
    """Read how tokens become one vector; a plain transformer folder lists no layers and is pooled by the mean."""
    order = {"Transformer": 0, "Pooling": 1, "Dense": 2, "Normalize": 3}
    for kind, _ in kinds:
        if kind not in order:
            raise unfit(f"it has a {kind!a} layer, which this version does not run")
    check_inside(kinds)
    places = [order[kind] for kind, _ in kinds]
    if places != sorted(places) or len(set(places) - {2}) != len([place for place in places if place != 2]):
        raise unfit(f"its layers stand in an order that this version does not run ({', '.join(k for k, _ in kinds)})")
    pooling = next((read_json(folder / path / "config.json") for kind, path in kinds if kind == "Pooling"), None)
    return Modules(
        pooling="mean" if pooling is None else _pooling(pooling),
        pools_prompt=pooling is None or pooling.get("include_prompt") is not False,
        dense=tuple(_dense(folder, path) for kind, path in kinds if kind == "Dense"),
        normalize="Normalize" in dict(kinds),
    )


def read_prompt(folder: Path, name: str, *, default_only: bool = False) -> str:
    """Return the text that is put before every input: the folder's default prompt, else that for classifying.

    This is the prompt named "classification", or E5's for queries, which its authors put before texts to classify; the
    catalogue knows encoders whose folders do not say so. A model whose head is here already has learnt with the
    default alone (``default_only``). Raises `ModelError` (``E_MODEL_FORMAT``) where the default is none of the prompts.
    """
    config = read_json(folder / PROMPTS, optional=True)
    listed, default = config.get("prompts"), config.get("default_prompt_name")
    prompts = {str(key): str(text) for key, text in listed.items()} if isinstance(listed, dict) else {}
    if default:
        if default not in prompts:
            raise unfit(f"its default prompt is none of the prompts in {PROMPTS}")
        return prompts[default]
    if default_only:
        return ""
    for key, text in prompts.items():
        if key.lower() == "classification":
            return text
    if all(prompts.get(key) == text for key, text in _E5.items()):
        return _E5["query"]
    return next((entry.prompt for entry in catalog.encoders() if entry.name.rpartition("/")[-1] == name), "")


def check_inside(kinds: Sequence[tuple[str, str]]) -> None:
    """Refuse modules that lie outside the encoder's folder."""
    for kind, path in kinds:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise unfit(f"its {kind} layer lies outside the folder")


def read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    """Read a file of the folder; a list as ``{"list": …}``. One that is missing is empty where it is ``optional``."""
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        if optional:
            return {}
        raise ModelError("E_MODEL_MISSING", f"the encoder has no {path.name}", fix="give a complete folder") from None
    except (OSError, ValueError, RecursionError):
        raise ModelError("E_MODEL_FORMAT", f"the encoder's {path.name} cannot be read", fix="fetch it again") from None
    return document if isinstance(document, dict) else {"list": document}


def whole(config: Mapping[str, Any], *names: str) -> int:
    """Return the first of these settings that is a whole number; raises `ModelError` where none is."""
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise unfit(f"its config.json has no {names[0]}")


def unfit(why: str) -> ModelError:
    """Return the error that says why an encoder cannot be used."""
    return ModelError("E_MODEL_FORMAT", f"the encoder cannot be used: {why}", fix="choose another with --encoder")


def _dense(folder: Path, path: str) -> DenseLayer:
    config = read_json(folder / path / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh")).rsplit(".", 1)[-1]
    if activation not in ACTIVATIONS:
        raise unfit(f"its dense layer has the activation {activation!a}; this version runs {', '.join(ACTIVATIONS)}")
    if not (folder / path / "model.safetensors").is_file():
        message = "the encoder's dense layer has no model.safetensors (pickled weights are never opened)"
        fix = "convert it once with safetensors, or use another encoder"
        raise ModelError("E_MODEL_MISSING", message, fix=fix)
    width = whole(config, "out_features")
    return DenseLayer(path=path, width=width, activation=activation, has_bias=config.get("bias") is not False)


def _pooling(config: Mapping[str, Any]) -> str:
    modes = {key for key, value in config.items() if key.startswith(_OLD_MODE) and value is True}
    for mode, old in POOLINGS.items():
        if config.get("pooling_mode") == mode or ("pooling_mode" not in config and modes == {_OLD_MODE + old}):
            return mode
    raise unfit(f"its pooling is none of {', '.join(POOLINGS)}")
