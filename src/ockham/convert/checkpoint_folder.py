"""A local Hugging Face folder, checked before any library opens it: no code, no pickle, nothing outside the folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

from ockham import store
from ockham.errors import ModelError
from ockham.records import digest

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
INDEX = "model.safetensors.index.json"
MAX_JSON = 64 << 20
CODE_KEYS = frozenset({"auto_map", "custom_pipelines", "trust_remote_code", "_attn_implementation_internal"})
"""Settings that make a loader run code from the folder or from a hub."""

_TOKENIZER = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "merges.txt")
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
_FIX = "download or copy the folder again, with its safetensors files"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFolder:
    """A checked folder: its configuration, its files of weights, and a digest of all that decides what the model is."""

    config: dict[str, object]
    weights: tuple[Path, ...]
    digest: str

    @property
    def architecture(self) -> str:
        """The first architecture the configuration names, such as ``LlamaForCausalLM``; "" where it names none."""
        named = self.config.get("architectures")
        return str(named[0]) if isinstance(named, list) and named else ""


def check_model(folder: Path) -> CheckpointFolder:
    """Check a folder with a model's configuration, tokenizer and safetensors weights.

    Raises `ModelError`: ``E_MODEL_MISSING`` for a missing file, ``E_MODEL_FORMAT`` for one that is damaged or outside
    the folder, or where the weights are pickles only, ``E_REMOTE_CODE`` where the folder asks for its own code to run.
    """
    config = _settings(folder, CONFIG)
    weights = tuple(_shards(folder))
    for path in weights:
        check_weights(path)
    tokenizer = [folder / name for name in _TOKENIZER if (folder / name).is_file()]
    for path in tokenizer:
        _inside(folder, path)
        if path.name == "tokenizer_config.json":
            _settings(folder, path.name)
    return CheckpointFolder(config=config, weights=weights, digest=_digest([folder / CONFIG, *tokenizer, *weights]))


def check_adapter(folder: Path) -> CheckpointFolder:
    """Check a PEFT folder: a LoRA configuration and its weights as safetensors. Raises as `check_model`."""
    config = _settings(folder, ADAPTER_CONFIG)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if config.get("peft_type") != "LORA":
        _refuse(folder, "its adapter is not of the kind LORA")
    if type(rank) is not int or not 1 <= rank <= 4096:
        _refuse(folder, "the adapter's rank is not a number from 1 to 4096")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not 0 < alpha < 1e6:
        _refuse(folder, "the adapter's alpha is not a number above 0")
    mapping = config.get("auto_mapping") or {"parent_library": "transformers.models"}
    library = mapping.get("parent_library") if isinstance(mapping, dict) else None
    if not isinstance(library, str) or library.split(".")[:2] != ["transformers", "models"]:
        _refuse(folder, "the adapter names a class outside the library of models")
    for key in ("megatron_config", "modules_to_save"):
        if config.get(key):
            _refuse(folder, f"the adapter sets {key}, which is not read here")
    path = folder / "adapter_model.safetensors"
    if not path.is_file():
        _refuse(folder, "has no adapter_model.safetensors (an adapter saved as a pickle is never opened)")
    _inside(folder, path)
    check_weights(path)
    return CheckpointFolder(config=config, weights=(path,), digest=_digest([folder / ADAPTER_CONFIG, path]))


def check_weights(path: Path) -> None:
    """Check a safetensors file's header against its length, without reading a tensor.

    A pickle or an archive under this name is refused and never opened as what it is. Raises `ModelError`:
    ``E_MODEL_MISSING`` where the file cannot be read, ``E_MODEL_FORMAT`` where it is damaged or of another format.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except OSError as error:
        what = f"{path.name}: cannot be read ({error.strerror or type(error).__name__})"
        raise ModelError("E_MODEL_MISSING", what, fix="name a folder with the model's files") from None
    except SafetensorError:
        what = f"{path.name} is damaged, incomplete or not a safetensors file"
        raise ModelError("E_MODEL_FORMAT", what, fix="download or copy the file again") from None


def _shards(folder: Path) -> Iterator[Path]:
    shards = {path.name: path for path in sorted(folder.glob("model*.safetensors"))}
    if not shards:
        pickles = any(path.suffix in _PICKLES for path in folder.iterdir())
        what = "has its weights as pickles only, which are never opened" if pickles else "has no model*.safetensors"
        _refuse(folder, what)
    if (folder / INDEX).is_file():
        listed = _json(folder, INDEX).get("weight_map")
        names = set(listed.values()) if isinstance(listed, dict) else set()
        for name in names:
            if not isinstance(name, str) or PurePosixPath(name).name != name or "\\" in name:
                _refuse(folder, "its index names a file outside the folder")
        if names != set(shards):
            _refuse(folder, "its index and its weight files do not name each other")
    for path in shards.values():
        _inside(folder, path)
        yield path


def _settings(folder: Path, name: str) -> dict[str, object]:
    values = _json(folder, name)
    if code_keys := sorted(_keys(values) & CODE_KEYS):
        what = f"{folder.name}/{name}: {code_keys[0]} asks to run code from the folder"
        raise ModelError("E_REMOTE_CODE", what, fix="use a model whose architecture needs no custom code")
    return values


def _json(folder: Path, name: str) -> dict[str, object]:
    path = folder / name
    try:
        _inside(folder, path)
        if path.stat().st_size > MAX_JSON:
            _refuse(folder, f"{name} is larger than {MAX_JSON >> 20} MiB")
        values = json.loads(path.read_bytes())
    except OSError as error:
        what = f"{folder.name}/{name}: cannot be read ({error.strerror})"
        raise ModelError("E_MODEL_MISSING", what, fix="name a folder with the model's files") from None
    except (ValueError, RecursionError):
        _refuse(folder, f"{name} is not JSON")
    if not isinstance(values, dict):
        _refuse(folder, f"{name} is not a JSON object")
    return values


def _keys(value: object) -> set[str]:
    keys: set[str] = set()
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            keys.update(key for key, item in node.items() if item)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return keys


def _inside(folder: Path, path: Path) -> None:
    # The hub's cache holds each file as a link into its own folder of blobs; no other link is followed.
    root, real = folder.resolve(), path.resolve()
    allowed = [root, root.parent.parent / "blobs"] if root.parent.name == "snapshots" else [root]
    if not any(real.is_relative_to(parent) for parent in allowed):
        _refuse(folder, f"{path.name} is a link that leads outside the folder")


def _digest(paths: list[Path]) -> str:
    return digest({path.name: store.file_digest(path) for path in paths})


def _refuse(folder: Path, what: str) -> NoReturn:
    raise ModelError("E_MODEL_FORMAT", f"{folder.name}: {what}", fix=_FIX)
