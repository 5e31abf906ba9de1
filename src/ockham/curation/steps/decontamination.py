"""Test rows that must not stand in the data: read, indexed by their word n-grams, and looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ockham.curation.curate_spec import WIDTH
from ockham.data.shared_text import SharedText
from ockham.readers.columns import ColumnRequest
from ockham.readers.documents import Document, describe, documents_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ockham.curation.kernels.ngram_index import Index
    from ockham.curation.kernels.shingles import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkIndex:
    """The n-grams of all test rows, and the location of each row ("file:record")."""

    index: Index
    locations: tuple[str, ...]
    digests: tuple[str, ...]

    def find(self, texts: Texts) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return for each text the number of the row of which it holds the most (-1: none leaks) and that share."""
        from ockham.curation.kernels.char_classes import alphabet
        from ockham.curation.kernels.ngram_index import leaks

        return leaks(texts, alphabet(), self.index, WIDTH)


def read_tests(
    paths: Sequence[Path], inputs: tuple[str, ...], containment: float, shared: SharedText | None = None
) -> BenchmarkIndex:
    """Read the inputs of test files and index them, without the text that rows share.

    Raises `DataError` as reading documents does.
    """
    shared = shared or SharedText()
    from ockham.curation.kernels.char_classes import alphabet
    from ockham.curation.kernels.ngram_index import index_of

    rows: list[bytes] = []
    locations: list[str] = []
    digests: list[str] = []
    for path in paths:
        file = describe(path, ColumnRequest(inputs=inputs, target=None, group=None, labelled=False, source=""), None)
        digests.append(file.sha256)
        for document in documents_of(0, file, None):
            if isinstance(document, Document):
                rows.append(shared.text_to_compare("\n".join(document.texts)).encode())
                locations.append(f"{file.name}:{document.record}")
    return BenchmarkIndex(
        index=index_of(rows, alphabet(), WIDTH, containment), locations=tuple(locations), digests=tuple(digests)
    )
