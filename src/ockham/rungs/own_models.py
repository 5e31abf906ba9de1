"""Models of the user's own as candidates: a fine-tuned classifier, or a sentence encoder with a head.

A folder is looked at before any data is read: what it is, its labels, and that nothing in it is a pickle. It is then
measured as it came; nothing in it is tuned, calibrated or quantized.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ockham.convert.checkpoint_folder import check_model
from ockham.data.label_spellings import match_labels, respell
from ockham.errors import ConfigError, DataError, ModelError
from ockham.llm import gguf_file, hub, model_names
from ockham.models import encoder, model_files, onnx_encoder, own_folder, sentence_encoder, sequence_classifier
from ockham.models.backend import load_model
from ockham.models.own_folder import OwnHead
from ockham.models.sequence_classifier import ClassifierSettings
from ockham.records import Example
from ockham.rungs.decoder_weights import find_model, local, model_name, signature
from ockham.rungs.encoder_rungs import ENCODERS
from ockham.rungs.rung import BuildConfig, BuildInfo, RunContext, Rung

if TYPE_CHECKING:
    from ockham.models.encoder import LinearHead

NAME, NUMBER = "yours", 4
Form = Literal["transformers", "onnx", "sentence-transformers"]
_UNSEEN = "the model was made elsewhere: if it was trained on rows of this file, its numbers are too good"
_NEEDS = {"transformers": ("torch", "transformers"), "onnx": ENCODERS[1:], "sentence-transformers": ENCODERS}
_EXTRAS = {"transformers": "tune", "onnx": "encoder", "sentence-transformers": "encoder"}
_MARKS = ("config.json", "modules.json", "*.onnx", "onnx/*.onnx", "*.gguf")
KINDS = (
    "a fine-tuned \u2026ForSequenceClassification (config.json, model.safetensors, its tokenizer), an ONNX classifier "
    "(model.onnx, tokenizer.json, labels.json), a sentence-transformers folder with a head (modules.json; "
    "head.safetensors or a skops file), or a language model (a folder with config.json, or a GGUF file)"
)
"""What can be named as a model of the user's own, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModel:
    """A model of the user's own that answers with labels: where it lies, what runs it, and its labels in order."""

    name: str
    folder: Path
    form: Form
    labels: tuple[str, ...]
    max_tokens: int
    graph: str = ""
    head: OwnHead | None = None

    @property
    def kind(self) -> str:
        """The backend that serves it."""
        return "encoder" if self.form == "sentence-transformers" else "classifier"


def read_model(model: str) -> OwnModel | None:
    """Look at a model that was named; ``None`` for a language model, which is prompted and tuned.

    Also ``None`` for an id that the hub cannot give now: its rung fails alone, and says so. Raises `ModelError`:
    ``E_MODEL_MISSING`` where a path or name leads nowhere, ``E_MODEL_FORMAT`` where the model cannot be read, or holds
    pickles only, ``E_REMOTE_CODE`` where it asks for code of its own.
    """
    path = _find_or_none(model)
    if path is not None and path.is_file():
        gguf_file.inspect(path)
    if path is None or path.is_file():
        return None
    name = model_name(model)
    if not holds_model(path):
        raise refuse_folder(path, "a model", KINDS)
    if (path / "modules.json").is_file():
        return _read_sentence_encoder(path, name)
    graph = own_folder.find_graph(path)
    if graph is not None and not any(path.glob("model*.safetensors")):
        return _read_classifier(path, name, own_folder.read_config(path), graph)
    if any(path.glob("*.gguf")):
        return None
    checkpoint = check_model(path)
    if not checkpoint.architecture.endswith("ForSequenceClassification"):
        return None
    return _read_classifier(path, name, checkpoint.config, "")


def holds_model(folder: Path) -> bool:
    """Say whether a folder has any of the files that models are recognised by."""
    return any(next(folder.glob(mark), None) for mark in _MARKS)


def refuse_folder(folder: Path, wanted: str, kinds: str) -> ModelError:
    """Return the error for a folder without any of these files: what it lacks, and what could be named instead."""
    if (folder / "adapter_config.json").is_file():
        message = f"{folder.name} holds a LoRA adapter, without the model that it belongs to"
        fix = "merge it where it was made: model.merge_and_unload().save_pretrained(FOLDER)"
        return ModelError("E_MODEL_MISSING", message, fix=fix)
    lacking = "it has no config.json, no modules.json, and no .onnx or .gguf file"
    return ModelError("E_MODEL_MISSING", f"{folder.name} is not {wanted}: {lacking}", fix=f"name {kinds}")


def _find_or_none(model: str) -> Path | None:
    path = local(model)
    if path.exists():
        return path
    model_names.check_name(model)
    try:
        return find_model(model)
    except ModelError:
        if hub.is_id(hub.split_revision(model)[0]):
            return None
        raise


