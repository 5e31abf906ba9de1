"""Tokens on disk: one stream of 16-bit numbers, each document followed by ``<|endoftext|>``, cut into windows.

A window is ``context + 1`` tokens that begin where the last one ended; a pass takes all windows in an order that
follows from seed and pass alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ockham.store import save_bytes
from pretrain.bpe import END, number
from pretrain.sources import Document

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Stream = NDArray[np.uint16]
_TOGETHER = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Where the documents of one source lie in a stream: how many, their tokens (ends included) and UTF-8 bytes."""

    source: str
    documents: int
    tokens: int
    size: int


def encode(
    tokenizer: Tokenizer, documents: Sequence[Document], on_progress: Callable[[int, int], None]
) -> tuple[Stream, tuple[Stretch, ...]]:
    """Encode the documents in their order; ``on_progress`` hears (documents done, all)."""
    end = number(tokenizer, END)
    parts: list[Stream] = []
    stretches: list[Stretch] = []
    for i in range(0, len(documents), _TOGETHER):
        some = documents[i : i + _TOGETHER]
        encoded = tokenizer.encode_batch_fast([document.text for document in some], add_special_tokens=False)
        for document, found in zip(some, encoded, strict=True):
            parts.append(np.array([*found.ids, end], dtype=np.uint16))
            _count(stretches, document, len(parts[-1]))
        on_progress(i + len(some), len(documents))
    return np.concatenate(parts), tuple(stretches)


def _count(stretches: list[Stretch], document: Document, tokens: int) -> None:
    last = Stretch(source=document.source, documents=0, tokens=0, size=0)
    if stretches and stretches[-1].source == document.source:
        last = stretches.pop()
    stretches.append(
        Stretch(
            source=document.source,
            documents=last.documents + 1,
            tokens=last.tokens + tokens,
            size=last.size + len(document.text.encode()),
        )
    )


def save(stream: Stream, path: Path) -> None:
    """Write a stream, little-endian."""
    save_bytes(path, stream.astype("<u2").tobytes())


def load(path: Path) -> Stream:
    """Map a stream into memory."""
    return np.memmap(path, dtype="<u2", mode="r")


def windows(stream: Stream, context: int) -> int:
    """Count the whole windows of a stream."""
    return (len(stream) - 1) // context


def window(stream: Stream, places: Sequence[int] | NDArray[np.int64], context: int) -> NDArray[np.int64]:
    """Give windows by their numbers, (windows, context + 1)."""
    return np.stack([stream[i * context : (i + 1) * context + 1] for i in places]).astype(np.int64)


def cut(rows: NDArray[np.int64], pieces: int) -> NDArray[np.int64]:
    """Cut windows (windows, context + 1) into equal pieces that foretell the same tokens, with less before them.

    The result is (windows * pieces, context / pieces + 1).
    """
    length = (rows.shape[1] - 1) // pieces
    return np.concatenate([rows[:, i * length : (i + 1) * length + 1] for i in range(pieces)])


def batch(step: int, size: int, groups: tuple[int, int], share: float | None, seed: int) -> NDArray[np.int64]:
    """Give the numbers of the windows of a step, ``size`` of them, passing through all before any comes again.

    ``groups`` are the windows of books, which come first, and of all else; with a ``share``, that part of a step is of
    the latter, and each group has passes of its own.
    """
    if share is None:
        return _pass(step, size, sum(groups), [seed])
    others = round(share * size)
    first = _pass(step, size - others, groups[0], [seed, 1])
    return np.concatenate([first, groups[0] + _pass(step, others, groups[1], [seed, 2])])


def _pass(step: int, size: int, count: int, seed: list[int]) -> NDArray[np.int64]:
    places = range(step * size, (step + 1) * size)
    passes = {place // count for place in places}
    orders = {number: np.random.default_rng([*seed, number]).permutation(count) for number in passes}
    return np.array([orders[place // count][place % count] for place in places], dtype=np.int64)
