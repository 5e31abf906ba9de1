"""Static embeddings: a table of vectors, one for each token, of which a text has the mean.

Folders of `StaticEmbedding` (sentence-transformers) and of model2vec: a tokenizer, the table, and in model2vec's a
weight for each token or fewer rows than tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FAMILY = "static"
MODULE = "StaticEmbedding"
MODEL_TYPE = "model2vec"
MAX_TOKENS = 8192
"""Tokens in a window: no position limits it, so it is set where texts are longer than any that is measured."""


def is_static(kinds: Sequence[str], config: Mapping[str, Any]) -> bool:
    """Whether a folder's modules or its config.json say that it is a table of vectors."""
    return MODULE in kinds or config.get("model_type") == MODEL_TYPE


def read_table(weights: Path) -> NDArray[np.float32]:
    """Read the vectors of all tokens: (tokens, hidden).

    Raises `ValueError` or `KeyError` where the file has no such table, `OSError` or `SafetensorError` where it cannot
    be read.
    """
    import numpy as np
    from safetensors.numpy import load_file

    arrays = load_file(weights)
    if "embedding.weight" in arrays:
        table = arrays["embedding.weight"]
    else:
        table = arrays["embeddings"]
        if "mapping" in arrays:  # tokens that share a vector
            table = table[arrays["mapping"].astype(np.int64)]
        if "weights" in arrays:
            table = table.astype(np.float32) * arrays["weights"].astype(np.float32)[:, None]
    if table.ndim != 2:
        raise ValueError("the table of vectors is no table")
    return np.ascontiguousarray(table, np.float32)
