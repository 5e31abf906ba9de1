"""A tagger: an encoder that says of each token of a text which field's value it belongs to (`ockham.models.bio_tags`).

Its answer is a JSON object of the schema that the training targets had, and each text in it is cut from the input: it
has exactly the user's characters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham import machine
from ockham.errors import ModelError
from ockham.llm.prompt_builder import whole
from ockham.models import bio_tags, json_fields, model_files, onnx_encoder
from ockham.models.json_fields import Field
from ockham.models.token_windows import Reader, TokenWindows
from ockham.records import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "tagger.json"
WEIGHTS = "tagger.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggerSettings:
    """The schema of the answers as JSON, the paths of the fields that have tags, and the temperature."""

    schema: str
    paths: tuple[tuple[str, ...], ...]
    temperature: float = field(metadata={"above": 0})
    closed: tuple[str, ...] | None = None
    """The joints at which values do not end (`ockham.models.bio_tags.free`)."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes answers of tags: one object a text, of the schema."""

    schema: Mapping[str, Any]
    fields: tuple[Field, ...]

    def answer(self, text: str, reading: TokenWindows, margins: NDArray[np.floating]) -> Answer:
        """Answer a text by the margins of its tokens (tokens, tags), of which the temperature is taken off.

        A field that the schema has once gets its surest span. The confidence is the probability of all tags together.
        """
        path = bio_tags.likeliest(margins, reading.free)
        by_path: dict[json_fields.Path, list[tuple[float, str]]] = {}
        for span, tokens in bio_tags.decode(path.tags, reading.spans):
            part = text[span.start : span.end]
            if json_fields.fits(self.fields[span.field], part):
                sure = sum(path.logs[token] for token in tokens) / len(tokens)
                by_path.setdefault(self.fields[span.field].path, []).append((sure, part))
        once = {field.path for field in self.fields if not field.repeated}
        texts = {
            path: [max(parts, key=lambda part: part[0])[1]] if path in once else [part for _, part in parts]
            for path, parts in by_path.items()
        }
        value = json.dumps(json_fields.object_of(self.schema, texts), ensure_ascii=False)
        tokens_in = sum(len(window.tokens) for window in reading.windows)
        return Answer(value=whole(value), confidence=path.probability, tokens_in=tokens_in, unread=0.0)


@dataclass(frozen=True, slots=True)
class Tagger:
    """A tagger ready to answer: ``weight`` (hidden, tags), ``bias`` (tags,)."""

    embedder: onnx_encoder.Embedder
    reader: Reader
    writer: Writer
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the fields found in each text; a text longer than the encoder is read in windows."""
        if not inputs:
            return []
        readings = self.reader.read(inputs)
        return [
            self.writer.answer(text, reading, margins / self.temperature)
            for text, reading, margins in zip(inputs, readings, self.margins(readings), strict=True)
        ]

    def margins(self, readings: Sequence[TokenWindows]) -> list[NDArray[np.float32]]:
        """Return one number per tag for each token of each text: (tokens, tags)."""
        rows = [window.tokens for reading in readings for window in reading.windows]
        parts = iter(self.embedder.states(rows))
        return [reading.join([next(parts) for _ in reading.windows]) @ self.weight + self.bias for reading in readings]


def writer(settings: TaggerSettings) -> Writer:
    """Make the writer of a tagger's answers.

    Raises `ModelError` (``E_MODEL_FORMAT``) where its paths are not those of its schema.
    """
    try:
        schema = json.loads(settings.schema)
        fields = {field.path: field for field in json_fields.of_schema(schema)}
        return Writer(schema, tuple(fields[path] for path in settings.paths))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise _unfit(f"{FILE}: its fields are not those of its schema") from None


def save(settings: TaggerSettings, weight: NDArray[np.float32], bias: NDArray[np.float32], folder: Path) -> None:
    """Write a tagger's head into a staging folder: ``weight`` (hidden, tags), ``bias`` (tags,)."""
    from safetensors.numpy import save_file

    model_files.write(settings, folder / FILE)
    save_file({"weight": weight, "bias": bias}, folder / WEIGHTS)


def load(folder: Path) -> Tagger:
    """Read the model; raises `ModelError` where a file is missing or not as it was written."""
    settings = model_files.read(TaggerSettings, folder / FILE)
    arrays = model_files.read_arrays(folder / WEIGHTS, ("weight", "bias"))
    body = onnx_encoder.load(folder, threads=machine.cores())
    model_files.check_shapes(arrays, (body.settings.hidden, bio_tags.count(len(settings.paths))), (WEIGHTS, FILE))
    reader = Reader(body.tokenizer, body.settings, settings.closed)
    return Tagger(body, reader, writer(settings), arrays["weight"], arrays["bias"], settings.temperature)


def _unfit(message: str) -> ModelError:
    return ModelError("E_MODEL_FORMAT", message, fix="create the bundle again: ockham fit")
