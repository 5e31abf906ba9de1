"""A linear model that tags the words of a text: a chain CRF on what each word looks like and where it stands.

Its answer is a JSON object of the schema that the training targets had, each value cut from the input or written from a
part of it by a form that was learnt (`ockham.models.extraction.value_forms`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ockham.models import model_files
from ockham.models.extraction import chain_crf, layout_features, span_shares, text_words
from ockham.models.extraction.field_writer import FieldWriter, WriterSettings
from ockham.records import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

FILE = "linear_tagger.json"
WEIGHTS = "linear_tagger.safetensors"
FEATURES = "features.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureNames:
    """The names of the features, in the order of their weights."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinearTagger:
    """A tagger ready to answer: ``weight`` (features, tags) and ``moves`` (tags, tags) as logarithms."""

    writer: FieldWriter
    column: dict[str, int]
    weight: NDArray[np.float32]
    moves: NDArray[np.float32]

    def answer(self, inputs: Sequence[str]) -> list[Answer]:
        """Answer with the fields found in each text."""
        return [self.writer.answer(text, self.shares(text)) for text in inputs]

    def shares(self, text: str) -> list[span_shares.SpanShare]:
        """Return the spans of a text with their shares."""
        import numpy as np

        words = text_words.split_words(text, self.writer.closed)
        if not words:
            return []
        scores = self.scores(text, words)
        emissions = np.exp(scores - scores.max(axis=1, keepdims=True))[None].astype(np.float64)
        moves = np.exp(self.moves.astype(np.float64)) * chain_crf.legal_moves((scores.shape[1] - 1) // 2)
        lattice, _ = chain_crf.run_lattice(emissions, moves, np.array([len(words)]))
        return span_shares.span_shares(lattice.marginals()[0], chain_crf.onward_shares(lattice, moves), words)

    def scores(self, text: str, words: Sequence[text_words.Extent]) -> NDArray[np.float32]:
        """Return the score of each tag for each word alone: (words, tags)."""
        matrix = feature_matrix([layout_features.describe_words(text, words)], self.column)
        scores: NDArray[np.float32] = matrix @ self.weight
        return scores

    def save(self, folder: Path) -> None:
        """Write the model into a staging folder."""
        from safetensors.numpy import save_file

        model_files.write(self.writer.settings, folder / FILE)
        model_files.write(FeatureNames(names=tuple(self.column)), folder / FEATURES)
        save_file({"weight": self.weight, "moves": self.moves}, folder / WEIGHTS)


def feature_matrix(texts: Sequence[Sequence[Sequence[str]]], column: dict[str, int]) -> csr_matrix[Any]:
    """Return the features of the words of some texts, one row a word: 1 where a word has it, (words, features)."""
    import numpy as np
    from scipy.sparse import csr_matrix

    columns, ends = list[int](), [0]
    for words in texts:
        for names in words:
            columns += {column[name] for name in names if name in column}
            ends.append(len(columns))
    data = np.ones(len(columns), np.float32)
    return csr_matrix((data, np.array(columns, np.int64), np.array(ends, np.int64)), shape=(len(ends) - 1, len(column)))


def load(folder: Path) -> LinearTagger:
    """Read the model; raises `ModelError` where a file is missing or not as it was written."""
    settings = model_files.read(WriterSettings, folder / FILE)
    names = model_files.read(FeatureNames, folder / FEATURES).names
    arrays = model_files.read_arrays(folder / WEIGHTS, ("weight", "moves"))
    writer = FieldWriter.of(settings, FILE)
    tags = 1 + 2 * len(settings.paths)
    model_files.check_shape(arrays["weight"], (len(names), tags), (WEIGHTS, FILE))
    model_files.check_shape(arrays["moves"], (tags, tags), (WEIGHTS, FILE))
    column = {name: index for index, name in enumerate(names)}
    return LinearTagger(writer, column, arrays["weight"], arrays["moves"])
