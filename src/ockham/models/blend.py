"""Several classifiers as one: the mean of their log-probabilities, each with a temperature and a weight of its own.

A logarithmic opinion pool (Genest and Zidek 1986). Log-probabilities are margins over a temperature, up to a number
that is the same for all labels, so the pool is a weighted sum of margins; a softmax of it gives its probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from ockham.errors import ModelError
from ockham.models import model_files, softmax
from ockham.models.backend import Decisions, load_backend
from ockham.records import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "blend.json"
KINDS = ("linear", "encoder")
"""The kinds of models that can be members: none asks over a network, and none is code of another package."""


class MarginModel(Protocol):
    """A classifier that has a number for every label, of which the largest is its answer."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of their margins."""
        ...

    def margins(self, inputs: Sequence[str]) -> NDArray[np.float32]:
        """Return one number per label for each input: (inputs, labels)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendMember:
    """A member: the kind of model that it is, and the factor of its margins."""

    kind: str
    weight: float = field(metadata={"min": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendSettings:
    """The labels in the order of the probabilities, and the members in the order of their folders."""

    labels: tuple[str, ...]
    members: tuple[BlendMember, ...]

    @property
    def weights(self) -> list[float]:
        """The factor of each member's margins."""
        return [member.weight for member in self.members]


@dataclass(frozen=True, slots=True)
class Blend:
    """The members, loaded, and how they are weighed."""

    settings: BlendSettings
    models: tuple[MarginModel, ...]

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the most probable label; confidence is its probability."""
        return self.decide(inputs).answers

    def decide(self, inputs: Sequence[str]) -> Decisions:
        """Return each input's answer with the probability of every label."""
        if not inputs:
            return Decisions([], self.labels, [])
        return softmax.decisions(self.margins(inputs), self.labels, 1.0)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of their probabilities."""
        return self.settings.labels

    def probabilities(self, inputs: Sequence[str]) -> list[list[float]]:
        """Return the probability of every label for each input."""
        return softmax.rows_of(self.margins(inputs), 1.0) if inputs else []

    def margins(self, inputs: Sequence[str]) -> NDArray[np.float64]:
        """Return the weighted sum of the members' margins: (inputs, labels)."""
        return pool(
            [align(model.margins(inputs), model.labels, self.labels) for model in self.models], self.settings.weights
        )


def align(margins: NDArray[np.floating], labels: Sequence[str], order: Sequence[str]) -> NDArray[np.floating]:
    """Return margins, (rows, labels), with their columns in another order.

    A label that a member does not know has the smallest of the row's margins.
    """
    import numpy as np

    if tuple(labels) == tuple(order):
        return margins
    column = {label: index for index, label in enumerate(order)}
    out = np.repeat(margins.min(axis=1, keepdims=True), len(order), axis=1)
    out[:, [column[label] for label in labels]] = margins
    return out


def pool(margins: Sequence[NDArray[np.floating]], weights: Sequence[float]) -> NDArray[np.float64]:
    """Return the weighted sum of several models' margins, (rows, labels) each; a weight of 0 leaves a model out."""
    import numpy as np

    total = np.zeros(margins[0].shape)
    for part, weight in zip(margins, weights, strict=True):
        if weight > 0:
            total += weight * part.astype(np.float64)
    return total


def member_folder(folder: Path, index: int, kind: str) -> Path:
    """Say where the files of a member lie in the folder of its blend."""
    return folder / "members" / f"{index}-{kind}"


def load(folder: Path) -> Blend:
    """Read a blend and its members; raises `ModelError` where a file is missing or not as it was written."""
    settings = model_files.read(BlendSettings, folder / FILE)
    if not settings.members or len(set(settings.labels)) != len(settings.labels):
        raise _unfit("it names no members, or a label twice")
    return Blend(settings, tuple(_load_member(folder, index, settings) for index in range(len(settings.members))))


def _load_member(folder: Path, index: int, settings: BlendSettings) -> MarginModel:
    kind = settings.members[index].kind
    if kind not in KINDS:
        raise _unfit(f"models of kind {kind!a} cannot be blended")
    model = cast("MarginModel", load_backend(kind).load(member_folder(folder, index, kind)))
    if not set(model.labels) <= set(settings.labels):
        raise _unfit("its labels are not those of its members")
    return model


def _unfit(why: str) -> ModelError:
    return ModelError("E_MODEL_FORMAT", f"{FILE}: {why}", fix=model_files.FIX)
