"""What a folder of a model that was made elsewhere says of itself: its labels, its limit, its graph, its head."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.errors import ModelError
from ockham.models import model_files
from ockham.version import install_command

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PICKLES = (".pkl", ".pickle", ".joblib", ".bin", ".pt", ".pth", ".ckpt")
HEAD = "head.safetensors"
_LINEAR = ("LogisticRegression", "LogisticRegressionCV", "LinearSVC", "RidgeClassifier", "SGDClassifier", "Perceptron")
_GRAPHS = ("model.onnx", "onnx/model.onnx")
_TEXTS = ("*.json", "*.txt", "*.model", "*.safetensors")
_LONGEST, _USUAL = 1_000_000, 512
_FIX = "give a complete folder"


@dataclass(frozen=True, slots=True)
class OwnHead:
    """A linear head on an encoder's vectors: ``weight`` (hidden, labels), ``bias`` (labels,)."""

    labels: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def read_config(folder: Path) -> Mapping[str, Any]:
    """Read a folder's config.json; an empty one where there is none. Raises `ModelError` (``E_MODEL_FORMAT``)."""
    path = folder / "config.json"
    config = _json(path) if path.is_file() else {}
    if not isinstance(config, dict):
        raise _unfit("config.json is not a JSON object")
    return config


def labels_of(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a classifier's labels in the order of its outputs: ``id2label``, or a list in labels.json.

    Raises `ModelError` (``E_MODEL_FORMAT``) for a model that does not choose one of several labels.
    """
    if config.get("problem_type") in ("regression", "multi_label_classification"):
        raise _unfit(f"its problem_type is {config['problem_type']}, and a row has one label here")
    named = config.get("id2label")
    if isinstance(named, dict):
        try:
            numbered = {int(number): str(label) for number, label in named.items()}
        except ValueError:
            raise _unfit("id2label of its config.json does not number the labels") from None
        labels = tuple(numbered[number] for number in sorted(numbered))
        if sorted(numbered) != list(range(len(numbered))):
            raise _unfit("id2label of its config.json does not number the labels from 0 on")
    else:
        labels = _list_of_labels(folder / "labels.json")
    if len(labels) < 2:
        raise _unfit(f"it has {len(labels)} labels, and a classifier has two at least")
    return labels


def max_tokens(folder: Path, config: Mapping[str, Any]) -> int:
    """Return how many tokens a classifier reads: what its tokenizer says, and no more than it has positions for."""
    path = folder / "tokenizer_config.json"
    tokenizer = _json(path) if path.is_file() else {}
    stated = tokenizer.get("model_max_length") if isinstance(tokenizer, dict) else None
    positions = config.get("max_position_embeddings")
    limits = [int(limit) for limit in (stated, positions) if isinstance(limit, (int, float)) and 3 <= limit < _LONGEST]
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert") and isinstance(positions, int):
        limits.append(positions - int(config.get("pad_token_id", 1)) - 1)  # their positions begin behind the padding
    return min(limits, default=_USUAL)


def find_graph(folder: Path) -> str | None:
    """Return where a folder has its ONNX graph, as a path within it; ``None`` where it has none.

    Raises `ModelError`: ``E_MODEL_FORMAT`` for several graphs of other names, ``E_MODEL_MISSING`` where a graph has no
    tokenizer.json beside it.
    """
    named = [name for name in _GRAPHS if (folder / name).is_file()]
    others = sorted(path.name for path in folder.glob("*.onnx"))
    if not named and len(others) > 1:
        raise _unfit(f"it has {len(others)} graphs, and none is called model.onnx")
    graph = next(iter([*named, *others]), None)
    if graph is not None and not (folder / "tokenizer.json").is_file():
        raise ModelError("E_MODEL_MISSING", "the model's folder has no tokenizer.json", fix=_FIX)
    return graph


def files_of(folder: Path, graph: str) -> tuple[str, ...]:
    """Return the files that a classifier is loaded from, as paths within its folder; never a pickle."""
    names = {path.name for pattern in _TEXTS for path in folder.glob(pattern) if path.is_file()}
    if graph:
        names = {name for name in names if not name.endswith(".safetensors")} | {graph}
        # The weights of a large graph lie beside it.
        names |= {
            path.relative_to(folder).as_posix()
            for path in (folder / graph).parent.iterdir()
            if path.name.startswith(Path(graph).name) or path.suffix == ".data"
        }
    return tuple(sorted(names))


def read_head(folder: Path) -> OwnHead:
    """Read the head of a sentence-transformers folder: linear, as safetensors, or of scikit-learn in a skops file.

    Raises `ModelError`: ``E_MODEL_MISSING`` where there is none, ``E_MODEL_FORMAT`` for a pickle, which is never
    opened, and for a head that is not linear.
    """
    if (folder / HEAD).is_file():
        arrays = model_files.read_arrays(folder / HEAD, ("weight", "bias"))
        labels = _list_of_labels(folder / "labels.json")
        return _check_head(OwnHead(labels, arrays["weight"], arrays["bias"]), HEAD)
    files = sorted(folder.glob("*.skops"))
    if len(files) == 1:
        return _check_head(_read_skops(files[0]), files[0].name)
    if files:
        raise _unfit(f"it has {len(files)} skops files, and a head is one of them")
    pickles = [path.name for path in _with_suffix(folder, PICKLES) if "head" in path.name or path.suffix != ".bin"]
    if pickles:
        raise ModelError(
            "E_MODEL_FORMAT",
            f"the model's head {pickles[0]} is a pickle, and opening one runs whatever code it holds",
            fix=f"where it was made, write it again: skops.io.dump(joblib.load({pickles[0]!r}), 'head.skops')",
        )
    message = f"the sentence encoder has no head: neither {HEAD} (with labels.json) nor a skops file"
    fix = "add one, or fit one on your rows: ockham fit DATA --encoder FOLDER"
    raise ModelError("E_MODEL_MISSING", message, fix=fix)


def _read_skops(path: Path) -> OwnHead:
    import numpy as np

    try:
        from skops import io
    except ImportError:
        message = f"skops is needed to read {path.name}"
        raise ModelError("E_MODEL_MISSING", message, fix=install_command("sklearn")) from None
    try:
        strange = io.get_untrusted_types(file=path)
        model: Any = None if strange else io.load(path, trusted=[])
    except Exception as error:  # zip, JSON and the types inside: each raises its own
        raise _unfit(f"{path.name} cannot be read ({type(error).__name__})") from None
    if strange:
        raise _unfit(f"{path.name} holds types that are not trusted: {', '.join(map(str, strange[:3]))}")
    kind = type(model).__name__
    if kind not in _LINEAR:
        raise _unfit(f"{path.name} holds a {kind}; this version reads {', '.join(_LINEAR)}")
    weight, bias = np.asarray(model.coef_, np.float32), np.asarray(model.intercept_, np.float32).reshape(-1)
    if len(weight) == 1:  # of two labels scikit-learn keeps one margin, that of the second over the first
        weight, bias = np.concatenate([weight / -2, weight / 2]), np.concatenate([bias / -2, bias / 2])
    labels = tuple(str(label) for label in model.classes_)
    return OwnHead(labels, np.ascontiguousarray(weight.T), np.broadcast_to(bias, len(weight)).copy())


def _check_head(head: OwnHead, name: str) -> OwnHead:
    count = len(head.labels)
    if head.weight.ndim != 2 or head.weight.shape[1] != count or head.bias.shape != (count,) or count < 2:
        raise _unfit(f"{name} is not a weight (hidden, labels) and a bias (labels,) for its {count} labels")
    return head


def _list_of_labels(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise ModelError(
            "E_MODEL_MISSING", "the model's folder names no labels", fix="add labels.json: a list of texts"
        )
    labels = _json(path)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _unfit("labels.json is not a list of texts")
    return tuple(labels)


def _with_suffix(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.suffix in suffixes)


def _json(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        raise _unfit(f"{path.name} cannot be read") from None


def _unfit(why: str) -> ModelError:
    return ModelError("E_MODEL_FORMAT", f"the model cannot be used: {why}", fix="give another model")
