"""Several extractors as one: each field has the value that one of them gives, the best for it on validation rows."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ockham.errors import ModelError
from ockham.models import json_fields, model_files
from ockham.models.backend import Model, load_backend
from ockham.models.blend import member_folder
from ockham.records import Answer

FILE = "field_blend.json"
KINDS = ("pattern", "linear-tagger", "tagger", "gguf")
"""The kinds of models that can be members: none asks over a network, and none is code of another package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldBlendSettings:
    """The kinds of the members in the order of their folders, and for each field's path the member that answers it.

    ``rest`` is the member whose answer everything else is taken from.
    """

    kinds: tuple[str, ...]
    paths: tuple[tuple[str, ...], ...]
    members: tuple[int, ...]
    rest: int


@runtime_checkable
class Closable(Protocol):
    """A model that holds a process of its own."""

    def close(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True, slots=True)
class FieldBlend:
    """The members, loaded, and which of them answers which field."""

    settings: FieldBlendSettings
    models: tuple[Model, ...]

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the fields of several members.

        The confidence is that of all fields together, and where a member says none of its fields, the least of those
        members that have a part in it.
        """
        if not inputs:
            return []
        by_member = [model.answer(inputs) for model in self.models]
        return [combine(self.settings, [answers[index] for answers in by_member]) for index in range(len(inputs))]

    def close(self) -> None:
        """End the engines of language models among the members."""
        for model in self.models:
            if isinstance(model, Closable):
                model.close()


def combine(settings: FieldBlendSettings, answers: Sequence[Answer]) -> Answer:
    """Put the answers of the members to one text together; a member without a valid answer gives no field."""
    objects = [read_object(answer.value) for answer in answers]
    value: dict[str, Any] = objects[settings.rest]
    for path, member in zip(settings.paths, settings.members, strict=True):
        if member != settings.rest:
            value = _with_field(value, path, objects[member])
    parts = {settings.rest, *settings.members}
    sure = [answer.confidence for index, answer in enumerate(answers) if index in parts]
    known = [confidence for confidence in sure if confidence is not None]
    fields = _field_confidences(settings, answers)
    least = min(known) if len(known) == len(sure) else None
    together = least if fields is None else math.prod(fields.values())
    return Answer(value=json.dumps(value, ensure_ascii=False), confidence=together, fields=fields)


def _field_confidences(settings: FieldBlendSettings, answers: Sequence[Answer]) -> dict[str, float] | None:
    """Return the confidence of each field from the member that answers it; ``None`` where one of them says none."""
    if any(answers[index].fields is None for index in {settings.rest, *settings.members}):
        return None
    sure = dict(answers[settings.rest].fields or {})
    for path, member in zip(settings.paths, settings.members, strict=True):
        name = ".".join(path)
        sure.pop(name, None)
        if name in (own := answers[member].fields or {}):
            sure[name] = own[name]
    return sure


def read_object(text: str | None) -> dict[str, Any]:
    """Return the object that a text holds as JSON; an empty one for any other text."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _with_field(value: dict[str, Any], path: json_fields.Path, source: dict[str, Any]) -> dict[str, Any]:
    """Return an object whose field is that of another: its value, or nothing where the other has none."""
    key, rest = path[0], path[1:]
    if rest:
        inner, other = value.get(key), source.get(key)
        inner = _with_field(inner if isinstance(inner, dict) else {}, rest, other if isinstance(other, dict) else {})
        return {**value, key: inner} if inner or key in value else value
    if key in source:
        return {**value, key: source[key]}
    return {name: item for name, item in value.items() if name != key}


def load(folder: Path) -> FieldBlend:
    """Read a blend and its members; raises `ModelError` where a file is missing or not as it was written."""
    settings = model_files.read(FieldBlendSettings, folder / FILE)
    numbers = (settings.rest, *settings.members)
    fits = len(settings.paths) == len(settings.members) and all(0 <= n < len(settings.kinds) for n in numbers)
    if not fits or not all(settings.paths) or not set(settings.kinds) <= set(KINDS):
        raise ModelError("E_MODEL_FORMAT", f"{FILE}: its fields are not those of its members", fix=model_files.FIX)
    models = tuple(
        load_backend(kind).load(member_folder(folder, index, kind)) for index, kind in enumerate(settings.kinds)
    )
    return FieldBlend(settings, models)
