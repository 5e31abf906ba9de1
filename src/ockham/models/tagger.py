"""A tagger: an encoder that says of each token of a text which field's value it belongs to (`ockham.models.bio_tags`).

Its answer is a JSON object of the schema that the training targets had. A text in it is cut from the input, exactly the
user's characters, or written from a part of it by a form that was learnt. The shares of all places of one value count
together, and a value is given from a share on that validation rows choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ockham import machine
from ockham.models import bio_tags, model_files, onnx_encoder
from ockham.models.extraction import chain_crf, span_shares
from ockham.models.extraction.field_writer import FieldRule, FieldWriter, WriterSettings
from ockham.models.extraction.span_shares import SpanShare
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
    rules: tuple[FieldRule, ...] = ()
    """How the values of each field are written, and how sure they are; none: as they stand."""


@dataclass(frozen=True, slots=True)
class Tagger:
    """A tagger ready to answer: ``weight`` (hidden, tags), ``bias`` (tags,)."""

    embedder: onnx_encoder.Embedder
    reader: Reader
    writer: FieldWriter
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the fields found in each text; a text longer than the encoder is read in windows."""
        if not inputs:
            return []
        readings = self.reader.read(inputs)
        return [
            answer_text(self.writer, text, reading, margins / self.temperature)
            for text, reading, margins in zip(inputs, readings, self.margins(readings), strict=True)
        ]

    def margins(self, readings: Sequence[TokenWindows]) -> list[NDArray[np.float32]]:
        """Return one number per tag for each token of each text: (tokens, tags)."""
        rows = [window.tokens for reading in readings for window in reading.windows]
        parts = iter(self.embedder.states(rows))
        return [reading.join([next(parts) for _ in reading.windows]) @ self.weight + self.bias for reading in readings]


def token_shares(reading: TokenWindows, margins: NDArray[np.floating]) -> list[SpanShare]:
    """Return the spans of a text with their shares, from one number per tag for each of its tokens (tokens, tags)."""
    import numpy as np

    if not len(margins):
        return []
    scores, words = bio_tags.join_tokens(margins, reading.spans, reading.free)
    moves = chain_crf.legal_moves((scores.shape[1] - 1) // 2)
    emissions = np.exp(scores - scores.max(axis=1, keepdims=True))[None]
    lattice, _ = chain_crf.run_lattice(emissions, moves, np.array([len(words)]))
    return span_shares.span_shares(lattice.marginals()[0], chain_crf.onward_shares(lattice, moves), words)


def answer_text(writer: FieldWriter, text: str, reading: TokenWindows, margins: NDArray[np.floating]) -> Answer:
    """Answer a text by the margins of its tokens (tokens, tags), of which the temperature is taken off."""
    answer = writer.answer(text, token_shares(reading, margins))
    return replace(answer, tokens_in=reading.tokens, unread=0.0)


def writer(settings: TaggerSettings) -> FieldWriter:
    """Make the writer of a tagger's answers.

    Raises `ModelError` (``E_MODEL_FORMAT``) where its paths are not those of its schema.
    """
    rules = settings.rules or (FieldRule(),) * len(settings.paths)
    told = WriterSettings(schema=settings.schema, paths=settings.paths, rules=rules, closed=settings.closed or ())
    return FieldWriter.of(told, FILE)


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
