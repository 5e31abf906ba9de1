"""The socket every model fits, and the list of plugs.

A plug is a module with ``load(folder) -> Model``: it reads a bundle's files and answers. Plugs import their heavy
libraries themselves, on demand; this file imports none. A package of the user's own can add one under the entry point
group ``ockham.models``.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import NamedTuple, Protocol, cast, runtime_checkable

from ockham.data.shared_text import SharedText
from ockham.errors import ModelError
from ockham.llm.decoding import Hearer
from ockham.models import model_files
from ockham.models.replies import ReplyModel, ReplyWish, WrittenReply
from ockham.plugs import find_entry, package_name
from ockham.records import Answer
from ockham.rung_table import BACKENDS

SHARED = "shared_text.json"
"""The file of a bundle that holds what its model does not read."""
NETWORKED = "endpoint"
"""The kind of model that asks over a network: paid by the answer, and permitted by its caller first."""


@runtime_checkable
class Model(Protocol):
    """A candidate, loaded and ready to answer.

    ``answer`` gives one `Answer` per input, in the same order; it is deterministic, takes an empty list, never changes
    its arguments, and gives the same answer whatever stands beside an input in the batch.
    """

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer every input, in order."""
        ...


class Decisions(NamedTuple):
    """An answer for each input, and for models that know them all labels with their probabilities for each input."""

    answers: list[Answer]
    labels: tuple[str, ...] | None
    probabilities: list[list[float]]


@runtime_checkable
class ProbabilityModel(Protocol):
    """A model that also knows the probability of every label; a model need not.

    ``probabilities`` gives a row per input, in the order of ``labels``, that sums to 1. The greatest of a row is the
    confidence of the answer, and its label the answer.
    """

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of their probabilities."""
        ...

    def probabilities(self, inputs: Sequence[str]) -> list[list[float]]:
        """Return the probability of every label for each input, in order."""
        ...


@runtime_checkable
class DecisionModel(Protocol):
    """A model that knows probabilities, and returns them with its answers."""

    def decide(self, inputs: Sequence[str]) -> Decisions:
        """Return the answers of ``answer`` with the ``probabilities`` that they were taken by, computed once."""
        ...


@runtime_checkable
class EmbeddingModel(Protocol):
    """A model that makes vectors of texts on its way to an answer."""

    @property
    def width(self) -> int:
        """How many numbers a vector has."""
        ...

    def embed(self, inputs: Sequence[str]) -> tuple[list[list[float]], list[int]]:
        """Return the vector of each input, of length 1, and how many tokens were read of it."""
        ...


@dataclass(frozen=True, slots=True)
class ShortReader:
    """A model that reads inputs without the text that all rows share, as it learnt from them."""

    model: Model
    shared: SharedText

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer every input, in order."""
        return self.model.answer([self.shared.text_to_read(text) for text in inputs])


@dataclass(frozen=True, slots=True)
class ShortReplier:
    """A model that replies to inputs without the text that all rows share."""

    model: ReplyModel
    shared: SharedText

    @property
    def places(self) -> int:
        """How many texts are answered side by side."""
        return self.model.places

    def reply(self, text: str, wish: ReplyWish, hearer: Hearer) -> WrittenReply:
        """Answer a text while it is heard."""
        return self.model.reply(self.shared.text_to_read(text), wish, hearer)


class Backend(Protocol):
    """A module that loads one kind of model."""

    def load(self, folder: Path) -> Model:
        """Load the model from the files of a bundle."""
        ...


def load_backend(kind: str) -> Backend:
    """Import the plug of a kind.

    Raises `ModelError` (``E_MODEL_MISSING``) for a kind that no plug and no entry point provides.
    """
    if kind in BACKENDS:
        return cast("Backend", importlib.import_module(BACKENDS[kind]))
    return cast("Backend", _entry(kind).load())


def load_model(kind: str, folder: Path) -> Model:
    """Load the model of a bundle's folder, which reads its inputs as it did when it learnt.

    Raises `ModelError` for a kind that nothing provides and for files that are not as they were written.
    """
    return _without_shared_text(load_backend(kind).load(folder), folder)


def _without_shared_text(model: Model, folder: Path) -> Model:
    """Return the model that reads inputs as it learnt to."""
    if not (folder / SHARED).exists():
        return model
    return ShortReader(model, model_files.read(SharedText, folder / SHARED))


def load_models(kinds: Sequence[str], folders: Sequence[Path]) -> list[Model]:
    """Load the models of bundles: one, or several language models that share a base, which is loaded once.

    Raises as `load_model`, and `ModelError` (``E_MODEL_DIGEST``) where several do not stand on one base.
    """
    if len(folders) == 1:
        return [load_model(kinds[0], folders[0])]
    from ockham.models import shared_decoders

    models = shared_decoders.load(folders)
    return [_without_shared_text(model, folder) for model, folder in zip(models, folders, strict=True)]


def label_probabilities(model: Model, inputs: Sequence[str]) -> tuple[tuple[str, ...], list[list[float]]] | None:
    """Return the labels of a model and their probabilities for each input; ``None`` where it knows none."""
    if isinstance(model, ShortReader):
        return label_probabilities(model.model, [model.shared.text_to_read(text) for text in inputs])
    return (model.labels, model.probabilities(inputs)) if isinstance(model, ProbabilityModel) else None


def decide(model: Model, inputs: Sequence[str]) -> Decisions:
    """Answer inputs with the probabilities of all labels, where the model knows them, in one go."""
    if isinstance(model, ShortReader):
        return decide(model.model, [model.shared.text_to_read(text) for text in inputs])
    if isinstance(model, DecisionModel):
        return model.decide(inputs)
    labels, rows = label_probabilities(model, inputs) or (None, [])
    return Decisions(model.answer(inputs), labels, rows)


def reply_model(model: Model) -> ReplyModel | None:
    """Return the model as one that is heard while it answers; ``None`` where it is none."""
    if isinstance(model, ShortReader):
        inner = reply_model(model.model)
        return None if inner is None else ShortReplier(inner, model.shared)
    return model if isinstance(model, ReplyModel) else None


def embedding_model(model: Model) -> EmbeddingModel | None:
    """Return the model that makes vectors, which read texts whole; ``None`` where it makes none."""
    inner = model.model if isinstance(model, ShortReader) else model
    return inner if isinstance(inner, EmbeddingModel) else None


def save_shared_text(shared: SharedText, folder: Path) -> None:
    """Write what a model does not read into a staging folder; nothing where it reads everything."""
    if not shared.is_read_whole():
        model_files.write(shared, folder / SHARED)


def is_networked(kind: str) -> bool:
    """Return whether models of a kind ask over a network: they need a destination, and each answer costs money."""
    return kind == NETWORKED


def may_ask(kind: str) -> bool:
    """Return whether a model of a kind may ask over a network: one of ours that does, or any of another package."""
    return is_networked(kind) or kind not in BACKENDS


def package_of(kind: str) -> str | None:
    """Name the package whose plug a kind is, ``None`` for our own; nothing of it is imported.

    Raises `ModelError` (``E_MODEL_MISSING``) for a kind that no plug and no entry point provides.
    """
    if kind in BACKENDS:
        return None
    return package_name(_entry(kind))


def _entry(kind: str) -> EntryPoint:
    entry = find_entry("ockham.models", kind)
    if entry is None:
        message = f"no model of kind {kind!r} is known"
        raise ModelError("E_MODEL_MISSING", message, fix="install the package that provides it")
    return entry