def _read_sentence_encoder(folder: Path, name: str) -> OwnModel:
    head, sentence = own_folder.read_head(folder), sentence_encoder.find(str(folder), default_prompt_only=True)
    return OwnModel(
        name=name,
        folder=folder,
        form="sentence-transformers",
        labels=head.labels,
        max_tokens=sentence.max_tokens,
        head=head,
    )


def _read_classifier(folder: Path, name: str, config: Mapping[str, Any], graph: str) -> OwnModel:
    return OwnModel(
        name=name,
        folder=folder,
        form="onnx" if graph else "transformers",
        labels=own_folder.labels_of(folder, config),
        max_tokens=own_folder.max_tokens(folder, config),
        graph=graph,
    )


def rung_of(model: OwnModel) -> Rung:
    """Return the rung of a model of the user's own; it is measured in every climb."""

    def cache_inputs(_plan: BuildConfig) -> object:
        return [str(model.folder), signature(local(str(model.folder)))]

    return dataclasses.replace(
        YOURS,
        name=f"{NAME}:{model.name}",
        kind=model.kind,
        build=partial(_build, model),
        cache_inputs=cache_inputs,
        packages=_NEEDS[model.form],
        extra=_EXTRAS[model.form],
        named=True,
    )


def check_names(rungs: Sequence[Rung]) -> None:
    """Raise `ConfigError` (``E_CONFIG``) where two models have the same last name."""
    names = [rung.name for rung in rungs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"two models are called {twice.partition(':')[2]!a}"
        raise ConfigError("E_CONFIG", message, fix="rename one of the folders")


def _build(model: OwnModel, context: RunContext, folder: Path) -> BuildInfo:
    rows = [*context.side("train"), *context.side("valid")]
    remarks = write_bundle(model, rows, context.labels(), folder)
    served = load_model(model.kind, folder)
    answers = tuple(str(answer.value) for answer in served.answer([row.input for row in context.side("valid")]))
    settings: dict[str, str | int | float | bool] = {
        "model": model.name,
        "engine": model.form,
        "max_tokens": model.max_tokens,
    }
    return BuildInfo(settings=settings, answers=answers, warnings=(*remarks, _UNSEEN))


def write_bundle(model: OwnModel, rows: Sequence[Example], labels: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Write what serves a model into a staging folder, its labels spelt as the data spell theirs; return remarks.

    Raises `DataError` (``E_LABEL_SET``) where the labels of more than one row in twenty are none of the model's.
    """
    spelt = match_labels(model.labels, labels).respelt
    own = tuple(spelt.get(label, label) for label in model.labels)
    try:
        _, remarks = respell(rows, sorted(set(own)), owner=f"the model {model.name}")
    except DataError as error:
        fix = "write the labels of the data into the model's list (id2label in its config.json), in its order"
        raise DataError(error.code, error.message, fix=fix) from None
    if model.head is not None:
        _write_sentence_encoder(model, model.head, own, folder)
        return remarks
    target = folder / sequence_classifier.MODEL
    target.mkdir()
    for name in own_folder.files_of(model.folder, model.graph):
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(model.folder / name, target / name)
    engine: sequence_classifier.Engine = "onnx" if model.form == "onnx" else "transformers"
    settings = ClassifierSettings(engine=engine, labels=own, max_tokens=model.max_tokens, graph=model.graph)
    model_files.write(settings, folder / sequence_classifier.FILE)
    return remarks


def _write_sentence_encoder(model: OwnModel, head: OwnHead, labels: tuple[str, ...], folder: Path) -> None:
    """Write the encoder in float32 and its head; a text is read up to the encoder's limit, as it is at home."""
    from ockham.convert import onnx_export

    sentence = sentence_encoder.find(str(model.folder), default_prompt_only=True)
    onnx_export.write(sentence, sentence.weights(), (), folder, quantize=False)
    settings = dataclasses.replace(onnx_encoder.settings_of(sentence), windows=1)
    model_files.write(settings, folder / onnx_encoder.FILE)
    _head(head, labels).save(folder)


def _head(head: OwnHead, labels: tuple[str, ...]) -> LinearHead:
    settings = encoder.HeadSettings(labels=labels, temperature=1.0)
    return encoder.LinearHead(settings, head.weight, head.bias)


def _build_nothing(_context: RunContext, _folder: Path) -> BuildInfo:
    raise NotImplementedError("a model of the user's own is named first")


YOURS = Rung(
    name=NAME,
    number=NUMBER,
    kind="classifier",
    summary="a model that you named",
    build=_build_nothing,
    cache_inputs=lambda _config: None,
    extra="encoder",
    any_of={
        "transformers": _NEEDS["transformers"],
        "ONNX": _NEEDS["onnx"],
        "sentence-transformers": _NEEDS["sentence-transformers"],
    },
    ready_note="used when you name a classifier of your own ({forms}): --models FOLDER",
)
"""What is true of each model of the user's own; the model itself is named later."""
